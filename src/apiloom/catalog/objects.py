"""Objects as their named members, where they can be taken apart without losing meaning.

What becomes of the members, as arguments or otherwise, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiloom.base.values import Value, field
from apiloom.catalog.shapes import ANNOTATIONS, Pool, flat, is_read_only, types
from apiloom.model.api import Schema

Group = tuple[tuple[str, ...], ...]
"""Sets of members, by name."""


class ObjectShape(Value, frozen=True, kw_only=True):
    """An object as its named members: ``rest`` is the schema of further ones, None when the document names none.

    ``groups`` are sets of members of which at least one set must be complete (``anyOf`` of ``required``), ``choices``
    those of which exactly one must be (``oneOf``).
    """

    properties: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    rest: Schema | None = None
    groups: tuple[Group, ...] = ()
    choices: tuple[Group, ...] = ()
    description: str = ""
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_FOLDABLE = ANNOTATIONS | {
    "additionalProperties",
    "anyOf",
    "dependentRequired",
    "maxProperties",
    "minProperties",
    "nullable",
    "oneOf",
    "properties",
    "required",
    "type",
    "unevaluatedProperties",
}


def object_shape(schema: Schema, pool: Pool) -> ObjectShape | None:
    """The members of an object schema that can be taken apart without losing meaning; None for any other schema.

    Members that are read only are left out, from ``required`` too. Members that are asked for and nowhere described
    take any value. Not taken apart: unions, pure maps, objects without a named member, and objects under rules that
    span members other than "one of these must be there".
    """
    node = flat(schema, pool)
    if types(node) != ("object",) or any(key not in _FOLDABLE and not key.startswith("x-") for key in node):
        return None
    named = node.get("properties")
    if not isinstance(named, dict) or not named:
        return None
    stated = {keyword: _group(node.get(keyword)) for keyword in ("anyOf", "oneOf")}
    if None in stated.values():
        return None
    sent = {name: part for name, part in named.items() if not is_read_only(part, pool)}
    never = frozenset(named.keys() - sent.keys())
    groups = {keyword: _possible(group, named, never, node) for keyword, group in stated.items() if group}
    if node.get("additionalProperties") is not False:
        asked = (
            *_strings(node.get("required")),
            *(name for group in groups.values() for part in group for name in part),
        )
        sent.update({name: True for name in asked if name not in named})
    required = tuple(name for name in _strings(node.get("required")) if name in sent)
    any_of, one_of = groups.get("anyOf", ()), groups.get("oneOf", ())
    found = [any_of] if any_of else []
    if one_of and not _tells_apart(one_of):
        found.append(one_of)
        one_of = ()
    if node.get("minProperties") == 1 and not required:
        found.append(tuple((name,) for name in sent))
    further = node.get("additionalProperties")
    description = node.get("description")
    return ObjectShape(
        properties=sent,
        required=required,
        rest=further if isinstance(further, dict) or further is True else None,
        groups=tuple(found),
        choices=(one_of,) if one_of else (),
        description=description if isinstance(description, str) else "",
        together=_together(node, sent),
    )


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _group(members: Any) -> Group | None:
    """A union whose members only ask for members to be there, empty for none; None when it says anything else."""
    if not isinstance(members, list):
        return ()
    if any(not isinstance(member, dict) or set(member) - ANNOTATIONS - {"required", "type"} for member in members):
        return None
    group = tuple(tuple(_strings(member.get("required"))) for member in members)
    return group if all(group) else ()


def _possible(group: Group, named: Mapping[str, Any], never: frozenset[str], node: Mapping[str, Any]) -> Group:
    """The sets that can be complete in a request; none when one of them asks for nothing that is sent."""
    closed = node.get("additionalProperties") is False
    found = [
        tuple(name for name in names if name not in never)
        for names in group
        if not closed or all(name in named for name in names)
    ]
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _tells_apart(group: Group) -> bool:
    """Whether no set is part of another; otherwise the larger could never be the only one that is complete."""
    sets = [frozenset(names) for names in group]
    return not any(one <= other for at, one in enumerate(sets) for to, other in enumerate(sets) if at != to)


def _together(node: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    stated = node.get("dependentRequired")
    if not isinstance(stated, dict):
        return {}
    return {
        name: tuple(other for other in _strings(others) if other in sent)
        for name, others in stated.items()
        if name in sent
    }
