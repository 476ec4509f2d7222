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
from apiloom.identity.tokens import MOST_TEXT, find_tokens
from apiloom.store.ports import Scope, Work
from apiloom.store.records import ApiToken, Audited, ServerToken

MOST_ENDED = 100
"""Tokens of one text that are looked up; how many more stand in it is said."""

MOST_LINES = 200
"""Lines of what one token did that are listed, the newest."""

_PAGES = 10
"""Pages of a server's lines that are searched for those of one of its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A token that was found: its record, and the newest of what was done with it. ``more``: there were others."""

    token: ServerToken | ApiToken
    lines: tuple[Audited, ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a text.

    ``more_tokens`` are those in it that were not looked up, ``more_characters`` those of the text that were not
    searched: whoever asks has to come back with them.
    """

    leaks: tuple[Leak, ...] = ()
    more_tokens: int = 0
    more_characters: int = 0


async def report_leak(ground: Ground, who: Principal, text: str) -> Report:
    """End every token that stands in a text, of those that the principal reaches, and say what each did.

    Whoever may read a tenant's tokens may end one that has leaked, were it wider than their own: whoever has seen its
    text could use it otherwise.

    Raises:
        CallerError: ``identity.forbidden``.
    """
    check_may(who, "delete", "api-tokens", who.tenant)
    check_may(who, "delete", "server-tokens", who.tenant)
    found = find_tokens(text)
    texts = found[:MOST_ENDED]

    async def change(work: Work) -> tuple[Leak, ...]:
        scope = scope_of(work, who)
        leaks = []
        for each in texts:
            token = await _found(ground, scope, each)
            if token is not None:
                leaks.append(await _ended(ground, scope, who, token))
        return tuple(leaks)

    leaks = await changing(ground, change) if texts else ()
    left = max(0, len(text) - MOST_TEXT)
    return Report(leaks=leaks, more_tokens=len(found) - len(texts), more_characters=left)


async def _found(ground: Ground, scope: Scope, text: str) -> ServerToken | ApiToken | None:
    """The token of a text. The same questions are asked whether or not there is one."""
    found: ServerToken | ApiToken | None = None
    for digest in ground.digests(text):
        servers, _ = await scope.server_tokens.page(limit=1, where={"digest": digest})
        api, _ = await scope.api_tokens.page(limit=1, where={"digest": digest})
        found = found or next(iter(servers), None) or next(iter(api), None)
    return found


async def _ended(ground: Ground, scope: Scope, who: Principal, token: ServerToken | ApiToken) -> Leak:
    lines, more = await _done_with(scope, token)
    if isinstance(token, ServerToken):
        await scope.server_tokens.remove(token.id)
    else:
        await scope.api_tokens.remove(token.id)
    await note(ground, scope, who, "leak", token)
    return Leak(token=token, lines=lines[:MOST_LINES], more=more or len(lines) > MOST_LINES)


async def _done_with(scope: Scope, token: ServerToken | ApiToken) -> tuple[tuple[Audited, ...], bool]:
    """The newest lines of what was done with a token, and whether there may be more.

    Who shows an API token is known by its id. Calls with a server's token are lines of the server, among those of its
    other tokens.
    """
    if isinstance(token, ApiToken):
        found: list[Audited] = []
        more = False
        for principal in (token.id, f"token:{token.id}"):
            page, after = await scope.audit.page(limit=MOST_LINES, where={"principal": principal})
            found += page
            more = more or bool(after)
        return tuple(sorted(found, key=lambda line: line.id, reverse=True)), more
    return await _calls_with(scope, token)


async def _calls_with(scope: Scope, token: ServerToken) -> tuple[tuple[Audited, ...], bool]:
    found: list[Audited] = []
    after = ""
    for _ in range(_PAGES):
        page, after = await scope.audit.page(limit=MOST_LINES, after=after, where={"target": token.server})
        found += [line for line in page if token.id in str(line.detail.get("token", "")).split(" ")]
        if not after or len(found) > MOST_LINES:
            break
    return tuple(found), bool(after)
