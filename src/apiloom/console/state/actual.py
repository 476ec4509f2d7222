"""A gateway's state as it is, in the words of files: read over the API, with ids put aside for when something changes.

What is in it for comparing is complete, whatever a file may leave out. Suggested toolsets are the document's own words
and no state; secrets are never read, for the API does not tell them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from apiloom.base.errors import CallerError
from apiloom.console.state.kinds import KINDS, Kind, title_of

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

Key = tuple[str, tuple[str, ...]]
"""A kind's word and what names a document of it."""

PLACES: Mapping[str, str] = {
    "tenant": "tenants",
    "connector": "connectors",
    "account": "accounts",
    "oauth-client": "oauth-clients",
    "toolset": "toolsets",
    "server": "servers",
    "overlay": "overlays",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """One object of a gateway: its id there, and its spec with all members. ``record`` is what the API answers.

    ``derived`` tells a toolset that was suggested, which a file may take over and nothing ever removes.
    """

    kind: Kind
    key: tuple[str, ...]
    id: str
    spec: Mapping[str, Any]
    record: Mapping[str, Any] = field(repr=False)
    derived: bool = False

    @property
    def title(self) -> str:
        """Its kind and name as people read them."""
        return title_of(self.kind, self.key)


@dataclass(slots=True, kw_only=True)
class State:
    """All that a gateway's token reaches. ``of_house`` says whether tenants and connectors are among it."""

    of_house: bool
    there: dict[Key, There] = field(default_factory=dict)
    versions: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)
    shared: set[Key] = field(default_factory=set)

    def add(self, one: There) -> None:
        """Take in an object; two of one name are neither known by it."""
        key = (one.kind.word, one.key)
        if key in self.there:
            self.unnamed.append(f"several are named {one.title}")
            self.shared.add(key)
        self.there[key] = one

    def of(self, word: str) -> Iterable[There]:
        """All of one kind, by name."""
        return sorted((one for one in self.there.values() if one.kind.word == word), key=lambda one: one.key)

    def account_names(self) -> dict[str, There]:
        """Accounts by their ids."""
        return {one.id: one for one in self.of("account")}


