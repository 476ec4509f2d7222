"""XML bodies: what comes out is well-formed and says what went in, and what XML cannot carry is refused."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.tool import BoundBody, BoundField
from apiloom.catalog.xml_nodes import MOST_NODES, xml_nodes
from apiloom.catalog.xml_text import xml_writer
from support.bindings import binding, planned

TEXT = {"type": "string"}
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def written(schema: Any, value: Any, pool: dict[str, Any] | None = None) -> str:
    return xml_writer(xml_nodes(schema, pool or {}), "body")(value)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - we wrote it


def described(**members: Any) -> dict[str, Any]:
    return {"type": "object", "xml": {"name": "doc"}, "properties": members}


def test_the_root_is_called_as_the_component_that_a_body_refers_to() -> None:
    pool: dict[str, Any] = {"Pet": {"type": "object"}, "Alias": {"$ref": "#/$defs/Pet"}}
    assert written({"$ref": "#/$defs/Pet"}, {}, pool) == "<Pet></Pet>"
    assert written({"$ref": "#/$defs/Alias"}, {}, pool) == "<Alias></Alias>"


def test_what_has_a_name_only_from_its_place_gives_no_name_to_the_root() -> None:
    pool: dict[str, Any] = {"schema_0123abcd": {"type": "object"}}
    with pytest.raises(DesignError, match="no root element"):
        xml_nodes({"$ref": "#/$defs/schema_0123abcd"}, pool)


def test_a_name_of_its_own_goes_before_that_of_the_property() -> None:
    pool: dict[str, Any] = {"Tag": {"type": "object", "xml": {"name": "tag"}, "properties": {"n": TEXT}}}
    schema = described(tags={"type": "array", "xml": {"wrapped": True}, "items": {"$ref": "#/$defs/Tag"}})
    assert written(schema, {"tags": [{"n": "a"}]}, pool) == "<doc><tags><tag><n>a</n></tag></tags></doc>"


def test_a_definition_that_contains_itself_makes_a_finite_table() -> None:
    pool: dict[str, Any] = {
        "Node": {"type": "object", "properties": {"name": TEXT, "next": {"$ref": "#/$defs/Node"}}},
        "Loop": {"type": "object", "properties": {"next": {"allOf": [{"$ref": "#/$defs/Loop"}], "description": "x"}}},
    }
    assert len(xml_nodes({"$ref": "#/$defs/Node"}, pool)) <= 4
    assert len(xml_nodes({"$ref": "#/$defs/Loop"}, pool)) <= 4
    value = {"name": "a", "next": {"name": "b"}}
    assert written({"$ref": "#/$defs/Node"}, value, pool) == ("<Node><name>a</name><next><name>b</name></next></Node>")


def test_more_nodes_than_a_real_body_has_are_gated() -> None:
    wide = {f"m{number}": dict(TEXT) for number in range(MOST_NODES + 1)}
    with pytest.raises(DesignError, match="nodes"):
        xml_nodes(described(**wide), {})


def test_a_prefix_declared_once_serves_the_whole_document() -> None:
    schema = {
        "type": "object",
        "xml": {"name": "Grant", "prefix": "x", "namespace": "urn:x"},
        "properties": {
            "kind": {**TEXT, "xml": {"name": "xsi:type", "attribute": True}},
            "id": {**TEXT, "xml": {"prefix": "x"}},
        },
    }
    text = written(schema, {"kind": "User", "id": "7"})
    root = parsed(text)
    assert root.tag == "{urn:x}Grant"
    assert root.attrib == {"{http://www.w3.org/2001/XMLSchema-instance}type": "User"}
    assert [(child.tag, child.text) for child in root] == [("{urn:x}id", "7")]
    assert text.count("xmlns:x=") == 1


def test_two_members_that_are_one_attribute_are_refused() -> None:
    schema = described(
        a={**TEXT, "xml": {"attribute": True, "name": "id"}}, b={**TEXT, "xml": {"attribute": True, "name": "id"}}
    )
    with pytest.raises(CallerError, match="one attribute"):
        written(schema, {"a": "1", "b": "2"})


@pytest.mark.parametrize("value", [{"a": {"b": 1}}, {"a": [1]}])
def test_an_attribute_holds_one_value(value: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="single value"):
        written(described(a={"xml": {"attribute": True}}), value)


def test_members_of_a_union_are_written_as_their_variant_says() -> None:
    schema = {
        "xml": {"name": "doc"},
        "type": "object",
        "oneOf": [
            {"properties": {"cat": {**TEXT, "xml": {"attribute": True}}}},
            {"properties": {"dog": {**TEXT, "xml": {"name": "hound"}}}},
        ],
    }
    assert written(schema, {"cat": "x"}) == '<doc cat="x"></doc>'
    assert written(schema, {"dog": "y"}) == "<doc><hound>y</hound></doc>"


def test_a_list_in_place_of_the_one_root_is_refused() -> None:
    with pytest.raises(CallerError, match="one root"):
        written(described(a=TEXT), [{"a": "x"}])


@pytest.mark.parametrize(
    ("arguments", "blamed"),
    [
        ({"a": "x", "b_body": "\x1b"}, "b_body"),
        ({"a": "x", "others": {"c": "\x1b"}}, "others"),
        ({"a": "\x1b"}, "a"),
        ({"a": "x", "others": {"A": "y"}}, "others"),
    ],
)
def test_the_argument_that_xml_cannot_carry_is_named(arguments: dict[str, Any], blamed: str) -> None:
    one = {**TEXT, "xml": {"attribute": True, "name": "id"}}
    nodes = xml_nodes(described(a=one, b=TEXT, A=one), {})
    members = (BoundField(argument="a", name="a"), BoundField(argument="b_body", name="b"))
    body = BoundBody(media_type="application/xml", required=True, fields=members, rest="others", xml=nodes)
    with pytest.raises(CallerError, match=f"argument '{blamed}'"):
        planned(binding("POST", "/things", body=body), arguments)


legal = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)
texts = st.one_of(legal, st.sampled_from(["]]>", "<a/>", "&amp;", '"', "'", "\r\n\t", " x ", ""]))
names = st.from_regex(re.compile(r"[A-Za-z_é][A-Za-z0-9_.é-]{0,5}"), fullmatch=True)
kinds = st.sampled_from(["element", "attribute", "cdata", "list", "wrapped", "object"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema and a value that fits it."""
    members: dict[str, Any] = {}
    value: dict[str, Any] = {}
    for name in draw(st.lists(names.filter(lambda n: n.lower() != "xmlns"), max_size=5, unique=True)):
        kind = draw(kinds)
        if kind in ("list", "wrapped"):
            members[name] = {"type": "array", "items": TEXT, "xml": {"wrapped": kind == "wrapped"}}
            value[name] = draw(st.lists(texts, min_size=1, max_size=3))
        elif kind == "object":
            members[name] = {"type": "object", "properties": {"in": {**TEXT, "xml": {"attribute": True}}}}
            value[name] = {"in": draw(texts), "out": draw(texts)}
        elif kind == "cdata":
            members[name] = {"type": "object", "properties": {"t": {**TEXT, "xml": {"nodeType": "cdata"}}}}
            value[name] = {"t": draw(texts)}
        else:
            members[name] = {**TEXT, "xml": {"nodeType": kind}}
            value[name] = draw(texts)
    return described(**members), value


