"""A plan, done: one request after the other, in its order, until it is through or one is refused.

What was done is told as it is done, so that nobody has to guess after a failure. Applying the same files again goes on
where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.console.state.actual import PLACES, State, path
from apiloom.console.state.documents import Document, named
from apiloom.console.state.patches import patch_between
from apiloom.console.state.plan import CONTENT, Action

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

_GRAVE = "breaking"
_CONNECTOR = ("title", "options", "tenants", "enabled", "trusted", "auto_promote", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One action that was done. ``url`` is the new server's, shown this once; ``hash`` the version that is served."""

    action: Action
    url: str = field(default="", repr=False)
    hash: str = ""


@dataclass(slots=True, kw_only=True)
class Performance:
    """Does actions on a gateway. ``follow`` turns a reference such as ``env:NAME`` into the secret it stands for;
    ``breaking`` lets versions through that break their callers.
    """

    gateway: Gateway
    state: State
    say: Callable[[str], None]
    follow: Callable[[str], str]
    breaking: bool = False
    _ids: dict[Any, str] = field(default_factory=dict, init=False)

    async def do(self, action: Action) -> Done:
        """Do one action.

        Raises:
            ApiloomError: as the gateway refuses it, with what it was about; ``state.breaking``, ``state.version``.
        """
        self.say(f"{action.verb} {action.title}")
        try:
            return await self._do(action)
        except ApiloomError as error:
            raise type(error)(f"{action.title}: {error.message}", code=error.code, hint=error.hint) from None

    async def _do(self, action: Action) -> Done:
        word = action.key[0]
        if action.verb == "remove":
            assert action.there is not None  # noqa: S101 - what is removed is there
            await self.gateway.ask("DELETE", path(PLACES[word], action.there.id))
            return Done(action=action)
        if word == "connector":
            return await self._connector(action)
        if word == "server":
            return await self._server(action)
        return await (self._create if action.verb == "create" else self._update)(action)

    async def _create(self, action: Action) -> Done:
        word, key = action.key
        spec = action.wanted
        if word == "tenant":
            body = {"id": key[0], **spec}
        elif word == "account":
            body = {"tenant": key[0], "connector": key[1], "external_id": key[2], **_without(spec, "enabled")}
            body |= self._followed(spec)
        elif word == "oauth-client":
            named_there = {"tenant": key[0], "connector": key[1], "scheme": key[2]}
            body = {name: value for name, value in named_there.items() if value}
            body |= {**_without(spec, "secret"), **self._secret(spec)}
        elif word == "toolset":
            body = {"connector": key[1], "name": key[2], **spec, **({"tenant": key[0]} if key[0] else {})}
        else:
            body = {**self._aimed(key), **spec}
        made = await self.gateway.ask("POST", f"/{PLACES[word]}", None, body)
        if word == "account":
            self._known(action, made["id"])
            if not spec["enabled"]:
                await self.gateway.ask("PATCH", path("accounts", made["id"]), None, {"enabled": False})
        return Done(action=action)

    async def _update(self, action: Action) -> Done:
        assert action.there is not None  # noqa: S101 - what is updated is there
        patch = _patch(action)
        if "credentials" in patch:
            patch |= self._followed(action.wanted)
        if "secret" in patch or not {"endpoints", "provider"}.isdisjoint(patch):
            # a secret that is kept goes to no other endpoints: it is given again
            patch |= self._secret(action.wanted)
        if action.there.derived:
            patch = {"select": action.wanted["select"], **patch}
        if patch:
            await self.gateway.ask("PATCH", path(PLACES[action.key[0]], action.there.id), None, patch)
        return Done(action=action)

    def _followed(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """``credentials`` of a request, where a spec names any."""
        named_there = spec.get("credentials", {})
        followed = {scheme: {"token": self.follow(each["ref"])} for scheme, each in named_there.items()}
        return {"credentials": followed} if followed else {}

    def _secret(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """``secret`` of a request, where a spec names one."""
        return {"secret": self.follow(spec["secret"]["ref"])} if "secret" in spec else {}

    def _known(self, action: Action, id_: str) -> None:
        """Remember the id of what was made, for those that name it."""
        self._ids[action.key] = id_

    def _id(self, word: str, key: tuple[str, ...], title: str) -> str:
        """The id of something that is named.

        Raises:
            CallerError: ``state.reference``.
        """
        there = self.state.there.get((word, key))
        known = there.id if there is not None else self._ids.get((word, key))
        if known is None:
            raise CallerError(
                f"there is no {title}", code="state.reference", hint="name one that is there, or in a file"
            )
        return known

    def _aimed(self, key: tuple[str, ...]) -> dict[str, Any]:
        """Where an overlay lies."""
        layer, connector, tenant, target = key
        place: dict[str, Any] = {"layer": layer, "connector": connector}
        if layer == "tenant":
            place["tenant"] = tenant
        elif layer == "account":
            place["target"] = self._id("account", (tenant, connector, target), f"account {connector}/{target}")
        elif layer == "server":
            place["target"] = self._id("server", (tenant, target), f"server {target}")
        return place

    # Servers

    async def _server(self, action: Action) -> Done:
        tenant, name = action.key[1]
        spec = dict(action.wanted)
        off = spec.pop("toolsets_off")
        spec["accounts"] = [self._account(tenant, each) for each in spec["accounts"]]
        spec["config"] = {**spec["config"], "pin_version": await self._pinned(spec["config"]["pin_version"])}
        url = ""
        if action.verb == "create":
            made = await self.gateway.ask("POST", "/servers", None, {"tenant": tenant, "name": name, **spec})
            id_, before, url = made["id"], [], made["url"]
            self._known(action, id_)
        else:
            assert action.there is not None  # noqa: S101 - what is updated is there
            id_, before = action.there.id, action.there.record["toolsets_off"]
            record = action.there.record
            changed = {change.root for change in action.changes}
            patch = {each: patch_between(record[each], spec[each]) for each in spec if each in changed}
            if patch:
                await self.gateway.ask("PATCH", path("servers", id_), None, patch)
        for toolset in sorted({*off} ^ {*before}):
            switch = {"name": toolset, "on": toolset not in off}
            await self.gateway.ask("POST", path("servers", id_, "toolsets"), None, switch)
        return Done(action=action, url=url)

    def _account(self, tenant: str, name: str) -> str:
        connector, _, own = name.partition("/")
        return self._id("account", (tenant, connector, own), f"account {name} in tenant {tenant}")

    async def _pinned(self, pinned: Mapping[str, Any] | None) -> dict[str, int] | None:
        """Pinned versions by number, as this gateway counts them.

        Raises:
            CallerError: ``state.version``.
        """
        if pinned is None:
            return None
        numbers = {}
        for slug, wanted in pinned.items():
            if isinstance(wanted, int):
                numbers[slug] = wanted
                continue
            page = await self.gateway.ask("GET", path("connectors", slug, "versions"), {"hash": wanted, "limit": 200})
            if not page["items"]:
                raise CallerError(
                    f"{slug} has no version {wanted[:12]}", code="state.version", hint="pin one that is there, or none"
                )
            numbers[slug] = max(each["number"] for each in page["items"])
        return numbers

    # Connectors

    async def _connector(self, action: Action) -> Done:
        document, spec = action.document, action.wanted
        assert document is not None  # noqa: S101 - it is created or updated
        slug = action.key[1][0]
        if action.verb == "create":
            await self._imported_first(slug, document, spec)
        else:
            await self._patched(slug, action)
            if any(change.root in {CONTENT, "hash"} for change in action.changes):
                await self._served(slug, _text(document), spec.get("hash", ""))
        if spec.get("url") and CONTENT in spec:
            await self.gateway.ask("PATCH", path("connectors", slug), None, {"source": {"url": spec["url"]}})
        record = await self.gateway.ask("GET", path("connectors", slug))
        version = await self.gateway.ask("GET", path("connectors", slug, "versions", record["current"]))
        self.state.versions.setdefault(slug, []).append(version)
        return Done(action=action, hash=version["hash"])

    async def _imported_first(self, slug: str, document: Document, spec: Mapping[str, Any]) -> None:
        texts = [document.contents[named(part)] for part in spec.get("history", ())]
        if CONTENT in spec:
            texts.append(document.contents[named(spec[CONTENT])])
        source = {"text": texts[0]} if texts else {"url": spec["url"]}
        body = {"slug": slug, "source": source, **{name: spec[name] for name in _CONNECTOR if name in spec}}
        made = await self.gateway.ask("POST", "/connectors", None, body)
        for text in texts[1:]:
            await self._served(slug, text, "", lineage=True)
        wanted = "" if CONTENT in spec else spec.get("hash", "")
        if wanted:
            version = await self.gateway.ask("GET", path("connectors", slug, "versions", made["version"]))
            _check_hash(version, wanted)

    async def _patched(self, slug: str, action: Action) -> None:
        assert action.there is not None  # noqa: S101 - what is updated is there
        patch = {name: value for name, value in _patch(action).items() if name in _CONNECTOR}
        changed = {change.root for change in action.changes}
        if "url" in changed and CONTENT not in action.wanted:
            patch["source"] = {"url": action.wanted["url"]}
        if patch:
            await self.gateway.ask("PATCH", path("connectors", slug), None, patch)

    async def _served(self, slug: str, text: str | None, wanted: str, *, lineage: bool = False) -> None:
        """Import a connector anew and serve what comes of it.

        Raises:
            CallerError: ``state.breaking``, ``state.version``.
        """
        body = {} if text is None else {"source": {"text": text}}
        made = await self.gateway.ask("POST", path("connectors", slug, "versions"), None, body)
        if wanted:
            _check_hash(made, wanted)
        if made["promoted"]:
            return
        if made["verdict"] == _GRAVE and not (self.breaking or lineage):
            raise CallerError(
                f"version {made['number']} breaks callers, so it is proposed and not served",
                code="state.breaking",
                hint=f"look with apiloom connector difference {slug} {made['number']}, then apply with --breaking",
            )
        place = path("connectors", slug, "versions", made["number"], "promote")
        await self.gateway.ask("POST", place, {"cascade": self.breaking or None})


def _check_hash(version: Mapping[str, Any], wanted: str) -> None:
    if version["hash"] != wanted:
        raise CallerError(
            f"the document behind its url makes version {version['hash'][:12]}, and {wanted[:12]} is meant",
            code="state.version",
            hint="keep the document in a file beside it, or take the hash out to serve what is there now",
        )


def _text(document: Document) -> str | None:
    """The text of a connector's document; None where it is to be fetched."""
    part = document.spec.get(CONTENT)
    return None if part is None else document.contents[named(part)]


def _patch(action: Action) -> dict[str, Any]:
    """The merge patch of an update."""
    assert action.there is not None  # noqa: S101 - what is updated is there
    before = action.there.spec
    patch = {}
    for name in dict.fromkeys(change.root for change in action.changes):
        if name == "credentials":
            patch[name] = action.wanted[name]
        elif name in action.wanted and name not in {CONTENT, "hash"}:
            patch[name] = patch_between(before.get(name), action.wanted[name])
    if action.key[0] == "toolset" and "select" in patch:
        patch["select"] = action.wanted["select"]
    return patch


def _without(spec: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in names}
