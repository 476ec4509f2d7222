"""MCP clients that the gateway's own authorization server knows: registered by themselves, or named by their document.

Bounded in number, and forgotten where nobody ever signed in with them. Knows no HTTP: how a document is fetched is
handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from apiloom.base import ids, json
from apiloom.base.errors import ApiloomError
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.identity.facade_clients import (
    CODE_GRANT,
    DEVICE_GRANT,
    USUAL_GRANTS,
    ClientTerms,
    is_document_url,
    read_client,
    read_document,
    redirect_host,
    refused,
)
from apiloom.identity.settings import Facade
from apiloom.store.ports import Work
from apiloom.store.records import Registration

UNUSED: Final = 86_400.0
"""Seconds after which a registration goes that nobody signed in with."""

USED: Final = 400 * 86_400.0
DOCUMENT: Final = 3_600.0
"""Seconds that a document counts before it is fetched anew."""

MOST: Final = 10_000
"""Clients that are known at the same time."""

CLI: Final = "apiloom-cli"
"""The command line of apiloom, known to every gateway: the one client that may ask for the admin API."""

_CLI = Registration(
    id=CLI,
    kind="dynamic",
    name="apiloom on the command line",
    redirect_uris=("http://127.0.0.1/",),
    metadata={"grant_types": [*USUAL_GRANTS, DEVICE_GRANT]},
)

_UNREAD: Final = (
    "try again in a moment; where this gateway may not go to its place in the web, its operator sets `documents` of the"
    " facade to false, and the application registers itself"
)

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives the body at a URL, or raises an :class:`~apiloom.base.errors.ApiloomError`."""


async def register(ground: Ground, value: object, facade: Facade) -> Registration:
    """Take in a client that describes itself (RFC 7591 section 3.1). What is not offered to it, it is not given.

    Raises:
        CallerError: ``sign_in.…`` as :func:`~apiloom.identity.facade_clients.read_client`;
            ``sign_in.temporarily_unavailable`` where too many are known.
    """
    terms = read_client(value)
    if facade.devices != "all":
        terms = replace(terms, grants=tuple(each for each in terms.grants if each != DEVICE_GRANT))
        if CODE_GRANT not in terms.grants:
            raise refused("sign_in.invalid_client_metadata", f"grant_types must have {CODE_GRANT}")
    now = ground.now()
    made = Registration(
        id=ids.fresh("cli"),
        kind="dynamic",
        name=terms.name,
        redirect_uris=terms.redirect_uris,
        metadata={"grant_types": list(terms.grants)},
        created_at=now,
        expires_at=now + UNUSED,
    )

    async def change(work: Work) -> Registration:
        rows = work.house().registrations
        await _make_room(work, now)
        return await rows.add(made)

    return await changing(ground, change)


async def client_of(ground: Ground, client_id: str, fetch: Fetch | None) -> Registration:
    """The client of an id. ``fetch`` is None where documents do not count.

    Raises:
        CallerError: ``sign_in.invalid_client`` where there is none.
    """
    if client_id == CLI:
        return _CLI
    unknown = refused("sign_in.invalid_client", "the application is not known here", "add the server to it anew")
    if not client_id or len(client_id) > 500:
        raise unknown
    async with ground.store.reading() as work:
        known = await work.house().registrations.load(client_id)
    now = ground.now()
    if known is not None and (known.expires_at is None or now < known.expires_at):
        if known.kind == "dynamic" or fetch is not None:
            return known
        raise unknown
    if fetch is None or not is_document_url(client_id):
        raise unknown
    try:
        body = await fetch(client_id)
    except ApiloomError:
        raise refused(
            "sign_in.invalid_client", "the application's own description cannot be read now", _UNREAD
        ) from None
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    return await _keep_document(ground, client_id, read_document(value, client_id))


async def note_used(work: Work, client: str, now: float) -> None:
    """Somebody has signed in with a client: its registration stays."""
    rows = work.house().registrations
    known = await rows.load(client)
    if known is not None and known.kind == "dynamic":
        await rows.save(replace(known, expires_at=now + USED), known.revision)


async def names_of(work: Work, clients: Sequence[str]) -> Mapping[str, str]:
    """What clients call themselves, by their ids; those that are forgotten are left out."""
    known = await work.house().registrations.load_all(sorted(set(clients)))
    return {CLI: _CLI.name, **{id_: each.name for id_, each in known.items()}}


def grants_of(client: Registration) -> tuple[str, ...]:
    """The ways to a token that a client has."""
    return tuple(client.metadata.get("grant_types", USUAL_GRANTS))


def offers_devices(facade: Facade, client: str) -> bool:
    """Whether people may sign in for a device of a client, by its id."""
    return facade.devices == "all" or (facade.devices == "cli" and client == CLI)


def shown_as(client: Registration) -> str:
    """What a person is told a client is: where its document lies proves who it is, a name it gave itself does not."""
    return redirect_host(client.id) if client.kind == "document" else ""


async def _keep_document(ground: Ground, url: str, terms: ClientTerms) -> Registration:
    now = ground.now()

    async def change(work: Work) -> Registration:
        rows = work.house().registrations
        before = await rows.load(url)
        fresh = Registration(
            id=url,
            kind="document",
            name=terms.name,
            redirect_uris=terms.redirect_uris,
            metadata={"grant_types": list(terms.grants)},
            created_at=now if before is None else before.created_at,
            expires_at=now + DOCUMENT,
        )
        if before is None:
            await _make_room(work, now)
            return await rows.add(fresh)
        return await rows.save(replace(fresh, revision=before.revision), before.revision)

    return await changing(ground, change)


async def _make_room(work: Work, now: float) -> None:
    """Let those give way that nobody signed in with, the oldest first, and documents, which are fetched again: a crowd
    of registrations keeps nobody out.

    Raises:
        CallerError: ``sign_in.temporarily_unavailable`` where all are in use.
    """
    rows = work.house().registrations
    over = await rows.count() + 1 - MOST
    if over <= 0:
        return
    idle = [each.id for each in await rows.due("expires_at", now + UNUSED, over)]
    if len(idle) < over:
        raise refused(
            "sign_in.temporarily_unavailable", "too many applications have registered here", "try again later"
        )
    await rows.remove_all(idle)
