"""The roads out, so that one test holds on each: connections of our own, guarded or not, and the client."""

from __future__ import annotations

from collections.abc import Callable

from apiloom.base.secret import replaced
from apiloom.net import client
from apiloom.net.guard import public_guard
from apiloom.net.request import Sender
from apiloom.net.settings import NetSettings

Way = Callable[..., Sender]


def by_client(settings: NetSettings | None = None) -> Sender:
    """The client's road, which ``http://`` origins take only behind a proxy."""
    return client._Pool(settings or NetSettings())


def guarded(settings: NetSettings | None = None) -> Sender:
    """A gateway's road, which speaks TLS itself; this machine is let through."""
    return client.connect(replaced(settings or NetSettings(), guard=public_guard(["127.0.0.0/8", "::1"])))


ROADS: dict[str, Way] = {"plain": client.connect, "client": by_client, "guarded": guarded}
