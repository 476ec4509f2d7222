"""Secrets in hand: the set of credentials that a connector or an account was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apiloom.base.secret import InTheClear, Secret, closed

if TYPE_CHECKING:
    from apiloom.vault.forms import OAuthForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Headers with places in braces, and the secrets that stand there."""

    headers: tuple[tuple[str, str], ...]
    values: Mapping[str, Secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A client certificate with its key, both in ``pem``, and the ``key`` alone."""

    pem: Secret
    key: Secret


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys(InTheClear):
    """What requests to a service of AWS in a region are signed with."""

    access_key_id: str = field(repr=False)
    secret_access_key: Secret
    session_token: Secret | None = None
    region: str
    service: str


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(InTheClear):
    """What one security scheme was given: a single value (key or token), a user name and password, or a ``form``.

    ``hidden`` are further secrets that signed nothing and must not come back in an answer either. A user name may be
    the key itself, where the password is empty.
    """

    token: Secret | None = None
    username: str = field(default="", repr=False)
    password: Secret | None = None
    hidden: tuple[Secret, ...] = ()
    form: Template | Certificate | AwsKeys | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one connector by the document's scheme name.

    ``forms`` are those of schemes for which tokens must be got first; nothing is signed with them.
    """

    by_scheme: Mapping[str, Credential] = field(default_factory=dict)
    forms: Mapping[str, OAuthForm] = field(default_factory=dict)
