"""Unions told apart by a tag: OpenAPI's ``discriminator`` as plain JSON Schema.

Every member gets its tag as a required member with one value, so that a model sees which fields go with which tag and
a validator can tell members apart (OpenAPI 3.1 section 4.8.25: mapping by name or pointer, else the schema's own name).
A definition that others are composed of, and that names a tag for them, stands for the union of them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiloom.catalog.shapes import ANNOTATIONS, MAX_HOPS, Pool, flat, target
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, reference, unescape

_IN_PLACE = ("allOf", "anyOf", "oneOf")


def tagged_members(schema: Mapping[str, Any], pool: Pool) -> list[Schema] | None:
    """The members of a union, each with its tag; None when the schema is no union or names no tag for its members."""
    discriminator = schema.get("discriminator")
    members = schema.get("oneOf") or schema.get("anyOf")
    if not isinstance(discriminator, dict) or not isinstance(members, list):
        return None
    tag = discriminator.get("propertyName")
    if not isinstance(tag, str) or not tag:
        return None
    values = _values_by_name(discriminator.get("mapping"))
    return [_tagged(member, tag, values, pool) for member in members]


class Families:
    """Definitions that others are composed of, with those others. What was found is kept."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._found: dict[str, tuple[list[Schema], frozenset[str]] | None] = {}

    def members(self, schema: Schema, within: str = "") -> list[Schema] | None:
        """The members of the union that a reference to a family's head stands for; None for any other schema.

        ``within`` is the definition that the schema is a part of, in the same place: the head's own part in one of its
        family stands for nothing but itself.
        """
        chain = [within] if within else []
        for _ in range(MAX_HOPS):
            found = target(schema, self._pool) if isinstance(schema, dict) else None
            if found is None or not _is_bare(schema):
                schema = _only_part(schema)
                if schema is True:
                    return None
                continue
            name, schema = found
            if isinstance(schema, dict) and "discriminator" in schema:
                family = self._family(name, schema)
                return None if family is None or family[1].intersection(chain) else family[0]
            chain.append(name)
        return None

    def _family(self, head: str, own: dict[str, Any]) -> tuple[list[Schema], frozenset[str]] | None:
        """The tagged members of a family, and every definition that they are made of in place."""
        if head not in self._found:
            self._found[head] = self._gathered(head, own)
        return self._found[head]

    def _gathered(self, head: str, own: dict[str, Any]) -> tuple[list[Schema], frozenset[str]] | None:
        tag = own["discriminator"].get("propertyName") if isinstance(own["discriminator"], dict) else None
        if not isinstance(tag, str) or "oneOf" in own or "anyOf" in own:
            return None
        values = _values_by_name(own["discriminator"].get("mapping"))
        names = sorted({name for name in values if name in self._pool} - {head})
        if not names:
            return None
        reached = set(names)
        waiting = list(names)
        while waiting:
            for name in _named_in_place(self._pool[waiting.pop()]):
                if name in self._pool and name not in reached:
                    reached.add(name)
                    waiting.append(name)
        members = [_tagged(reference(name), tag, values, self._pool) for name in names]
        stated = values.get(head) or [
            value for value in _own_values(own, tag, self._pool) if not any(value in taken for taken in values.values())
        ]
        if stated:
            members.append(_with_tag(reference(head), tag, stated))
        return members, frozenset(reached | {head})


def _is_bare(schema: Schema) -> bool:
    return isinstance(schema, dict) and not schema.keys() - ANNOTATIONS - {"$ref", "nullable"}


def _only_part(schema: Schema) -> Schema:
    """The one part of an ``allOf`` that says nothing beside it; True for any other schema."""
    if isinstance(schema, bool) or schema.keys() - ANNOTATIONS - {"allOf", "nullable"}:
        return True
    parts = schema.get("allOf")
    return parts[0] if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) else True


def _named_in_place(schema: Schema) -> Iterator[str]:
    stack = [schema]
    while stack:
        here = stack.pop()
        if isinstance(here, bool):
            continue
        ref = here.get("$ref")
        if isinstance(ref, str) and ref.startswith(DEFS):
            yield unescape(ref[len(DEFS) :])
        for keyword in _IN_PLACE:
            if isinstance(here.get(keyword), list):
                stack += [part for part in here[keyword] if isinstance(part, dict)]


def _tagged(member: Any, tag: str, values: Mapping[str, list[str]], pool: Pool) -> Schema:
    found = target(member, pool) if isinstance(member, dict) else None
    if found is None:
        return member if isinstance(member, dict | bool) else True
    name = found[0]
    accepted = values.get(name) or values.get(name.rpartition(".")[2]) or _own_values(member, tag, pool) or [name]
    return _with_tag(member, tag, accepted)


def _with_tag(member: Schema, tag: str, accepted: list[str]) -> Schema:
    return {"allOf": [member, {"properties": {tag: {"enum": accepted}}, "required": [tag]}]}


def _values_by_name(mapping: Any) -> dict[str, list[str]]:
    """Definition name to tag values. A mapping names a schema, or points at one; the last part is its name."""
    values: dict[str, list[str]] = {}
    if isinstance(mapping, dict):
        for value, pointer in sorted(mapping.items()):
            if isinstance(pointer, str):
                name = pointer[len(DEFS) :] if pointer.startswith(DEFS) else pointer.rpartition("/")[2]
                values.setdefault(unescape(name), []).append(value)
    return values


def _own_values(member: Schema, tag: str, pool: Pool) -> list[str]:
    """What the member itself says its tag is."""
    properties = flat(member, pool).get("properties")
    stated = properties.get(tag) if isinstance(properties, dict) else None
    node = flat(stated, pool) if isinstance(stated, dict | bool) else {}
    values = [node["const"]] if "const" in node else node.get("enum")
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
