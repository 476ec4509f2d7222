"""What would have to change for a gateway to be as its files say: compared member by member, in the order of doing.

Nothing is changed here. What a spec leaves out has its default; credentials and the ends of servers that it leaves out
stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from apiloom.base.errors import CallerError
from apiloom.catalog.server_config import config_to_json, read_config
from apiloom.console.state.actual import Key, State, There, check_named, path
from apiloom.console.state.documents import Document, named
from apiloom.console.state.texts import document_text
from apiloom.flows.options import read_options
from apiloom.store.records import DEFAULT_TENANT

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

Verb = Literal["create", "update", "remove"]

CONTENT = "document"
"""The change that means another version."""

_ORDER = {"tenant": 0, "connector": 1, "oauth-client": 2, "account": 3, "toolset": 5, "server": 6}
_LAYERS = {"connector": 2, "tenant": 2, "account": 4, "server": 7}
_KEPT = ("credentials", "secret", "hash", "history", CONTENT)
"""Members that are compared in ways of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One member that differs."""

    member: str
    before: Any
    after: Any

    @property
    def root(self) -> str:
        """The member of the spec that it is in."""
        return self.member.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do. ``wanted`` is the spec in full; ``document`` None for what is to be removed."""

    verb: Verb
    key: Key
    title: str
    changes: tuple[Change, ...] = ()
    wanted: Mapping[str, Any] = field(default_factory=dict, repr=False)
    document: Document | None = field(default=None, repr=False)
    there: There | None = field(default=None, repr=False)

    @property
    def rank(self) -> int:
        """Its place in the order of doing: what others name comes first, and goes last."""
        word, names = self.key
        place = _LAYERS[names[0]] if word == "overlay" else _ORDER[word]
        return 100 - place if self.verb == "remove" else place


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, and how many documents are met already."""

    actions: tuple[Action, ...]
    unchanged: int


async def build_plan(gateway: Gateway, state: State, documents: Sequence[Document], *, prune: bool) -> Plan:
    """The plan that brings a state to what documents say.

    With ``prune``, what no document names is removed, in those tenants (and the house) and of those kinds that appear.

    Raises:
        CallerError: ``state.unnamed``, and what :func:`~apiloom.catalog.server_config.read_config` refuses.
        ApiloomError: what the gateway refuses with.
    """
    actions: list[Action] = []
    for document in documents:
        if document.kind.of_house and not state.of_house:
            raise CallerError(
                f"{document.title} belongs to the house, and this token to a tenant",
                code="identity.forbidden",
                hint="leave it out, or use a token of the house",
            )
        if (document.kind.word, document.key) in state.shared:
            check_named(state)
        there = state.there.get((document.kind.word, document.key))
        action = await _action(gateway, state, document, there)
        if action is not None:
            actions.append(action)
    if prune:
        check_named(state)  # what no file can name is nothing that a file has left out
        actions += _pruned(state, documents)
    unchanged = len(documents) - sum(action.document is not None for action in actions)
    return Plan(actions=tuple(sorted(actions, key=lambda each: (each.rank, each.key))), unchanged=unchanged)


async def _action(gateway: Gateway, state: State, document: Document, there: There | None) -> Action | None:
    key = (document.kind.word, document.key)
    wanted = complete(document, there)
    if there is None:
        changes = [Change(member=name, before=None, after=_shown(name, value)) for name, value in _plain(document)]
        verb: Verb = "create"
    else:
        verb, changes = "update", _compared(document, wanted, there)
        if document.kind.word == "connector":
            changes += await _content_changes(gateway, state, document, wanted, there)
        if not changes and not there.derived:
            return None
    return Action(
        verb=verb,
        key=key,
        title=document.title,
        changes=tuple(changes),
        wanted=wanted,
        document=document,
        there=there,
    )


def _plain(document: Document) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in document.spec.items() if name != "history"]


def _shown(name: str, value: Any) -> Any:
    """What of a member is told: of documents that they are there, of credentials for which schemes."""
    if name == "credentials":
        return sorted(value)
    if name == "secret":
        return "a secret"
    if name == CONTENT:
        return value.get("file", "text")
    return value


def complete(document: Document, there: There | None) -> dict[str, Any]:
    """A document's spec with all members, as the gateway would answer it.

    Raises:
        CallerError: ``field.…``, ``config.…``, ``selection.pattern`` for what no gateway takes.
    """
    spec = {**document.kind.defaults, **document.spec}
    try:
        return {**spec, **_refined(document, spec, there)}
    except CallerError as error:
        raise CallerError(
            f"{document.place}: {error.message}", code=error.code, hint=error.hint, **error.facts
        ) from None


def _refined(document: Document, spec: Mapping[str, Any], there: There | None) -> dict[str, Any]:
    word = document.kind.word
    if word == "connector":
        tenants = spec["tenants"]
        return {"options": read_options(spec["options"]), "tenants": None if tenants is None else sorted(tenants)}
    if word == "account":
        labelled = there is not None and not there.record["external_id"]
        return {"label": spec["label"] or (document.key[-1] if labelled else "")}
    if word == "toolset":
        return {"select": {name: value for name, value in spec["select"].items() if value}}
    if word == "server":
        config = dict(spec["config"])
        pinned = _pins(config.pop("pin_version", None), spec)
        full = {**config_to_json(read_config(config)), "pin_version": pinned}
        return {"config": full, "toolsets_off": sorted(spec["toolsets_off"])}
    return {}


def _pins(pinned: Any, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Pinned versions by connector; one number or hash where there is one connector."""
    if pinned is None:
        return None
    slugs = [*(name.partition("/")[0] for name in spec["accounts"]), *spec["connectors"]]
    by_slug = pinned if isinstance(pinned, Mapping) else dict.fromkeys(slugs, pinned)
    for value in by_slug.values():
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise CallerError("pin_version is a hash or a number", code="config.form", hint="write {SLUG: HASH}")
    return dict(sorted(by_slug.items()))


