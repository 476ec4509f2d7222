"""Senders of accounts that show a client certificate: each has connections of its own, which nobody else uses.

A connection carries who we are, so it is shared by no two accounts and leads only to origins that the account's
credentials belong to; everything else goes out through the pool of all. What an account lets go of is closed by its own
idleness.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Container

from apiloom.net.request import Request, Response, Sender

MOST = 256
"""Accounts with certificates whose connections are kept, each with about a megabyte of authorities; the longest unused
gives way and connects anew."""

Show = Callable[[bytes], Sender]
"""Opens a sender that shows a certificate with its key."""


class Identities:
    """The senders of a node that show certificates, by account."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._open: OrderedDict[str, tuple[bytes, Sender]] = OrderedDict()

    def sender(self, account: str, identity: bytes, origins: Container[str], others: Sender) -> Sender:
        """The way out of an account: with its certificate to its origins, by ``others`` anywhere else.

        Raises:
            DesignError: ``net.settings``.
        """
        digest = hashlib.sha256(identity).digest()
        known = self._open.get(account)
        if known is None or known[0] != digest:
            known = self._open[account] = (digest, self._show(identity))
        self._open.move_to_end(account)
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        return Identified(known[1], origins, others)

    def forget(self, account: str) -> None:
        """An account is no more."""
        self._open.pop(account, None)

    async def close(self) -> None:
        """End every connection that shows a certificate."""
        while self._open:
            await self._open.popitem()[1][1].close()


class Identified:
    """Two ways out: ``own`` to some origins, ``others`` to the rest. Closed by whoever opened them."""

    __slots__ = ("_origins", "_others", "_own")

    def __init__(self, own: Sender, origins: Container[str], others: Sender) -> None:
        self._own = own
        self._origins = origins
        self._others = others

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        return await (self._own if request.origin in self._origins else self._others).send(request)

    async def close(self) -> None:
        """Nothing is open here."""
