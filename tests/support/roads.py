"""Both roads out, so that one test holds on each: connections of our own, and the client for everything else."""

from __future__ import annotations

from collections.abc import Callable

from apiloom.net import client
from apiloom.net.request import Sender
from apiloom.net.settings import NetSettings

Way = Callable[..., Sender]


def by_client(settings: NetSettings | None = None) -> Sender:
    """The client's road, which ``http://`` origins take only behind a proxy."""
    return client._Pool(settings or NetSettings())


ROADS: dict[str, Way] = {"plain": client.connect, "client": by_client}
