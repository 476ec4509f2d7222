"""Secrets in hand: values that cannot be printed, and the set a connector was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn


class Secret:
    """A secret value. It shows ``***`` wherever it is printed and refuses to be pickled; ``reveal`` gives it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for a signer on its way out."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


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
