"""What clients and model providers take of JSON Schema, as a table: one row for each profile.

Every row is narrower than JSON Schema 2020-12, and none has references or a union at the root. ``docs/tools.md`` says
which client wants which row and why. How a schema is written within a row is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from apiloom.base.errors import CallerError

Null = Literal["said", "type", "keyword"]
"""How null is offered beside another type: in words, as one of several types, or by ``nullable`` of OpenAPI 3.0."""

_JSON_SCHEMA_FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "idn-email",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "iri",
        "json-pointer",
        "regex",
        "time",
        "uri",
        "uri-reference",
        "uri-template",
        "uuid",
    }
)
_OPENAI_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
_GEMINI_FORMATS = frozenset({"date-time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a view may use.

    Attributes:
        formats: values of ``format`` that are not refused.
        values: ``const``, and ``enum`` of numbers and of empty text; else only ``enum`` of texts.
        bounds: exclusive bounds, ``multipleOf``.
        maps: ``additionalProperties`` with a schema.
        counts: ``uniqueItems``, ``minProperties``, ``maxProperties``.
        described_unions: members such as ``description`` beside ``anyOf``.
    """

    null: Null
    formats: frozenset[str]
    values: bool = False
    bounds: bool = False
    maps: bool = False
    counts: bool = False
    described_unions: bool = False


PROFILES: dict[str, Profile] = {
    "intersection": Profile(null="said", formats=_GEMINI_FORMATS),
    "anthropic": Profile(
        null="type",
        formats=_JSON_SCHEMA_FORMATS,
        values=True,
        bounds=True,
        maps=True,
        counts=True,
        described_unions=True,
    ),
    "openai": Profile(null="type", formats=_OPENAI_FORMATS, values=True, bounds=True, maps=True, described_unions=True),
    "gemini": Profile(null="keyword", formats=_GEMINI_FORMATS),
}
"""Profiles by name. ``full`` is none of them: it is the canonical schema."""

DEFAULT: Final = "intersection"
FULL: Final = "full"
NAMES: Final = (*PROFILES, FULL)

_CLIENTS = (("claude-ai", "anthropic"), ("gemini-cli", "gemini"), ("openai-mcp", "openai"))
"""Clients that speak to the models of one provider alone, by what the name they give begins with. Editors and coding
agents are missing on purpose: which model stands behind them is their user's choice."""


def check_profile(profile: str) -> str:
    """The profile named, if there is one.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    if profile not in NAMES:
        raise CallerError(
            f"there is no profile named {profile[:40]!r}",
            code="view.profile_unknown",
            hint=f"there are {', '.join(NAMES[:-1])} and {NAMES[-1]}",
        )
    return profile


def profile_of_client(name: Any) -> str:
    """The profile for a client by the name it gives itself; empty where none is plainly right."""
    if not isinstance(name, str):
        return ""
    return next((profile for start, profile in _CLIENTS if name == start or name.startswith(f"{start}-")), "")
