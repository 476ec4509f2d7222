"""``x-mcp-header``: arguments that a client repeats as ``Mcp-Param-*`` headers, and the check that both say the same.

Pure. :func:`mirrors_of` reads a tool's schema once, when it is compiled; :func:`disagreement` compares one call.
Source: MCP 2026-07-28, Streamable HTTP "Custom Headers from Tool Parameters"; server/tools "x-mcp-header".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from apiloom.protocol.errors import HEADER_MISMATCH, Rejection
from apiloom.protocol.headers import Heads, open_value

ANNOTATION: Final = "x-mcp-header"
PREFIX: Final = b"mcp-param-"

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES: Final = ("string", "integer", "boolean")
_WHOLE: Final = re.compile(r"(-?[0-9]{1,40})(?:\.0{1,40})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One mirrored argument: its path of property names, and the header in lower case (``mcp-param-region``)."""

    path: tuple[str, ...]
    header: bytes


def mirrors_of(schema: Any) -> tuple[Mirror, ...]:
    """The mirrored arguments of an input schema; none at all when one annotation breaks the rules.

    Clients drop such a tool and so send no headers for it: there is nothing to compare.
    """
    found: dict[bytes, Mirror] = {}
    for path, node in _properties(schema, ()):
        if ANNOTATION not in node:
            continue
        token = node[ANNOTATION]
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or node.get("type") not in _TYPES:
            return ()
        header = PREFIX + token.lower().encode("ascii")
        if header in found:
            return ()
        found[header] = Mirror(path=path, header=header)
    return tuple(found.values())


def _properties(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    # Only chains of "properties" are statically reachable; an annotation anywhere else never mirrors.
    stack = [(path, schema)]
    while stack:
        here, node = stack.pop()
        members = node.get("properties") if isinstance(node, Mapping) else None
        if not isinstance(members, Mapping):
            continue
        for name, member in members.items():
            if isinstance(member, Mapping):
                yield (*here, name), member
                stack.append(((*here, name), member))


def disagreement(
    mirrors: Sequence[Mirror], arguments: Mapping[str, Any], heads: Heads, twice: frozenset[bytes]
) -> Rejection | None:
    """The first mirrored argument whose header is missing, doubled, unreadable, uncalled-for or different."""
    for mirror in mirrors:
        fault = _compared(mirror, _at(arguments, mirror.path), heads.get(mirror.header), mirror.header in twice)
        if fault:
            return Rejection(HEADER_MISMATCH, f"Header mismatch: {mirror.header.decode()} {fault}")
    return None


def _compared(mirror: Mirror, value: Any, raw: bytes | None, doubled: bool) -> str:  # noqa: FBT001 - a fact, no switch
    argument = ".".join(mirror.path)
    said = _said(value)
    if raw is None:
        return f"is missing but the argument {argument} is there" if said is not None else ""
    if doubled:
        return "stands more than once"
    if said is None:
        return f"is there but the argument {argument} is not"
    decoded = open_value(raw)
    if decoded is None:
        return "holds characters a header may not, or broken base64"
    if decoded == said or _same_number(value, decoded):
        return ""
    return f"does not equal the argument {argument}"


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(arguments, Mapping):
            return None
        arguments = arguments.get(name)
    return arguments


def _said(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    return None


def _same_number(value: Any, decoded: str) -> bool:
    # "42.0" and 42 are the same integer (Server Validation, note).
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return False
    match = _WHOLE.fullmatch(decoded)
    return match is not None and int(match[1]) == value