def _compared(document: Document, wanted: Mapping[str, Any], there: There) -> list[Change]:
    changes = [
        change
        for name in document.kind.spec
        if name in wanted and name not in _KEPT and not _same(name, there.spec.get(name), wanted[name])
        for change in _changes(name, there.spec.get(name), wanted[name])
    ]
    if "credentials" in wanted:
        held = sorted(there.record["schemes"])
        if not set(wanted["credentials"]) <= set(held):
            changes.append(Change(member="credentials", before=held, after=sorted(wanted["credentials"])))
    if "secret" in wanted and not there.record["proof"]:
        changes.append(Change(member="secret", before=None, after=_shown("secret", None)))
    return changes


def _changes(name: str, before: Any, after: Any) -> list[Change]:
    """A difference of one member; of an object, one for each of its own that differ."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return [Change(member=name, before=before, after=after)]
    inner = [each for each in {**before, **after} if before.get(each) != after.get(each)]
    return [Change(member=f"{name}.{each}", before=before.get(each), after=after.get(each)) for each in inner]


def _same(name: str, before: Any, after: Any) -> bool:
    if name == "expires_at" and before is not None and after is not None:
        try:
            return abs((datetime.fromisoformat(before) - datetime.fromisoformat(after)).total_seconds()) < 1
        except (ValueError, TypeError):
            return False
    return bool(before == after)


async def _content_changes(
    gateway: Gateway, state: State, document: Document, wanted: Mapping[str, Any], there: There
) -> list[Change]:
    """Whether another version is meant than the one that is served."""
    slug = there.key[0]
    current = next((each for each in state.versions[slug] if each["number"] == there.record["current"]), None)
    if current is None:
        return [Change(member=CONTENT, before=None, after="a version")]
    if CONTENT in wanted:
        answer = await gateway.request("GET", path("connectors", slug, "versions", current["number"], "document"))
        held = document_text(answer.content, slug)
        if held != document.contents[named(wanted[CONTENT])]:
            told = _shown(CONTENT, wanted[CONTENT])
            return [Change(member=CONTENT, before=f"version {current['number']}", after=told)]
    elif wanted.get("hash") and wanted["hash"] != current["hash"]:
        return [Change(member="hash", before=current["hash"], after=wanted["hash"])]
    if current["options"] != wanted["options"]:
        return [Change(member=CONTENT, before=f"version {current['number']}", after="read with these options")]
    return []


def _pruned(state: State, documents: Sequence[Document]) -> list[Action]:
    """What no document names, of the kinds and in the tenants that appear."""
    named_there = {(document.kind.word, document.key) for document in documents}
    appearing = {(document.kind.word, document.tenant) for document in documents}
    return [
        Action(verb="remove", key=key, title=one.title, there=one)
        for key, one in state.there.items()
        if key not in named_there
        and (one.kind.word, tenant_of(one)) in appearing
        and not one.derived
        and key != ("tenant", (DEFAULT_TENANT,))
    ]


def tenant_of(one: There) -> str:
    """The tenant that something belongs to; empty for the house."""
    names = tuple(one.kind.names)
    return one.key[names.index("tenant")] if "tenant" in names else ""
