"""Grants renewed because somebody asked, and given back to their providers: the port of the flows over the vault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiloom.app.gateway.grants import open_tokens
from apiloom.app.gateway.living import Living
from apiloom.base.errors import ApiloomError
from apiloom.net.request import Sender
from apiloom.store.ports import Work
from apiloom.store.records import Account, Grant
from apiloom.vault.oauth.revocation import revoke
from apiloom.vault.oauth.terms import Terms

PATIENCE = 5.0
"""Seconds that providers get to hear that grants are over; whoever removes an account waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultGrants:
    """A :class:`~apiloom.flows.grant_ports.Grants`."""

    living: Living
    sender: Sender

    async def renew(self, id_: str, generation: int) -> None:
        """See the port."""
        keeper = self.living.keeper
        held = await self.living.grants.load(id_)
        if held is not None and held.generation == generation:
            await keeper.renew(held)

    async def parting(self, work: Work, account: Account) -> Mapping[str, Terms]:
        """See the port. On which terms each of the account's grants was given, by id."""
        found: dict[str, Terms] = {}
        for grant in await work.tenant(account.tenant).grants.every({"account": account.id}):
            with contextlib.suppress(ApiloomError):
                found[grant.id] = await self.living.grants.renewing.terms(work, grant)
        return found

    async def give_back(self, parting: Any, grants: Sequence[Grant]) -> int:
        """See the port."""
        terms: Mapping[str, Terms] = parting
        told = await asyncio.gather(*(self._told(terms[grant.id], grant) for grant in grants if grant.id in terms))
        return sum(told)

    async def _told(self, terms: Terms, grant: Grant) -> bool:
        if not terms.endpoints.revocation_url:
            return False
        try:
            async with asyncio.timeout(PATIENCE), self.living.grants.store.reading() as work:
                tokens = await open_tokens(self.living.grants.sealing, work.tenant(grant.tenant), grant)
            if tokens is None:
                return False
            async with asyncio.timeout(PATIENCE):
                if tokens.refresh is not None:
                    return await revoke(self.sender, terms, tokens.refresh)
                return await revoke(self.sender, terms, tokens.access, "access_token")
        except (ApiloomError, TimeoutError):
            return False
