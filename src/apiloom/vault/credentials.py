"""Secrets in hand: the set of credentials that a connector or an account was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apiloom.base.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What one security scheme was given: a single value (key or token), or a user name and password."""

    token: Secret | None = None
    username: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one connector by the document's scheme name."""

    by_scheme: Mapping[str, Credential] = field(default_factory=dict)
