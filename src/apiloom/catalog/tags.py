"""Unions told apart by a tag: OpenAPI's ``discriminator`` as plain JSON Schema.

Every member gets its tag as a required member with one value, so that a model sees which fields go with which tag and
a validator can tell members apart (OpenAPI 3.1 section 4.8.25: mapping by name or pointer, else the schema's own name).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiloom.catalog.shapes import Pool, flat, target
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, unescape


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


def _tagged(member: Any, tag: str, values: Mapping[str, list[str]], pool: Pool) -> Schema:
    found = target(member, pool) if isinstance(member, dict) else None
    if found is None:
        return member if isinstance(member, dict | bool) else True
    name = found[0]
    accepted = values.get(name) or values.get(name.rpartition(".")[2]) or _own_values(member, tag, pool) or [name]
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
