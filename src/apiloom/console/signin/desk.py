"""What the pages of a sign-in need from the house, as one frozen value of ports; ``app`` builds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from apiloom.flows.ground import Ground
from apiloom.flows.sign_in_clients import Fetch
from apiloom.flows.sign_ins import Begun, Person
from apiloom.identity.settings import Facade


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """``facade`` gives the operator's settings as they are now. ``away`` is the URL of the issuer to go to, ``home``
    who came back from it; both raise an :class:`~apiloom.base.errors.ApiloomError`. ``by_token`` is whose API token a
    text is. ``reach`` names the servers that somebody would call at a resource. ``address`` says where a request comes
    from, by its ASGI scope. ``clock`` are seconds that only rise.
    """

    ground: Ground
    facade: Callable[[], Facade | None]
    fetch: Fetch
    away: Callable[[Begun], Awaitable[str]]
    home: Callable[[Mapping[str, str], Begun], Awaitable[Person]]
    by_token: Callable[[str], Person | None]
    reach: Callable[[Person, str], list[str]]
    address: Callable[[MutableMapping[str, Any]], str]
    clock: Callable[[], float]
