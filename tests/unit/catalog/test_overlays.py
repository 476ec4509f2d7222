"""Overlays: what an edit does, what is refused, how layers meet, and how edits survive new versions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.catalog.overlaid import Overlaid, apply_overlays
from apiloom.catalog.overlays import Ground, check_patch
from apiloom.catalog.rebase import base_of, rebase
from apiloom.catalog.selection import Selection, select
from apiloom.catalog.tool import Catalog, Tool
from apiloom.catalog.traits import traits_of
from apiloom.catalog.views import render_tool
from support.catalogs import OK, catalog_of

TEXT = {"type": "string"}
PATHS: dict[str, Any] = {
    "/pets": {
        "get": {
            "operationId": "listPets",
            "summary": "List pets.",
            "tags": ["pets"],
            "parameters": [
                {"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["cat", "dog"]}},
                {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                {"name": "owner", "in": "query", "required": True, "schema": {"$ref": "#/components/schemas/Owner"}},
            ],
            "responses": OK,
        }
    },
    "/pets/{id}": {
        "get": {
            "operationId": "getPet",
            "summary": "One pet.",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
            "responses": OK,
        },
        "delete": {
            "operationId": "deletePet",
            "summary": "Away with it.",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
            "responses": OK,
        },
    },
}
SCHEMAS = {"Owner": {"type": "string", "minLength": 2}}
CATALOG = catalog_of(PATHS, SCHEMAS)
GROUND = Ground(tools=CATALOG.tools, schemas=CATALOG.schemas, aliases={"show_pet": "get_pet"})


def edited(edit: dict[str, Any], name: str = "list_pets") -> Tool:
    check_patch({"tools": {name: edit}}, GROUND)
    return apply_overlays(CATALOG.tools, [{"tools": {name: edit}}])[edit.get("rename", name)]


def shown(tool: Tool, catalog: Catalog = CATALOG) -> dict[str, Any]:
    return render_tool(tool, catalog.schemas, with_output=False)


def test_title_and_description_are_what_the_edit_says() -> None:
    view = shown(edited({"title": "Pets", "description": "All of them.", "instructions": "Ask for few."}))
    assert (view["title"], view["description"]) == ("Pets", "All of them. Ask for few.")
    assert view["annotations"]["title"] == "Pets"


def test_instructions_are_added_to_what_is_there() -> None:
    assert edited({"instructions": "Ask for few."}).description == "List pets. Ask for few."
    long = edited({"description": "x" * 1024, "instructions": "y" * 512}).description
    assert len(long) <= 1024
    assert long.endswith("y" * 512)


def test_an_argument_is_described_and_has_a_default_which_makes_it_optional() -> None:
    tool = edited({"arguments": {"owner": {"description": "Whose.", "default": "me"}, "limit": {"default": 5}}})
    schema = shown(tool)["inputSchema"]
    assert schema["properties"]["owner"]["description"].startswith("Whose.")
    assert schema["properties"]["limit"]["default"] == 5
    assert "required" not in schema
    assert tool.supplied is not None
    assert tool.supplied.defaults == {"owner": "me", "limit": 5}


def test_a_fixed_value_hides_its_argument() -> None:
    tool = edited({"arguments": {"owner": {"value": "us"}}})
    schema = shown(tool)["inputSchema"]
    assert "owner" not in schema["properties"]
    assert "required" not in schema
    assert [one.name for one in tool.arguments] == ["kind", "limit"]
    assert tool.supplied is not None
    assert (tool.supplied.fixed, tool.supplied.hidden) == ({"owner": "us"}, frozenset())


def test_an_optional_argument_can_be_hidden_with_or_without_a_default() -> None:
    tool = edited({"arguments": {"kind": {"hide": True}, "limit": {"hide": True, "default": 5}}})
    assert set(shown(tool)["inputSchema"]["properties"]) == {"owner"}
    assert tool.supplied is not None
    assert (tool.supplied.fixed, tool.supplied.hidden) == ({"limit": 5}, frozenset({"kind"}))


def test_a_hidden_tool_is_gone_and_a_renamed_one_is_found_by_its_new_name() -> None:
    tools = apply_overlays(CATALOG.tools, [{"tools": {"delete_pet": {"hide": True}, "get_pet": {"rename": "a_pet"}}}])
    assert list(tools) == ["a_pet", "list_pets"]
    assert tools["a_pet"].name == "a_pet"
    assert tools["a_pet"].operation == "GET /pets/{id}"
    assert ("get_pet" in tools, "delete_pet" in tools, tools.renamed("get_pet")) == (False, False, "a_pet")
    with pytest.raises(KeyError):
        tools["get_pet"]


def test_a_class_that_is_set_moves_the_tool_between_filters_and_tells_clients() -> None:
    reader = edited({"class": "read"}, "delete_pet")
    assert (reader.kind, reader.hints.read_only, reader.hints.destructive) == ("read", True, False)
    writer = edited({"class": "write"})
    assert (writer.kind, writer.hints.read_only, writer.hints.destructive) == ("write", False, True)
    tools = apply_overlays(CATALOG.tools, [{"tools": {"list_pets": {"class": "write"}}}])
    assert select(tools, Selection()) == ("get_pet",)


def test_a_schema_is_patched() -> None:
    tool = edited({"schema": {"properties": {"limit": {"maximum": 10, "description": "Few."}}, "required": ["limit"]}})
    schema = shown(tool)["inputSchema"]
    assert schema["properties"]["limit"]["maximum"] == 10
    assert schema["required"] == ["limit"]


def test_untouched_tools_are_the_same_objects_and_nothing_is_read_before_it_is_asked_for() -> None:
    read: list[str] = []

    class Watched(dict[str, Tool]):
        def __getitem__(self, name: str) -> Tool:
            read.append(name)
            return super().__getitem__(name)

    tools = Watched(CATALOG.tools)
    over = apply_overlays(tools, [{"tools": {"get_pet": {"rename": "a_pet", "hide": False}, "gone": {"hide": True}}}])
    traits = over.traits(traits_of(CATALOG.tools))
    assert read == ["get_pet"]
    assert over["list_pets"] is CATALOG.tools["list_pets"]
    assert traits["a_pet"].names == ("get_pet",)
    assert over["a_pet"] is over["a_pet"]


@pytest.mark.parametrize(
    ("patch", "code", "pointer", "near"),
    [
        ([], "overlay.form", "/patch", ""),
        ({"tool": {}}, "overlay.unknown", "/patch/tool", "tools"),
        ({"tools": {"list_pet": {}}}, "overlay.unknown", "/patch/tools/list_pet", "list_pets"),
        ({"tools": {"list_pets": {"titel": "x"}}}, "overlay.unknown", "/patch/tools/list_pets/titel", "title"),
        ({"tools": {"list_pets": {"title": " "}}}, "overlay.form", "/patch/tools/list_pets/title", ""),
        ({"tools": {"list_pets": {"title": "a\u202eb"}}}, "overlay.form", "/patch/tools/list_pets/title", ""),
        ({"tools": {"list_pets": {"title": "a\nb"}}}, "overlay.form", "/patch/tools/list_pets/title", ""),
        (
            {"tools": {"list_pets": {"description": "x" * 1025}}},
            "overlay.form",
            "/patch/tools/list_pets/description",
            "",
        ),
        ({"tools": {"list_pets": {"hide": 1}}}, "overlay.form", "/patch/tools/list_pets/hide", ""),
        ({"tools": {"list_pets": {"class": "safe"}}}, "overlay.form", "/patch/tools/list_pets/class", ""),
        ({"tools": {"list_pets": {"rename": "List"}}}, "overlay.name", "/patch/tools/list_pets/rename", ""),
        ({"tools": {"list_pets": {"rename": "x" * 41}}}, "overlay.name", "/patch/tools/list_pets/rename", ""),
        ({"tools": {"list_pets": {"rename": "get_pet"}}}, "overlay.taken", "/patch/tools/list_pets/rename", ""),
        ({"tools": {"list_pets": {"rename": "show_pet"}}}, "overlay.taken", "/patch/tools/list_pets/rename", ""),
        (
            {"tools": {"list_pets": {"rename": "x"}, "get_pet": {"rename": "x"}}},
            "overlay.taken",
            "/patch/tools/get_pet/rename",
            "",
        ),
        (
            {"tools": {"list_pets": {"arguments": {"kin": {}}}}},
            "overlay.unknown",
            "/patch/tools/list_pets/arguments/kin",
            "kind",
        ),
        (
            {"tools": {"list_pets": {"arguments": {"kind": {"value": "cat", "default": "dog"}}}}},
            "overlay.form",
            "/patch/tools/list_pets/arguments/kind",
            "",
        ),
        (
            {"tools": {"list_pets": {"arguments": {"kind": {"value": "cow"}}}}},
            "overlay.value",
            "/patch/tools/list_pets/arguments/kind/value",
            "",
        ),
        (
            {"tools": {"list_pets": {"arguments": {"owner": {"default": "x"}}}}},
            "overlay.value",
            "/patch/tools/list_pets/arguments/owner/default",
            "",
        ),
        (
            {"tools": {"list_pets": {"arguments": {"owner": {"hide": True}}}}},
            "overlay.argument",
            "/patch/tools/list_pets/arguments/owner/hide",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"properties": {"more": {}}}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"properties": {"kind": None}}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"additionalProperties": True}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        (
            {"tools": {"get_pet": {"schema": {"required": []}}}},
            "overlay.schema",
            "/patch/tools/get_pet/schema",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"properties": {"kind": {"type": "word"}}}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"properties": {"kind": {"pattern": "(?<=a)b"}}}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        (
            {"tools": {"list_pets": {"schema": {"properties": {"kind": {"$ref": "https://example.com/s"}}}}}},
            "overlay.schema",
            "/patch/tools/list_pets/schema",
            "",
        ),
        ({"instructions": "x" * 2001}, "overlay.form", "/patch/instructions", ""),
    ],
)
def test_what_cannot_be_applied_is_refused_with_its_place(patch: Any, code: str, pointer: str, near: str) -> None:
    with pytest.raises(CallerError) as caught:
        check_patch(patch, GROUND)
    assert (caught.value.code, caught.value.facts["pointer"]) == (code, pointer)
    assert near in caught.value.hint


def test_a_patch_is_bounded_in_depth_and_size() -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"properties": deep}
    for patch in (
        {"tools": {"list_pets": {"schema": deep}}},
        {"tools": {"list_pets": {"instructions": "x" * 1_000_001}}},
    ):
        with pytest.raises(CallerError) as caught:
            check_patch(patch, GROUND)
        assert caught.value.code == "overlay.form"


def test_a_tool_may_be_named_as_an_earlier_version_did() -> None:
    patch = {"tools": {"show_pet": {"title": "A pet"}}}
    check_patch(patch, GROUND)
    assert apply_overlays(CATALOG.tools, [patch], GROUND.aliases)["get_pet"].title == "A pet"


# -- layers ------------------------------------------------------------------------------------------------------------


def test_a_later_layer_wins_but_for_what_an_earlier_one_took_away() -> None:
    house = {
        "tools": {
            "list_pets": {"title": "House", "arguments": {"owner": {"value": "house"}, "limit": {"default": 1}}},
            "delete_pet": {"hide": True},
        },
        "instructions": "Be kind.",
    }
    server = {
        "tools": {
            "list_pets": {"title": "Server", "arguments": {"owner": {"value": "mine"}, "limit": {"default": 9}}},
            "delete_pet": {"hide": False, "title": "Back"},
        },
        "instructions": "Be quick.",
    }
    tools = apply_overlays(CATALOG.tools, [house, server])
    supplied = tools["list_pets"].supplied
    assert supplied is not None
    assert (tools["list_pets"].title, supplied.fixed, supplied.defaults) == ("Server", {"owner": "house"}, {"limit": 9})
    assert "delete_pet" not in tools
    assert tools.instructions == "Be kind.\nBe quick."


def test_no_later_layer_sends_something_for_an_argument_that_an_earlier_one_hid() -> None:
    def layers(*edits: dict[str, Any]) -> Any:
        patches = [{"tools": {"list_pets": {"arguments": {"kind": edit}}}} for edit in edits]
        return apply_overlays(CATALOG.tools, patches)["list_pets"].supplied

    for later in ({"value": "cat"}, {"default": "cat"}, {"hide": False}, {"hide": False, "default": "cat"}):
        supplied = layers({"hide": True}, later)
        assert (supplied.fixed, supplied.defaults, supplied.hidden) == ({}, {}, frozenset({"kind"}))
    assert layers({"hide": True, "default": "dog"}, {"default": "cat"}).fixed == {"kind": "dog"}
    assert layers({"value": "dog"}, {"default": "cat", "hide": False}).fixed == {"kind": "dog"}
    assert layers({"default": "dog"}, {"value": "cat"}).fixed == {"kind": "cat"}


def test_of_two_layers_that_want_one_name_the_first_tool_gets_it_and_the_other_keeps_its_own() -> None:
    patches = [{"tools": {"list_pets": {"rename": "pets"}}}, {"tools": {"get_pet": {"rename": "pets"}}}]
    tools = apply_overlays(CATALOG.tools, patches)
    assert tools["pets"].operation == "GET /pets/{id}"
    assert tools["list_pets"].operation == "GET /pets"


WORD = st.sampled_from(["one", "two", "three"])
EDIT = st.fixed_dictionaries(
    {},
    optional={
        "title": WORD,
        "description": WORD,
        "rename": WORD,
        "hide": st.booleans(),
        "class": st.sampled_from(["read", "write", "custom"]),
        "instructions": WORD,
        "arguments": st.fixed_dictionaries(
            {},
            optional={
                "kind": st.fixed_dictionaries(
                    {}, optional={"value": st.sampled_from(["cat", "dog"]), "description": WORD}
                ),
                "limit": st.fixed_dictionaries({}, optional={"default": st.integers(1, 9), "hide": st.booleans()}),
                "gone": st.just({"value": 1}),
            },
        ),
        "schema": st.sampled_from(
            [{"properties": {"limit": {"minimum": 1}}}, {"properties": {"gone": {"minimum": 1}}}]
        ),
    },
)
PATCH = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.dictionaries(st.sampled_from(["list_pets", "get_pet", "delete_pet", "gone"]), EDIT, max_size=3),
        "instructions": WORD,
    },
)


def seen(tools: Overlaid) -> dict[str, Any]:
    return {"said": tools.instructions, **{name: (tool, shown(tool)) for name, tool in tools.items()}}


@settings(max_examples=200)
@given(st.lists(PATCH, max_size=4))
def test_layers_are_applied_in_order_once_and_leave_all_else_alone(patches: list[dict[str, Any]]) -> None:
    tools = apply_overlays(CATALOG.tools, patches)
    assert seen(apply_overlays(CATALOG.tools, [patch for patch in patches for _ in range(2)])) == seen(tools)
    assert seen(apply_overlays(CATALOG.tools, [{}, *patches, {"tools": {}}])) == seen(tools)
    named = {name for patch in patches for name in patch.get("tools", {})}
    for name, tool in CATALOG.tools.items():
        if name not in named:
            assert tools[name] is tool
    for key in ("title", "class"):
        said = [
            edit[key]
            for patch in patches
            for at, edit in patch.get("tools", {}).items()
            if at == "list_pets" and key in edit
        ]
        new = tools.renamed("list_pets")
        if said and new:
            assert getattr(tools[new], "kind" if key == "class" else key) == said[-1]
    assert list(tools) == sorted(tools)
    assert len(tools) == len(list(tools))
    for tool in tools.values():
        properties = tool.input_schema["properties"]  # type: ignore[index]
        assert properties.keys() == {argument.name for argument in tool.arguments}


# -- new versions ------------------------------------------------------------------------------------------------------


def later(change: Any) -> dict[str, Tool]:
    paths = json.loads(json.dumps(PATHS))
    change(paths)
    return dict(catalog_of(paths, SCHEMAS).tools)


EDITS = {
    "tools": {
        "list_pets": {
            "title": "Pets",
            "description": "Mine.",
            "rename": "pets",
            "arguments": {"limit": {"default": 5}, "kind": {"hide": True}, "owner": {"description": "Whose."}},
            "schema": {"properties": {"limit": {"maximum": 10}}},
        }
    }
}
BASE = json.loads(json.dumps(base_of(EDITS, CATALOG.tools)))


def conflicts(change: Any) -> list[tuple[str, str]]:
    patch, findings = rebase(EDITS, BASE, later(change))
    assert patch == EDITS
    return [(one.code, one.pointer.removeprefix("/tools/list_pets")) for one in findings]


def test_an_edit_over_an_unchanged_tool_is_no_news() -> None:
    assert conflicts(lambda paths: None) == []
    assert conflicts(lambda paths: paths["/pets"]["get"].update(tags=["other"])) == []


def test_what_changed_under_an_edit_is_a_conflict_and_the_edit_stays() -> None:
    def text(paths: Any) -> None:
        paths["/pets"]["get"]["summary"] = "List pets, all."

    assert conflicts(text) == [("overlay.conflict", "/description"), ("overlay.conflict", "/title")]
    tools = apply_overlays(later(text), [EDITS])
    assert (tools["pets"].title, tools["pets"].description) == ("Pets", "Mine.")


def test_what_the_connector_has_taken_up_is_no_conflict() -> None:
    assert ("overlay.conflict", "/title") not in conflicts(lambda paths: paths["/pets"]["get"].update(summary="Pets"))


def test_an_argument_that_takes_another_kind_of_value_is_a_conflict() -> None:
    def kind(paths: Any) -> None:
        paths["/pets"]["get"]["parameters"][1]["schema"] = {"type": "string"}

    assert conflicts(kind) == [("overlay.conflict", "/arguments/limit/default"), ("overlay.conflict", "/schema")]


def test_a_hidden_argument_that_is_needed_now_is_shown_again_and_told() -> None:
    def needed(paths: Any) -> None:
        paths["/pets"]["get"]["parameters"][0]["required"] = True

    assert conflicts(needed) == [("overlay.conflict", "/arguments/kind/hide")]
    assert "kind" in shown(apply_overlays(later(needed), [EDITS])["pets"])["inputSchema"]["properties"]


def test_what_is_gone_keeps_its_edit_asleep() -> None:
    assert conflicts(lambda paths: paths.pop("/pets")) == [("overlay.gone", "")]

    def without(paths: Any) -> None:
        paths["/pets"]["get"]["parameters"].pop(1)

    assert ("overlay.gone", "/arguments/limit") in conflicts(without)
    tool = apply_overlays(later(without), [EDITS])["pets"]
    assert "limit" not in tool.input_schema["properties"]  # type: ignore[index]
    assert shown(tool)["inputSchema"]["properties"].keys() == {"owner"}


def test_a_new_tool_keeps_its_name_and_the_edit_gives_way() -> None:
    def added(paths: Any) -> None:
        paths["/all"] = {"get": {"operationId": "pets", "summary": "x", "responses": OK}}

    assert conflicts(added) == [("overlay.taken", "/rename")]
    tools = apply_overlays(later(added), [EDITS])
    assert (tools["pets"].operation, tools["list_pets"].title) == ("GET /all", "Pets")
