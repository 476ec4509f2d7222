"""Credentials that an API wants in headers of its own making: templates, and the secrets that stand in them.

``{"headers": {"X-Auth": "Token {key}:{secret}"}, "values": {"key": …, "secret": …}}``. What a template says beside its
values is no secret and may be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.model.api import SecurityScheme
from apiloom.model.headers import NOT_CREDENTIALS
from apiloom.vault.credentials import Credential, Template
from apiloom.vault.marks import HIDDEN, Mark, Signature, traces

MEMBERS = frozenset({"headers", "values"})
FORM = '{"headers": {"X-Auth": "Token {key}"}, "values": {"key": …}}'

_MOST = 16
_LONGEST = 8_192
_is_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}").fullmatch
_is_value = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?").fullmatch
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")

Secretly = Callable[[str, Any], Secret]
"""Reads a secret of a scheme."""


def parse_template(scheme: str, value: Mapping[str, Any], secretly: Secretly) -> Credential:
    """The credential of a scheme in the form of :data:`FORM`.

    Raises:
        DesignError: ``credentials.form``; ``credentials.value`` for what cannot be sent. No value is repeated.
    """
    headers, values = _members(value.get("headers")), _members(value.get("values"))
    if (
        set(value) != MEMBERS
        or not isinstance(headers, Mapping)
        or not isinstance(values, Mapping)
        or not 0 < len({str(name).lower() for name in headers}) == len(headers) <= _MOST
        or len(values) > _MOST
        or not all(isinstance(text, str) and len(text) <= _LONGEST for text in headers.values())
    ):
        raise DesignError(f"the headers of {scheme} are no template", code="credentials.form", hint=f"write {FORM}")
    secrets = {str(name): secretly(scheme, each) for name, each in values.items()}
    template = Template(headers=tuple((str(name), text) for name, text in headers.items()), values=secrets)
    for name, text in template.headers:
        _check(scheme, name, text, secrets)
    return Credential(form=template)


def build_template(scheme: SecurityScheme, template: Template) -> Signature:
    """The headers, with the values in their places.

    Raises:
        DesignError: ``credentials.value`` for a header that could not be sent.
    """
    plain = {name: secret.reveal() for name, secret in template.values.items()}
    real = tuple((name, _filled(text, plain)) for name, text in template.headers)
    for name, text in real:
        if not _is_value(text):
            raise DesignError(
                f"the header {name} of {scheme.id} would hold what a header cannot carry",
                code="credentials.value",
                hint="give values of one line of visible ASCII",
            )
    hidden = dict.fromkeys(plain, HIDDEN)
    shown = tuple((name, _filled(text, hidden)) for name, text in template.headers)
    used = [text for (_, text), (_, as_shown) in zip(real, shown, strict=True) if text != as_shown]
    # short values are known by the header around them
    return Signature(real=Mark(headers=real), shown=Mark(headers=shown), secrets=traces(*plain.values(), *used))


def _members(value: Any) -> Any:
    """An object of texts: as such, or as the JSON text that an account keeps of it. No reference stands in that one:
    whoever may name places of this machine was asked before, and only where a reference could be seen.
    """
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) and all(isinstance(one, str) for one in found.values()) else None


def _check(scheme: str, name: str, text: str, values: Mapping[str, Secret]) -> None:
    if not _is_name(name) or name.lower() in NOT_CREDENTIALS:
        raise DesignError(
            f"{name[:60]!r} is no header that a credential of {scheme} can stand in",
            code="credentials.form",
            hint=f"write {FORM}",
        )
    unknown = [place for place in _PLACE.findall(text) if place not in values]
    if unknown:
        raise DesignError(
            f"the header {name} of {scheme} has a place for {unknown[0]}, of which there is no value",
            code="credentials.form",
            hint=f"write {FORM}",
        )


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with values in its places; empty where that would be longer than a header is, and is never made."""
    length = len(text) + sum(len(values[name]) - len(name) - 2 for name in _PLACE.findall(text))
    return _PLACE.sub(lambda place: values[place[1]], text) if length <= _LONGEST else ""
