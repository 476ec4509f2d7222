"""Where the secret of an OAuth client, and what an account was granted, may be sent: the places that were named when
they were given. They are sealed together, so one cannot be changed without the other.

A later version of a document may name other endpoints; what is secret does not follow it there. Endpoints that a person
gives with a client count as they are for the secret that came with them, and so do a known provider's own hosts. What
an account was granted is somebody else's: it follows nobody, neither the document, nor the client, nor an issuer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.flows.ground import Sealing
from apiloom.model.api import SecurityScheme
from apiloom.store.ports import Scope
from apiloom.store.records import Grant
from apiloom.vault.forms import documented_endpoints, filled_up
from apiloom.vault.oauth.places import own_places, place_of, places_of, token_places
from apiloom.vault.oauth.terms import Endpoints, Provider

MOVED = "oauth.moved"

OAUTH = frozenset({"oauth2", "openIdConnect"})
"""The kinds of security schemes that tokens are got for."""


class ProviderOf(Protocol):
    """What is odd at a provider, by its id, or empty, by its endpoints; ``variables`` fill its addresses."""

    def __call__(self, id_: str, endpoints: Endpoints, variables: Mapping[str, str] | None = None, /) -> Provider: ...


_LONGEST = 100
_SENTENCES = {
    "client": (
        "where the secret of its OAuth client does not belong",
        "if that is right, give the OAuth client its secret again, or its endpoints and the secret",
    ),
    "grant": (
        "where what this account was granted does not belong",
        "if that is right, connect the account anew",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The places of one secret: that of an OAuth client, or what an account was granted."""

    places: frozenset[str]
    of: Literal["client", "grant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Known providers: the one that a client or form names by its id, and those at places."""

    provider_of: ProviderOf
    id: str = ""

    def at(self, places: Iterable[str]) -> list[Provider]:
        """Those whose hosts count besides the places."""
        named = [self.provider_of(self.id, Endpoints())] if self.id else []
        return [*named, *(self.provider_of("", Endpoints(token_url=place)) for place in places)]


def pin_of(opened: Mapping[str, Any], of: Literal["client", "grant"]) -> tuple[Pin, ...]:
    """The pin that lies sealed beside a secret; none where there is no secret."""
    kept = opened.get("at")
    return () if kept is None else (Pin(places=frozenset(kept), of=of),)


def named_by(scheme: SecurityScheme, given: Endpoints) -> Endpoints:
    """The endpoints that a document adds to those that were given; its ``openIdConnectUrl`` as issuer, where that is
    what is asked.
    """
    told = documented_endpoints(scheme)
    missing: dict[str, Any] = {
        one.name: getattr(told, one.name) for one in fields(Endpoints) if not getattr(given, one.name)
    }
    if given.token_url and place_of(told.refresh_url) != place_of(given.token_url):
        missing["refresh_url"] = ""  # whoever says where tokens are given says so of renewed ones too
    if not (given.token_url or told.token_url):
        missing["issuer"] = str(scheme.details.get("openIdConnectUrl") or "")
    return Endpoints(**missing)


def places_at(given: Mapping[str, Any], schemes: Iterable[SecurityScheme]) -> tuple[str, ...]:
    """The places that endpoints as they were given, and a document as it is, name for security schemes; sorted."""
    own = given_endpoints(given)
    found = set(places_of(own))
    for scheme in schemes:
        named = named_by(scheme, own)
        found |= places_of(filled_up(own, named)) | places_of(named)
    return tuple(sorted(found))


def given_endpoints(given: Mapping[str, Any]) -> Endpoints:
    """Endpoints by their names, what is none left out."""
    known = {one.name for one in fields(Endpoints)}
    return Endpoints(**{name: value for name, value in given.items() if name in known})


def check_pins(given: Endpoints, named: Endpoints, pins: Sequence[Pin], known: Known) -> None:
    """That what a document names lies where all secrets belong that would be sent there.

    Args:
        given: what a person gave, and the issuer that they gave says.
        named: what the document adds to that.
        pins: of the secrets.
        known: finds known providers.

    Raises:
        DesignError: ``oauth.moved``, ``oauth.provider``.
    """
    asked, own = places_of(named), places_of(given)
    for pin in pins:
        left = asked - pin.places - own
        strange = sorted(left - own_places(known.at(pin.places))) if left else []
        if strange:
            belongs, hint = _SENTENCES[pin.of]
            raise DesignError(
                f"the document of this connector names {strange[0][:_LONGEST]} for OAuth by now, {belongs}",
                code=MOVED,
                hint=hint,
                of=pin.of,
            )


def check_granted(used: Endpoints, pins: Sequence[Pin], provider_of: ProviderOf) -> None:
    """That all endpoints in use, whoever named them, lie where what an account was granted belongs.

    Raises:
        DesignError: ``oauth.moved``.
    """
    asked = token_places(used)
    for pin in pins:
        left = asked - pin.places
        # where customers have addresses of their own, one customer's is not another's, though all are the provider's
        known = (one for one in Known(provider_of=provider_of).at(pin.places) if not one.variables) if left else ()
        strange = sorted(left - own_places(known))
        if strange:
            belongs, hint = _SENTENCES["grant"]
            raise DesignError(
                f"the access of this account would be sent to {strange[0][:_LONGEST]} by now, {belongs}",
                code=MOVED,
                hint=hint,
                of="grant",
            )


async def opened_grant(sealing: Sealing, scope: Scope, grant: Grant) -> Mapping[str, Any]:
    """What is sealed in a grant: its tokens, and the places they belong to; nothing where nothing is.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    if not grant.sealed:
        return {}
    plain: Mapping[str, Any] = json.loads(await sealing.open(scope, grant.tenant, grant_label(grant.id), grant.sealed))
    return plain


def grant_label(id_: str) -> str:
    """What the tokens of a grant are sealed for: no credential of an account opens as one."""
    return f"grant/{id_}"
