"""Headers that stay the same on every call, such as the version of an API: given by whoever runs us, not by a model.

They are no secrets and are shown, but they go where credentials go and nowhere else. What would carry a credential, or
belongs to the connection or to a body, cannot be one of them: a constant stands on a command line for all to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.model.headers import NOT_CREDENTIALS
from apiloom.vault.marks import Mark

MOST = 32
"""Constant headers of one connector."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,4000}[\x21-\x7e])?")
_secret_word = re.compile(
    r"(?i)apikey|auth(?:orization)?|cookie|cred(?:ential)?s?|jwt|keys?|passw(?:or)?d|secrets?|session|signature|tokens?"
).fullmatch
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_BEARING = re.compile(
    r"(?i:bearer|basic|token|digest|negotiate|apikey)\s+\S|eyJ[\w-]{8,}\.|(?:sk|pk|rk)_(?:live|test)_|sk-\w|gh[opsur]_\w|"
    r"github_pat_|glpat-|xox[a-z]-|AKIA[A-Z0-9]{12}"
)
"""Beginnings of values that are made to be known as credentials: JSON web tokens, and the prefixes of some vendors."""


def constant_headers(headers: Sequence[tuple[str, str]], schemes: Mapping[str, SecurityScheme]) -> Mark:
    """The headers as a mark, checked. A later one of the same name counts.

    Raises:
        DesignError: ``header.form`` for what cannot be sent, ``header.reserved`` for what is not the caller's to set,
            ``header.credential`` for what carries a credential. No value is repeated.
    """
    if len(headers) > MOST:
        raise DesignError(f"there are over {MOST} constant headers", code="header.form", hint="give fewer")
    for name, value in headers:
        _check(name, value, schemes)
    latest = {name.lower(): (name, value) for name, value in headers}
    return Mark(headers=tuple(latest.values()))


def _check(name: str, value: str, schemes: Mapping[str, SecurityScheme]) -> None:
    if not _TOKEN.fullmatch(name):
        raise DesignError(f"{name[:60]!r} cannot be the name of a header", code="header.form", hint="write NAME=VALUE")
    if not _VALUE.fullmatch(value):
        raise DesignError(
            f"the value of the header {name} cannot be sent",
            code="header.form",
            hint="give one line of visible ASCII, not empty, without space at either end",
        )
    if name.lower() in NOT_CREDENTIALS:
        raise DesignError(
            f"the header {name} is set by apiloom alone", code="header.reserved", hint="leave it out of --header"
        )
    of = next((one.id for one in schemes.values() if one.place == "header" and one.name.lower() == name.lower()), "")
    if of or any(_secret_word(word) for word in _WORDS.findall(name)) or "apikey" in name.lower():
        raise DesignError(
            f"the header {name} carries a credential, which never stands on a command line",
            code="header.credential",
            hint=f"give the credential of {of}" if of else f"use --auth header:{name} and set APILOOM_AUTH_DEFAULT",
        )
    if _BEARING.match(value):
        raise DesignError(
            f"the value of the header {name} looks like a credential, which never stands on a command line",
            code="header.credential",
            hint=f"use --auth header:{name} and set APILOOM_AUTH_DEFAULT",
        )
