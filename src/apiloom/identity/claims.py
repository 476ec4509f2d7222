"""What a verified token says, judged: by whom, for whom, until when, with which scopes (RFC 9068 section 4).

Pure: claims and the time in, a judgement out. Signatures are :mod:`apiloom.identity.jwts`' matter.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

SKEW = 60.0
"""Seconds by which clocks may differ."""

_FARTHEST = 1e11
_LONGEST_SUBJECT = 255
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Unfit(Exception):  # noqa: N818 - what the claims are
    """Claims that let nobody in. ``why`` is for logs, and never for whoever showed them."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def check_times(claims: Mapping[str, Any], now: float) -> float:
    """When the token ends, in seconds since the epoch: ``exp``, and by what clocks may differ later.

    Raises:
        Unfit: it has ended, has not begun, or has no end that is a number.
    """
    ends = _number(claims, "exp")
    if ends is None or not now < ends + SKEW:
        raise Unfit("it has ended, or has no end")
    for name in ("nbf", "iat"):
        begins = _number(claims, name)
        if begins is not None and begins > now + SKEW:
            raise Unfit(f"its {name} is to come")
    return ends + SKEW


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit(f"its {name} is no time")
    if not 0 <= value < _FARTHEST:
        raise Unfit(f"its {name} is no time")
    return float(value)


def check_subject(claims: Mapping[str, Any]) -> str:
    """Who it is about.

    Raises:
        Unfit: nobody.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise Unfit("it is about nobody")
    return subject


def bound_to(claims: Mapping[str, Any]) -> bytes:
    """The thumbprint of the certificate that a token is bound to (RFC 8705 section 3.1); empty: to nothing.

    Raises:
        Unfit: it is bound to a key of another kind (RFC 7800), which nobody here can show to have.
    """
    if "cnf" not in claims:
        return b""
    told = claims["cnf"]
    value = told.get("x5t#S256") if isinstance(told, dict) and len(told) == 1 else None
    if not isinstance(value, str) or _THUMBPRINT.fullmatch(value) is None:
        # taken as a bearer's it would lose what binds it
        raise Unfit("it is bound to a key")
    return base64.urlsafe_b64decode(f"{value}=")


def audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    """For whom it was given (RFC 7519 section 4.1.3)."""
    value = claims.get("aud")
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, list) and len(value) <= 100 and all(isinstance(each, str) for each in value):
        return frozenset(value)
    return frozenset()


def granted_scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token: ``scope`` (RFC 8693 section 4.2), or the ``scp`` of some issuers."""
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            return frozenset(value.split(" ")) - {""}
        if isinstance(value, list):
            return frozenset(each for each in value if isinstance(each, str))
    return frozenset()


def lacking(needed: Iterable[str], granted: frozenset[str]) -> bool:
    """Whether a scope that is needed is missing."""
    return not granted.issuperset(needed)


def principal_id(issuer: str, subject: str, tenant: str) -> str:
    """A stable id of a person in a tenant, which tells neither name nor address: fit for audit and logs."""
    text = "\0".join((issuer, subject, tenant))
    return f"oidc:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"
