"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from apiloom.identity.delegation import Delegation

Role = Literal["owner", "operator", "auditor", "tenant-admin", "agent", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A recognised caller. ``id`` is stable and may be logged; it never contains a token.

    ``tenant`` is the one it belongs to; empty: the house, or a quick server, which has none. ``role`` is what an API
    token may do on the admin API; empty for whoever shows a server token, who may call that server and nothing else.
    ``token`` is the id of the token that was shown. ``servers`` are the ids of the servers it may call, None: every one
    of its tenant. ``end_user`` is who calls, in the vendor's own words. ``expires_at`` is when the token ends, in
    seconds since the epoch; infinity: never. ``delegation`` is what the caller lends for one request,
    None on nearly all.
    """

    id: str
    tenant: str = ""
    role: Role = ""
    token: str = ""
    servers: tuple[str, ...] | None = None
    end_user: str = ""
    allow_commands: bool = False
    expires_at: float = float("inf")
    delegation: Delegation | None = field(default=None, repr=False, compare=False)

    @property
    def of_house(self) -> bool:
        """Whether it belongs to no single tenant."""
        return not self.tenant


ANYONE = Principal(id="anyone")
"""The caller of an open server, who has shown nothing."""
