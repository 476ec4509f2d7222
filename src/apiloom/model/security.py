"""What follows from a security scheme alone: whether a fixed value satisfies it, and where that value stands.

Knows neither documents nor secrets.
"""

from __future__ import annotations

from apiloom.model.api import SecurityScheme
from apiloom.model.headers import NOT_CREDENTIALS

CHALLENGED = frozenset({"digest", "hoba", "mutual", "negotiate", "ntlm", "dpop", "scram-sha-1", "scram-sha-256"})
"""HTTP authentication schemes whose proof is made anew for each request, from a challenge or the request itself."""


AWS_SIGNATURE = "AWS Signature"
"""What ``details["signs"]`` of a scheme says that signs each request anew with keys of AWS."""


def unsignable(scheme: SecurityScheme) -> str:
    """Why no credential that there is can satisfy the scheme; empty where one can."""
    if scheme.kind == "apiKey" and not (scheme.place and scheme.name):
        return "does not say where the key goes"
    if scheme.place == "header" and scheme.name.lower() in NOT_CREDENTIALS:
        return f"is a key in the header {scheme.name}, which says how a message travels and is read"
    if scheme.kind == "http" and scheme.scheme in CHALLENGED:
        return f"is HTTP {scheme.scheme.capitalize()}, which signs each request anew"
    signs = scheme.details.get("signs")
    return f"is {signs}, which signs each request anew" if signs and signs != AWS_SIGNATURE else ""


def place_of(scheme: SecurityScheme) -> tuple[str, str]:
    """Where the scheme's credential stands in a request. A place holds one credential, whoever asks for two there."""
    if scheme.kind == "mutualTLS":
        return ("connection", "")
    if scheme.kind != "apiKey":
        return ("header", "authorization")
    return (scheme.place, scheme.name.lower() if scheme.place == "header" else scheme.name)


def shown_place(place: tuple[str, str]) -> str:
    """A place in words."""
    kind, name = place
    return "the connection" if kind == "connection" else f"the {kind} {name}"
