"""Credentials as people write them down, read into :class:`~apiloom.vault.credentials.Credentials`.

Knows the forms, not the places: whoever opens a file or reads the environment hands the values in. No sentence made
here ever repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from apiloom.base.errors import DesignError
from apiloom.base.plugins import load
from apiloom.base.secret import Secret
from apiloom.vault.aws_keys import parse_aws
from apiloom.vault.certificates import parse_certificate
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.referring import Resolve, Told, tell
from apiloom.vault.templates import parse_template

if TYPE_CHECKING:
    from apiloom.vault.forms import OAuthForm

_FORMS = (
    '{"token": …}, {"key": …}, {"username": …, "password": …}, {"client_id": …, "client_secret": …, "scopes": […]} '
    'or {"ref": "env:NAME"}'
)
MARKS = frozenset({"client_id", "client_secret", "service_account", "refresh_token", "access_token"})
"""Members that make a credential an OAuth form; so does a private key with the issuer that signs with it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_credentials(raw: Mapping[str, Any], resolve: Resolve | None = None) -> Credentials:
    """Credentials by scheme name, each in one of the forms of a credentials file.

    Args:
        raw: scheme name to ``{"token"}``, ``{"key"}``, ``{"username", "password"}``, ``{"ref"}`` or one of the forms
            of :mod:`apiloom.vault.forms` that tokens are got with; references inside as
            :mod:`apiloom.vault.referring` says.
        resolve: follows references, or looks at them; without it they are refused.

    Raises:
        DesignError: ``credentials.form`` for any other form, ``credentials.value`` for a value that cannot be sent,
            ``oauth.key`` and ``oauth.url`` for forms that tokens are got with.
    """
    forms = {scheme: _form(scheme, value, resolve) for scheme, value in raw.items() if is_oauth_form(value)}
    plain = {
        scheme: _parsed(scheme, tell(scheme, value, resolve)) for scheme, value in raw.items() if scheme not in forms
    }
    return Credentials(plain, forms)


def is_oauth_form(value: object) -> bool:
    """Whether a credential is one that tokens are got with, to be read by :mod:`apiloom.vault.forms`."""
    # a key beside a certificate is that certificate's
    if not isinstance(value, Mapping) or "certificate" in value:
        return False
    return not MARKS.isdisjoint(value) or {"private_key", "issuer"} <= value.keys()


def _form(scheme: str, value: Mapping[str, Any], resolve: Resolve | None) -> OAuthForm:
    """Read by what is loaded when there is such a form: most have none, and wait for their server to start."""
    form: OAuthForm = load("apiloom.vault.forms:read_form")(scheme, value, resolve)
    return form


def single_value(scheme: str, value: str) -> Credential:
    """A key, a token, or for a ``basic`` scheme ``user:password``, given as one text.

    Raises:
        DesignError: ``credentials.value``.
    """
    return Credential(token=_secret(scheme, value))


def _own_form(value: Mapping[str, Any], unread: frozenset[str]) -> Callable[[str], Credential] | None:
    """Who reads a form that is neither a plain value nor OAuth's, told by a member that no other form has."""
    if "certificate" in value:
        # what was only looked at fits nothing
        return lambda scheme: parse_certificate(scheme, value, _text, is_whole=not unread)
    if "access_key_id" in value:
        return lambda scheme: parse_aws(scheme, value, _text_secret)
    if "headers" in value:
        return lambda scheme: parse_template(scheme, value, _text_secret)
    return None


def _text(scheme: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DesignError(f"a part of the credential of {scheme} is no text", code="credentials.form", hint=_FORMS)
    return value


def _text_secret(scheme: str, value: Any) -> Secret:
    return _secret(scheme, _text(scheme, value))


def _parsed(scheme: str, told: Told) -> Credential:
    value = told.form
    own = _own_form(value, told.unread) if isinstance(value, Mapping) else None
    if own is not None:
        return own(scheme)
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for part in value.values()):
        raise DesignError(f"the credential of {scheme} is not an object of texts", code="credentials.form", hint=_FORMS)
    members = set(value)
    if members in ({"token"}, {"key"}):
        return single_value(scheme, next(iter(value.values())))
    if members == {"username", "password"}:
        return _pair(scheme, value["username"], value["password"])
    raise DesignError(
        f"the credential of {scheme} has none of the known forms", code="credentials.form", hint=f"write {_FORMS}"
    )


def _pair(scheme: str, username: str, password: str) -> Credential:
    username = username.rstrip("\r\n")  # it may lie in a file, as a password does
    if ":" in username or _CONTROL.search(username):
        raise DesignError(
            f"the user name of {scheme} holds a colon or a control character",
            code="credentials.value",
            hint="basic authentication cannot carry it (RFC 7617)",
        )
    # an empty password is legal, and common where a key stands as the user name
    return Credential(username=username, password=Secret(_one_line(scheme, password)))


def _secret(scheme: str, value: str) -> Secret:
    value = _one_line(scheme, value)
    if not value:
        raise DesignError(
            f"the credential of {scheme} is empty", code="credentials.value", hint="give a value, or leave it out"
        )
    return Secret(value)


def _one_line(scheme: str, value: str) -> str:
    value = value.rstrip("\r\n")  # files end in a line break that is no part of the secret
    if _CONTROL.search(value):
        raise DesignError(
            f"the credential of {scheme} holds a line break or another control character",
            code="credentials.value",
            hint="a key, token or password is one line of text",
        )
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise DesignError(
            f"the credential of {scheme} holds bytes that are no text",
            code="credentials.value",
            hint="write it in UTF-8",
        )
    return value
