"""What to do about a token that somebody has found: it is recognised, ended, and what it did is listed.

The text it stands in may be anything, a log or a page. A token of another tenant is like one that never was.
"""

from __future__ import annotations

from dataclasses import dataclass

from apiloom.flows.access import scope_of
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may
from apiloom.identity.tokens import find_tokens
from apiloom.store.ports import Scope, Work
from apiloom.store.records import ApiToken, Audited, ServerToken

MOST_ENDED = 100
"""Tokens that are looked for in one text."""

MOST_LINES = 200
"""Lines of what one token did that are listed, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A token that was found: its record, and the newest of what was done with it. ``more``: there were others."""

    token: ServerToken | ApiToken
    lines: tuple[Audited, ...]
    more: bool = False


async def report_leak(ground: Ground, who: Principal, text: str) -> tuple[Leak, ...]:
    """End every token that stands in a text, of those that the principal reaches, and say what each did.

    Whoever may read a tenant's tokens may end one that has leaked, were it wider than their own: whoever has seen its
    text could use it otherwise.

    Raises:
        CallerError: ``identity.forbidden``.
    """
    check_may(who, "delete", "api-tokens", who.tenant)
    check_may(who, "delete", "server-tokens", who.tenant)
    texts = find_tokens(text)[:MOST_ENDED]

    async def change(work: Work) -> tuple[Leak, ...]:
        scope = scope_of(work, who)
        leaks = []
        for each in texts:
            token = await _found(ground, scope, each)
            if token is not None:
                leaks.append(await _ended(ground, scope, who, token))
        return tuple(leaks)

    return await changing(ground, change) if texts else ()


async def _found(ground: Ground, scope: Scope, text: str) -> ServerToken | ApiToken | None:
    """The token of a text. The same questions are asked whether or not there is one."""
    found: ServerToken | ApiToken | None = None
    for digest in ground.digests(text):
        servers, _ = await scope.server_tokens.page(limit=1, where={"digest": digest})
        api, _ = await scope.api_tokens.page(limit=1, where={"digest": digest})
        found = found or next(iter(servers), None) or next(iter(api), None)
    return found


async def _ended(ground: Ground, scope: Scope, who: Principal, token: ServerToken | ApiToken) -> Leak:
    lines, after = await scope.audit.page(limit=MOST_LINES, where={"principal": token.id})
    if isinstance(token, ServerToken):
        await scope.server_tokens.remove(token.id)
    else:
        await scope.api_tokens.remove(token.id)
    await note(ground, scope, who, "leak", token)
    return Leak(token=token, lines=tuple(lines), more=bool(after))
