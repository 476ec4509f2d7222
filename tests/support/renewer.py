"""The vault's side of grants for tests of flows: it notes what it is asked, and asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from apiloom.base.errors import UpstreamError
from apiloom.store.ports import Work
from apiloom.store.records import Account, Grant, OAuthClient


class Renewer:
    """A :class:`~apiloom.flows.grant_ports.Grants`. With a ``code`` every renewal fails with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.told: list[str] = []
        self.code = ""
        self.at: tuple[str, ...] = ()

    async def renew(self, id_: str, generation: int) -> None:
        self.asked.append((id_, generation))
        if self.code:
            raise UpstreamError("it went wrong", code=self.code)

    async def places(self, _work: Work, client: OAuthClient) -> tuple[str, ...]:
        return (*self.at, *sorted(client.endpoints.values()))

    async def give_back(self, _account: Account, grants: Sequence[Grant]) -> int:
        self.told += [grant.id for grant in grants]
        return len(grants)
