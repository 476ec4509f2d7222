"""What looking after grants needs from others: who renews them, and who tells the provider that they are over.

``app`` implements it; the flows of grants stand above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from apiloom.store.ports import Work
from apiloom.store.records import Account, Grant


class Grants(Protocol):
    """The vault's side of grants. None of it is called inside a transaction that writes."""

    async def renew(self, id_: str, generation: int) -> None:
        """Renew a grant now, if it is of this generation still; once, however many ask.

        Raises:
            ApiloomError: ``oauth.…``, ``net.…``, ``store.dormant``: why it could not be.
        """

    async def parting(self, work: Work, account: Account) -> Any:
        """What will be needed to give an account's grants back when they are here no more; never fails for a provider's
        sake. A value that only its maker reads.
        """

    async def give_back(self, parting: Any, grants: Sequence[Grant]) -> int:
        """Tell the provider that these are over, as well as it can be told; how many it took."""
