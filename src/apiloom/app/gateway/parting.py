"""Grants renewed because somebody asked, and given back to their providers: the port of the flows over the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from apiloom.app.gateway.grants import open_tokens
from apiloom.app.gateway.learning import settled
from apiloom.app.gateway.living import Living
from apiloom.app.gateway.terms import Renewing
from apiloom.base.errors import ApiloomError
from apiloom.net.request import Sender
from apiloom.store.ports import Work
from apiloom.store.records import Account, Grant, OAuthClient
from apiloom.vault.oauth.revocation import revoke
from apiloom.vault.oauth.terms import Terms, Tokens

PATIENCE = 5.0
"""Seconds that providers get to hear that grants are over; whoever removes an account waits for it."""

_AT_ONCE = 2
"""Grants of one account that are looked up in the store at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultGrants:
    """A :class:`~apiloom.flows.grant_ports.Grants`."""

    living: Living
    sender: Sender

    async def renew(self, id_: str, generation: int) -> None:
        """See the port."""
        keeper = self.living.keeper
        held = await self.living.grants.load(id_)
        if held is not None and held.generation == generation and not keeper.is_new(held):
            await keeper.renew(held)

    async def places(self, work: Work, client: OAuthClient) -> tuple[str, ...]:
        """See the port."""
        return await self.living.grants.renewing.places(work, client)

    async def give_back(self, account: Account, grants: Sequence[Grant]) -> int:
        """See the port."""
        turns = asyncio.Semaphore(_AT_ONCE)
        told = await asyncio.gather(*(self._told(account, grant, turns) for grant in grants))
        return sum(told)

    async def _told(self, account: Account, grant: Grant, turns: asyncio.Semaphore) -> bool:
        kept = self.living.grants

        async def looked_up(renewing: Renewing) -> tuple[Terms, Tokens | None]:
            async with turns, kept.store.reading() as work:
                tokens = await open_tokens(kept.sealing, work.tenant(grant.tenant), grant)
                return await renewing.terms(work, grant, account), tokens

        try:
            async with asyncio.timeout(PATIENCE):
                terms, tokens = await settled(kept.renewing, looked_up)
                if tokens is None or not terms.endpoints.revocation_url:
                    return False
                if tokens.refresh is not None:
                    return await revoke(self.sender, terms, tokens.refresh)
                return await revoke(self.sender, terms, tokens.access, "access_token")
        except (ApiloomError, TimeoutError):
            return False