@quick
@given(documents())
def test_what_went_in_comes_out_of_an_xml_parser(made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    schema, value = made
    root = parsed(written(schema, value))
    seen: set[str] = set()
    for name, said in value.items():
        stated = schema["properties"][name]
        found = root.findall(name)
        if stated["type"] == "array" and stated["xml"]["wrapped"]:
            assert [child.text or "" for child in found[0]] == said
        elif stated["type"] == "array":
            assert [child.text or "" for child in found] == said
        elif "t" in said and isinstance(said, dict):
            assert (found[0].text or "") == said["t"]
        elif isinstance(said, dict):
            assert found[0].get("in") == said["in"]
            assert (found[0].findall("out")[0].text or "") == said["out"]
        elif stated["xml"]["nodeType"] == "attribute":
            assert root.get(name) == said
            continue
        else:
            assert (found[0].text or "") == said
        seen.add(name)
    assert {child.tag for child in root} == seen


outside = st.text(alphabet=st.characters(max_codepoint=0xFF), max_size=6)
"""Names that old and new parsers judge alike; the first editions of XML knew fewer letters."""


@quick
@given(st.dictionaries(outside, st.one_of(st.text(max_size=6), st.none(), st.lists(st.text(max_size=3)))))
def test_names_and_values_from_outside_never_break_out_of_the_document(value: dict[str, Any]) -> None:
    try:
        text = written({"type": "object", "xml": {"name": "doc"}, "additionalProperties": True}, value)
    except CallerError:
        return
    root = parsed(text)
    assert root.tag == "doc"
    assert {child.tag for child in root} == {name for name, said in value.items() if said != []}
    assert all(len(child) == 0 for child in root)
