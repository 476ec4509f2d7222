"""Tokens of the gateway's own sign-in, recognised: from what is in memory of sign-ins, without asking the store.

One that another node began a moment ago is worth one look at the changes: only who shows a token of this house can
cause it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from apiloom.app.gateway.memory import Memory
from apiloom.identity.facade_tokens import ACCESS, Digests, read_access
from apiloom.identity.guests import Guest
from apiloom.identity.rules import Mapped, build_principal, view_of
from apiloom.store.records import TokenFamily

AGAIN = 2.0
"""Seconds between two looks for one sign-in that is not in memory."""

_MOST_MISSED = 1000


class Families:
    """The sign-ins that live.

    Args:
        memory: the node's records.
        digests: hashes a text under every live key.
        now: seconds since the epoch.
        poll: takes in what was changed.
        server_id: finds the id of a tenant's server by its id or name; empty for none.
        admits: the name of the settings by which people are let in now; sign-ins by others count no more.
    """

    def __init__(
        self,
        memory: Memory,
        digests: Digests,
        now: Callable[[], float],
        poll: Callable[[], Awaitable[None]],
        server_id: Callable[[str, str], str],
        admits: str,
    ) -> None:
        self._memory = memory
        self._digests = digests
        self._now = now
        self._poll = poll
        self._server_id = server_id
        self._admits = admits
        self._missed: OrderedDict[str, float] = OrderedDict()

    def reads(self, token: str) -> bool:
        """Whether a token may be one of the gateway's own sign-in."""
        return token.startswith(ACCESS)

    def lives(self, family: str) -> bool:
        """Whether a sign-in counts at this second."""
        found = self._memory.families.get(family)
        return found is not None and self._now() < found.expires_at and self._vouched(found)

    async def meet(self, token: str) -> Guest | None:
        """Who shows a token; None where it is none of ours, or has ended with its sign-in."""
        read = read_access(token, self._digests)
        if read is None or not self._now() < read.ends:
            return None
        if read.family not in self._memory.families and not self._missed_lately(read.family):
            await self._poll()
        family = self._memory.families.get(read.family)
        if family is None or not self.lives(family.id):
            return None
        ends = min(read.ends, family.expires_at)
        token = str(family.principal.get("token") or "")
        holder = self._memory.index.holder(token) if token else None
        if holder is None:
            return guest_of(family, ends, self._server_id)
        # who signed in with an API token may what that may now
        principal = replace(holder.principal, token=f"{family.id} {token}")
        principal = replace(principal, expires_at=min(ends, principal.expires_at))
        return Guest(
            principal=principal, key=view_of(principal), resources=frozenset({family.resource}), family=family.id
        )

    def _missed_lately(self, family: str) -> bool:
        """Whether a sign-in was looked for a moment ago: one that has ended, shown on and on, costs no look-up."""
        now = self._now()
        if now - self._missed.get(family, float("-inf")) < AGAIN:
            return True
        self._missed[family] = now
        self._missed.move_to_end(family)
        if len(self._missed) > _MOST_MISSED:
            self._missed.popitem(last=False)
        return False

    def _vouched(self, family: TokenFamily) -> bool:
        """Whether the settings that let somebody in still do, and the API token they showed, if one, still lives."""
        if family.principal.get("admitted") != self._admits:
            return False
        token = str(family.principal.get("token") or "")
        if not token:
            return True
        holder = self._memory.index.holder(token)
        return holder is not None and self._now() < holder.principal.expires_at


def guest_of(family: TokenFamily, ends: float, server_id: Callable[[str, str], str]) -> Guest:
    """Who signed in, as a guest until their token ends."""
    said = family.principal
    servers = said.get("servers")
    mapped = Mapped(
        tenant=family.tenant or "",
        role=said.get("role") or "agent",
        servers=None if servers is None else tuple(str(each) for each in servers),
        end_user=str(said.get("end_user") or ""),
    )
    principal = build_principal(mapped, str(said.get("id") or family.id), ends, server_id)
    return Guest(
        principal=replace(principal, token=family.id),
        key=view_of(principal),
        resources=frozenset({family.resource}),
        family=family.id,
    )
