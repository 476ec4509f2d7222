"""Credentials as people write them down, read into :class:`~apiloom.vault.credentials.Credentials`.

Knows the forms, not the places: whoever opens a file or reads the environment hands the values in. No sentence made
here ever repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.vault.credentials import Credential, Credentials

Resolve = Callable[[str], str]
"""Turns a reference such as ``env:NAME`` or ``file:PATH`` into the secret it stands for."""

_FORMS = '{"token": …}, {"key": …}, {"username": …, "password": …} or {"ref": "env:NAME"}'
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_credentials(raw: Mapping[str, Any], resolve: Resolve | None = None) -> Credentials:
    """Credentials by scheme name, each in one of the forms of a credentials file.

    Args:
        raw: scheme name to ``{"token"}``, ``{"key"}``, ``{"username", "password"}`` or ``{"ref"}``.
        resolve: follows references; without it they are refused.

    Raises:
        DesignError: ``credentials.form`` for any other form, ``credentials.value`` for a value that cannot be sent,
            ``credentials.later`` for forms of a later release.
    """
    return Credentials({scheme: _parsed(scheme, value, resolve) for scheme, value in raw.items()})


def single_value(scheme: str, value: str) -> Credential:
    """A key, a token, or for a ``basic`` scheme ``user:password``, given as one text.

    Raises:
        DesignError: ``credentials.value``.
    """
    return Credential(token=_secret(scheme, value))


def _parsed(scheme: str, value: Any, resolve: Resolve | None) -> Credential:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for part in value.values()):
        if isinstance(value, Mapping) and "client_id" in value:
            raise _later(scheme, "client_id and client_secret")
        raise DesignError(f"the credential of {scheme} is not an object of texts", code="credentials.form", hint=_FORMS)
    members = set(value)
    if members in ({"token"}, {"key"}):
        return single_value(scheme, next(iter(value.values())))
    if members == {"username", "password"}:
        return _pair(scheme, value["username"], value["password"])
    if members == {"ref"}:
        return single_value(scheme, _followed(scheme, value["ref"], resolve))
    if "client_id" in members:
        raise _later(scheme, "client_id and client_secret")
    raise DesignError(
        f"the credential of {scheme} has none of the known forms", code="credentials.form", hint=f"write {_FORMS}"
    )


def _pair(scheme: str, username: str, password: str) -> Credential:
    if ":" in username or _CONTROL.search(username):
        raise DesignError(
            f"the user name of {scheme} holds a colon or a control character",
            code="credentials.value",
            hint="basic authentication cannot carry it (RFC 7617)",
        )
    # an empty password is legal, and common where a key stands as the user name
    return Credential(username=username, password=Secret(_one_line(scheme, password)))


def _followed(scheme: str, reference: str, resolve: Resolve | None) -> str:
    kind = reference.partition(":")[0]
    if kind in {"keyring", "bao"}:
        raise _later(scheme, f"{kind}: references")
    if resolve is None or kind not in {"env", "file"}:
        raise DesignError(
            f"the reference of {scheme} cannot be followed",
            code="credentials.form",
            hint="write env:NAME or file:PATH, in a credentials file",
        )
    return resolve(reference)


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


def _later(scheme: str, what: str) -> DesignError:
    return DesignError(
        f"the credential of {scheme} uses {what}, which this release cannot use yet",
        code="credentials.later",
        hint="give a token for now",
    )
