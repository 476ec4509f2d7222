"""What looking after grants needs from others: who renews them, and who tells the provider that they are over.

``app`` implements it; the flows of grants stand above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apiloom.store.ports import Work
from apiloom.store.records import Account, Grant, OAuthClient


class Grants(Protocol):
    """The vault's side of grants. Nothing of it that takes no ``work`` is called inside a transaction."""

    async def renew(self, id_: str, generation: int) -> None:
        """Renew a grant now, if it is of this generation still; once, however many ask.

        Raises:
            ApiloomError: ``oauth.…``, ``net.…``, ``store.dormant``: why it could not be.
        """

    async def places(self, work: Work, client: OAuthClient) -> tuple[str, ...]:
        """The places (origins) that the document of a client's connector names for it now, besides those of its own
        endpoints: where its secret belongs. None where the connector has no current version.

        Raises:
            HouseFault: ``store.unreachable``; ``artefact.damaged``.
        """

    async def give_back(self, account: Account, grants: Sequence[Grant]) -> int:
        """Tell the provider that these are over, as well as it can be told; how many it took. After the commit, with
        the records as they were before: neither the account nor its grants need be there any more.
        """
