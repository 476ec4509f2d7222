"""What stands in the way of a call with an account's tokens, and what is done when an API refuses them.

Decided when the backend of a tool is made for an account, so that a call without obstacles pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from apiloom.app.gateway.artefacts import Shared
from apiloom.app.gateway.connections import Connection
from apiloom.app.gateway.pinning import MOVED
from apiloom.app.gateway.visits import Links, Refusing
from apiloom.base.errors import ApiloomError, CallerError, UpstreamError
from apiloom.base.values import replace
from apiloom.calls.call import Call, Outcome, Text, Visit
from apiloom.catalog.scopes import lacking_scopes
from apiloom.catalog.tool import Tool
from apiloom.identity.principal import Principal
from apiloom.store.records import Account, Connector
from apiloom.vault.keeping import ENDED, IN_DOUBT

_UNWATCHED = Call(tool="", arguments={}).progress


def obstacle(connection: Connection, connector: Connector, shared: Shared, tool: Tool, links: Links) -> Refusing | None:
    """The obstacle of one tool with one account: tokens that cannot be had, or that do not allow what it does."""
    security = tool.binding.security
    signing, alive = connection.credentials.by_scheme, connection.alive
    usable = [need for need in security if all(name in signing for name, _ in need)]
    if not usable:
        lost = next((name for need in security for name, _ in need if name in alive.troubles), "")
        return _lost(connection, connector, alive.troubles[lost], links) if lost else None
    lacking = [_lacking(connection, shared, need) for need in usable]
    if any(not one for one in lacking):
        return None
    scopes = min(lacking, key=len)
    return Refusing(
        links=links, account=connection.account, build=partial(_scopes, connector.id, scopes), scopes=scopes
    )


def _lacking(connection: Connection, shared: Shared, need: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[str, ...]:
    """The scopes that one way to be allowed in would need and that were not granted."""
    found: list[str] = []
    for name, _ in need:
        held, scheme = connection.alive.held.get(name), shared.artefact.schemes.get(name)
        if held is None or held.tokens is None or not held.tokens.scopes or scheme is None:
            continue  # what a provider does not tell is not known to be lacking
        found += lacking_scopes((need,), name, held.tokens.scopes)
    return tuple(dict.fromkeys(found))


def _lost(connection: Connection, connector: Connector, error: ApiloomError, links: Links) -> Refusing:
    if isinstance(error, CallerError):
        # such as that the store is a copy: it says all there is to say
        return Refusing(links=links, account=connection.account, build=lambda: error, visit=False)
    # what was granted for another place is granted anew for this one; where the client does not belong, nothing is
    ended = error.code in (ENDED, IN_DOUBT) or (error.code == MOVED and error.facts.get("of") == "grant")
    if error.code == MOVED and not ended:
        build = partial(_unrenewed, connector.id, error.message, "ask whoever runs this server to look at it")
    else:
        build = partial(_reconnect if ended else _unrenewed, connector.id, error.message)
    return Refusing(links=links, account=connection.account, build=build, visit=ended)


def _reconnect(slug: str, why: str) -> ApiloomError:
    return CallerError(
        f"the {slug} account must be connected anew: {why}",
        code="account.needs_reconnect",
        hint=f"ask whoever runs this server to connect the {slug} account again",
    )


def _unrenewed(slug: str, why: str, hint: str = "try again in a minute") -> ApiloomError:
    return UpstreamError(
        f"the access of the {slug} account has run out and cannot be renewed at the moment: {why}",
        code="account.unrenewed",
        hint=hint,
    )


def _scopes(slug: str, scopes: tuple[str, ...]) -> ApiloomError:
    return CallerError(
        f"this tool needs what the {slug} account was not granted: {' '.join(scopes)[:500]}",
        code="account.scope",
        hint=f"ask whoever runs this server to connect the {slug} account again and to allow it",
    )


def is_refused(outcome: Outcome) -> bool:
    """Whether the API did not know who calls."""
    if not outcome.failed or not outcome.meta:
        return False
    error = outcome.meta.get("dev.apiloom/error")
    return isinstance(error, dict) and error.get("status") == 401


async def hinted(links: Links, account: Account, principal: Principal, outcome: Outcome, slug: str) -> Outcome:
    """A refusal that nothing here can mend, with the way to connect the account anew, where there is one."""
    key, url = await links.get(account, principal)
    if url:
        message = f"The {slug} API does not accept the account as it is connected."
        outcome.content = (*outcome.content, Text(f"hint: open {url} to connect the account anew, then try again"))
        outcome.visit = Visit(key=key, url=url, message=message)
    return outcome


def unmended(outcome: Outcome, slug: str) -> Outcome:
    """A refusal that nothing here can mend, for a caller whose account it is not."""
    outcome.content = (*outcome.content, Text(f"hint: ask whoever runs this server to connect the {slug} account anew"))
    return outcome


def repeatable(call: Call) -> tuple[Call, Callable[[], Call]]:
    """A call, and how it is made again so that its progress goes on rising."""
    progress = call.progress
    if progress is _UNWATCHED:
        return call, lambda: call
    highest = 0.0

    def first(done: float, total: float | None, message: str) -> None:
        nonlocal highest
        highest = max(highest, done)
        progress(done, total, message)

    def second(done: float, total: float | None, message: str) -> None:
        progress(highest + done, None if total is None else highest + total, message)

    return replace(call, progress=first), lambda: replace(call, progress=second)
