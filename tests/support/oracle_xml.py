"""Reads an XML body back by the document's schema: OpenAPI's XML Object, from the specification alone.

Names, attributes, wrapped lists, namespaces; null is ``xsi:nil`` or a missing attribute (OpenAPI 3.2, "Handling null
Values"). Parsed by the standard library, so that what is no well-formed XML cannot pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree  # noqa: ICN001 - an abbreviation tells less

from support.oracle import MisreadError, said
from support.oracle_document import Node, Schemas

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def xml_mistakes(schemas: Schemas, schema: Node, value: Any, body: bytes, name: str = "") -> Iterator[str]:
    """What an XML document says that a value does not, or the reverse. ``name`` is the root's, if it has one."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - our own requests
    except ElementTree.ParseError as error:
        raise MisreadError(f"it is no XML: {error}") from None
    yield from XmlReader(schemas).element(root, schema, value, name or component(schemas, schema))


def component(schemas: Schemas, node: Node) -> str:
    """The name of the component that a schema refers to: what its root element is called (OpenAPI 3.2)."""
    found = re.fullmatch(r".*#/(?:components/schemas|definitions)/([^/]+)", str(_raw(node).get("$ref", "")))
    return found[1].replace("~1", "/").replace("~0", "~") if found else ""


def _raw(node: Node) -> dict[str, Any]:
    return node.value if isinstance(node.value, dict) else {}


class XmlReader:
    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def says(self, node: Node, depth: int = 0) -> Mapping[str, Any]:
        """The XML Object of a schema, through references and ``allOf``."""
        here, found = _raw(node), self.schemas.follow(node)
        own = here.get("xml") or _raw(found).get("xml")
        if isinstance(own, dict) and own:
            return own
        parts = [self.says(Node(part, found.file), depth + 1) for part in _raw(found).get("allOf", ()) if depth < 6]
        return next(filter(None, parts), {})

    def tag(self, node: Node, name: str) -> str:
        """The name an element or attribute has, with its namespace."""
        says = self.says(node)
        local = str(says.get("name") or name).rpartition(":")[2]
        return f"{{{says['namespace']}}}{local}" if says.get("namespace") else local

    def items(self, node: Node) -> Node:
        found = self.schemas.follow(node)
        for part in (
            _raw(found),
            *(_raw(self.schemas.follow(Node(p, found.file))) for p in _raw(found).get("allOf", ())),
        ):
            if isinstance(part.get("items"), dict):
                return Node(part["items"], found.file)
        return Node({}, node.file)

    def element(self, element: ElementTree.Element, node: Node, value: Any, name: str) -> Iterator[str]:
        tag = self.tag(node, name)
        if element.tag != tag:
            yield f"the element {element.tag!r} stands where {tag!r} should"
        if value is None:
            if element.attrib != {NIL: "true"} or len(element) or element.text:
                yield f"{tag!r} is null, and does not say so"
        elif isinstance(value, dict):
            yield from self.members(element, node, value)
        elif isinstance(value, list):
            yield from self.listed(list(element), self.items(node), value, self.says(node).get("name") or name)
        elif len(element) or element.attrib:
            yield f"{tag!r} holds more than the text it was given"
        elif (element.text or "") != said(value):
            yield f"{tag!r} is {element.text!r}, was {value!r}"[:300]

    def listed(self, elements: list[ElementTree.Element], items: Node, value: list[Any], name: str) -> Iterator[str]:
        if len(elements) != len(value):
            yield f"{len(elements)} elements {name!r} stand for {len(value)} items"
        for element, item in zip(elements, value, strict=False):
            yield from self.element(element, items, item, name)

    def members(self, element: ElementTree.Element, node: Node, value: Mapping[str, Any]) -> Iterator[str]:
        """An object: its attributes, its elements, and nothing else."""
        named, left = self.schemas.properties(node), list(element)
        attributes = dict(element.attrib)
        other = _raw(self.schemas.follow(node)).get("additionalProperties")
        for name, member in value.items():
            child = named.get(name, Node(other if isinstance(other, dict) else {}, node.file))
            says = self.says(child)
            if says.get("nodeType") in ("text", "cdata", "none"):
                raise MisreadError(f"the node type {says['nodeType']} is not read here")
            if says.get("attribute") is True or says.get("nodeType") == "attribute":
                found = attributes.pop(self.tag(child, name), None)
                if found != (None if member is None else said(member)):
                    yield f"the attribute {name!r} is {found!r}, was {member!r}"
                continue
            mine, inner = self.mine(left, child, name, member)
            left = [each for each in left if each not in mine]
            if inner is not None:
                yield from self.listed(mine, self.items(child), inner, name)
            elif len(mine) != 1:
                yield f"{len(mine)} elements stand for {name!r}"
            else:
                yield from self.element(mine[0], child, member, name)
        if left or attributes:
            yield f"nobody gave the elements {[each.tag for each in left]} and attributes {attributes}"

    def mine(
        self, left: list[ElementTree.Element], child: Node, name: str, member: Any
    ) -> tuple[list[ElementTree.Element], list[Any] | None]:
        """The elements of a member, and its items where it is a list without an element of its own."""
        says = self.says(child)
        wrapped = says.get("wrapped") is True or says.get("nodeType") == "element"
        if isinstance(member, list) and not wrapped:
            tag = self.tag(self.items(child), name)
            return [each for each in left if each.tag == tag][: len(member)], member
        tag = self.tag(child, name)
        return [each for each in left if each.tag == tag][:1], None
