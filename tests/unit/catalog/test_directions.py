"""What is read only is never sent and what is write only never answered, wherever a document says so.

Objects are made up: members of their own, from a base, from a base of a base, from a part of an ``allOf``; marked at
the member, behind a reference, behind two, in an ``allOf``; required here or there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.catalog.validation import answer_schema
from apiloom.catalog.views import render_tool
from support.catalogs import catalog_of, strict_of, tool_with_body, view_of

TEXT = {"type": "string"}
WAYS = ["beside", "behind_reference", "behind_two", "beside_reference", "in_all_of", "in_all_of_behind_reference"]
HOMES = ["own", "base", "base_of_base", "part"]

thorough = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Member:
    """``mark`` is ``readOnly``, ``writeOnly`` or nothing; ``way`` where it stands, ``home`` whose member it is."""

    name: str
    mark: str
    way: str
    home: str
    required_in: str


members = st.builds(
    Member,
    name=st.sampled_from([f"m{number}" for number in range(6)]),
    mark=st.sampled_from(["", "readOnly", "writeOnly"]),
    way=st.sampled_from(WAYS),
    home=st.sampled_from(HOMES),
    required_in=st.sampled_from(["", "own", "part", "base"]),
)
objects = st.lists(members, min_size=1, max_size=6, unique_by=lambda one: one.name).map(
    lambda listed: [Member("plain", "", "beside", "own", "own"), *listed]
)


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def marked(member: Member, pool: dict[str, Any]) -> dict[str, Any]:
    """The schema of a member, and what it refers to."""
    mark: dict[str, Any] = {member.mark: True} if member.mark else {}
    pool[f"Plain_{member.name}"] = TEXT
    pool[f"Marked_{member.name}"] = {**TEXT, **mark}
    pool[f"Twice_{member.name}"] = reference(f"Marked_{member.name}")
    pool[f"All_{member.name}"] = {"allOf": [TEXT, mark]}
    ways: Mapping[str, dict[str, Any]] = {
        "beside": {**TEXT, **mark},
        "behind_reference": reference(f"Marked_{member.name}"),
        "behind_two": reference(f"Twice_{member.name}"),
        "beside_reference": {**reference(f"Plain_{member.name}"), **mark},
        "in_all_of": {"allOf": [reference(f"Plain_{member.name}"), mark]},
        "in_all_of_behind_reference": reference(f"All_{member.name}"),
    }
    return ways[member.way]


def described(listed: list[Member], pool: dict[str, Any]) -> dict[str, Any]:
    """An object of these members; its bases go to the pool."""
    homes: dict[str, dict[str, Any]] = {home: {} for home in HOMES}
    for member in listed:
        homes[member.home][member.name] = marked(member, pool)

    def part(home: str, *, needs: str = "") -> dict[str, Any]:
        required = [member.name for member in listed if member.required_in == (needs or home)]
        return {"type": "object", "properties": homes[home], **({"required": required} if required else {})}

    pool["BaseOfBase"] = part("base_of_base")
    pool["Base"] = {"allOf": [reference("BaseOfBase"), part("base")]}
    return {**part("own"), "allOf": [reference("Base"), part("part")]}


def kept(listed: list[Member], away: str) -> list[str]:
    return sorted(member.name for member in listed if member.mark != away)


def needed(listed: list[Member], away: str) -> list[str]:
    return sorted(member.name for member in listed if member.mark != away and member.required_in)


@thorough
@given(objects)
def test_what_is_read_only_is_no_argument_and_required_of_nobody(listed: list[Member]) -> None:
    pool: dict[str, Any] = {}
    tool, catalog = tool_with_body(described(listed, pool), pool)
    strict, sendable = strict_of(tool, catalog), kept(listed, "readOnly")
    assert sorted(each.name for each in tool.arguments) == sendable
    view = view_of(tool, catalog)
    assert sorted(view["properties"]) == sendable
    assert sorted(view.get("required", ())) == needed(listed, "readOnly")
    least = dict.fromkeys(needed(listed, "readOnly"), "x")
    assert strict.is_valid(least)
    assert strict.is_valid(dict.fromkeys(sendable, "x"))
    for name in least:
        assert not strict.is_valid({key: text for key, text in least.items() if key != name})
    for member in listed:
        assert strict.is_valid({**least, member.name: "x"}) == (member.mark != "readOnly")


@thorough
@given(objects)
def test_what_is_read_only_is_neither_shown_nor_required_deeper_in_a_body(listed: list[Member]) -> None:
    pool: dict[str, Any] = {}
    inner = described(listed, pool)
    body = {"type": "object", "properties": {"one": inner, "many": {"type": "array", "items": inner}}}
    tool, catalog = tool_with_body(body, pool)
    shown = view_of(tool, catalog)["properties"]
    assert sorted(shown["one"]["properties"]) == kept(listed, "readOnly")
    assert sorted(shown["many"]["items"]["properties"]) == kept(listed, "readOnly")
    strict = strict_of(tool, catalog)
    least = dict.fromkeys(needed(listed, "readOnly"), "x")
    assert strict.is_valid({"one": least, "many": [least]})
    for name in least:
        assert not strict.is_valid({"one": {key: text for key, text in least.items() if key != name}})


@thorough
@given(objects)
def test_what_is_write_only_is_never_promised_in_an_answer(listed: list[Member]) -> None:
    pool: dict[str, Any] = {}
    content = {"application/json": {"schema": described(listed, pool)}}
    catalog = catalog_of({"/things": {"get": {"responses": {"200": {"description": "", "content": content}}}}}, pool)
    (tool,) = catalog.tools.values()
    outlined = render_tool(tool, catalog.schemas, with_output=True)["outputSchema"]
    assert sorted(outlined["properties"]) == kept(listed, "writeOnly")
    assert tool.output_schema is not None
    strict = jsonschema_rs.Draft202012Validator(answer_schema(tool.output_schema, catalog.schemas))
    least = dict.fromkeys(needed(listed, "writeOnly"), "x")
    assert strict.is_valid(least)
    for name in least:
        assert not strict.is_valid({key: text for key, text in least.items() if key != name})