def path(*parts: str | int) -> str:
    """A path below the API's, its parts quoted."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


async def every(gateway: Gateway, place: str) -> AsyncIterator[Mapping[str, Any]]:
    """All records of a listing, page by page."""
    cursor = None
    while True:
        page = await gateway.ask("GET", place, {"limit": 200, "cursor": cursor})
        for item in page["items"]:
            yield item
        cursor = page["next_cursor"]
        if not cursor:
            return


async def read_state(gateway: Gateway) -> State:
    """The state of a gateway, as far as the token reaches.

    Raises:
        ApiloomError: what the gateway refuses with.
    """
    state = State(of_house=not (await gateway.whoami()).tenant)
    if state.of_house:
        async for record in every(gateway, "/tenants"):
            state.add(_there("tenant", (record["id"],), record, record["id"], ()))
        async for record in every(gateway, "/connectors"):
            state.add(connector_there(record))
            state.versions[record["slug"]] = [each async for each in every(gateway, _versions(record["slug"]))]
    async for record in every(gateway, "/accounts"):
        _add_account(state, record)
    async for record in every(gateway, "/oauth-clients"):
        if record["tenant"] is not None or state.of_house:
            key = (record["tenant"] or "", record["connector"], record["scheme"])
            state.add(_there("oauth-client", key, record, record["id"], ()))
    async for record in every(gateway, "/toolsets"):
        if record["tenant"] is not None or state.of_house:
            state.add(_toolset(record))
    accounts = state.account_names()
    async for record in every(gateway, "/servers"):
        state.add(server_there(record, accounts, state.versions))
    servers = {one.id: one for one in state.of("server")}
    async for record in every(gateway, "/overlays"):
        if record["tenant"] is not None or state.of_house:
            _add_overlay(state, record, accounts, servers)
    return state


def _versions(slug: str) -> str:
    return path("connectors", slug, "versions")


def _there(word: str, key: tuple[str, ...], record: Mapping[str, Any], id_: str, hidden: Iterable[str]) -> There:
    kind = KINDS[word]
    spec = {name: record[name] for name in kind.spec if name in record and name not in hidden}
    return There(kind=kind, key=key, id=id_, spec=spec, record=record)


def connector_there(record: Mapping[str, Any]) -> There:
    """A connector; where its document comes from is a member only where it is a URL."""
    one = _there("connector", (record["slug"],), record, record["slug"], ())
    tenants = record["tenants"]
    url = record["source"].get("url")
    spec = {**one.spec, "tenants": None if tenants is None else sorted(tenants), **({"url": url} if url else {})}
    return There(kind=one.kind, key=one.key, id=one.id, spec=spec, record=record)


def _add_account(state: State, record: Mapping[str, Any]) -> None:
    name = record["external_id"] or record["label"]
    if not name:
        state.unnamed.append(f"the account {record['id']} has neither an external id nor a label")
        name = record["id"]
    key = (record["tenant"], record["connector"], name)
    state.add(_there("account", key, record, record["id"], ()))


def _toolset(record: Mapping[str, Any]) -> There:
    key = (record["tenant"] or "", record["connector"], record["name"])
    one = _there("toolset", key, record, record["id"], ())
    return There(
        kind=one.kind,
        key=key,
        id=one.id,
        spec=one.spec,
        record=record,
        derived=record["origin"] == "suggested",
    )


def server_there(
    record: Mapping[str, Any], accounts: Mapping[str, There], versions: Mapping[str, list[Mapping[str, Any]]]
) -> There:
    """A server, its accounts by name and its pinned versions by hash."""
    one = _there("server", (record["tenant"], record["name"]), record, record["id"], ())
    named = [account_name(accounts[id_]) if id_ in accounts else id_ for id_ in record["accounts"]]
    slugs = [*(accounts[id_].key[1] for id_ in record["accounts"] if id_ in accounts), *record["connectors"]]
    pinned = pinned_hashes(record["config"].get("pin_version"), slugs, versions)
    config = {**record["config"], "pin_version": pinned}
    spec = {**one.spec, "accounts": named, "config": config, "toolsets_off": sorted(record["toolsets_off"])}
    return There(kind=one.kind, key=one.key, id=one.id, spec=spec, record=record)


def account_name(one: There) -> str:
    """How a server names an account."""
    return f"{one.key[1]}/{one.key[2]}"


def pinned_hashes(
    pinned: Any, slugs: Iterable[str], versions: Mapping[str, list[Mapping[str, Any]]]
) -> dict[str, Any] | None:
    """Pinned versions by hash; a number that is not known stays one."""
    if pinned is None:
        return None
    numbers = dict(pinned) if isinstance(pinned, Mapping) else dict.fromkeys(slugs, pinned)
    hashes = {slug: {each["number"]: each["hash"] for each in versions.get(slug, ())} for slug in numbers}
    return {slug: hashes[slug].get(number, number) for slug, number in sorted(numbers.items()) if number is not None}


def _add_overlay(
    state: State, record: Mapping[str, Any], accounts: Mapping[str, There], servers: Mapping[str, There]
) -> None:
    layer, target = record["layer"], ""
    if layer in {"account", "server"}:
        aimed = (accounts if layer == "account" else servers).get(record["target"])
        if aimed is None:
            return  # what it was for has gone meanwhile
        target = aimed.key[-1]
    key = (layer, record["connector"], record["tenant"] or "", target)
    state.add(_there("overlay", key, record, record["id"], ()))


def check_named(state: State) -> None:
    """Refuse a state that no file can name.

    Raises:
        CallerError: ``state.unnamed``.
    """
    if state.unnamed:
        raise CallerError(
            f"no file can name everything there is: {'; '.join(state.unnamed[:3])}",
            code="state.unnamed",
            hint="give accounts an external id: apiloom account set ACCOUNT --external-id ID",
        )
