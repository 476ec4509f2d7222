"""How values of a schema stand in an XML document: OpenAPI's XML objects as one table of nodes.

Names, node types and namespaces follow OpenAPI 3.2's "XML Object" and the older ``attribute`` and ``wrapped``. Elements
come in the order in which the document lists the members: the standard leaves the order open, and many services demand
the one they describe. Knows nothing of values; ``xml_text`` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from apiloom.base.errors import DesignError
from apiloom.base.values import replace
from apiloom.catalog.shapes import Pool, flat, is_read_only, target, types, unions
from apiloom.catalog.tool import XmlNode, XmlNodeType
from apiloom.model.api import Schema

MOST_NODES = 5_000
"""Nodes of one body; a document that describes more is a generator's accident."""

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"

_START = (
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_TYPES = frozenset({"element", "attribute", "text", "cdata", "none"})
_NAMED = frozenset({"element", "attribute"})
_MADE_UP = re.compile(r".+_[0-9a-f]{8}").fullmatch
"""What a definition is called that is no component: its name says nothing about its element."""


@lru_cache(maxsize=1)
def _name() -> re.Pattern[str]:
    """Made when first asked for: half of the alphabets of the world take ten milliseconds."""
    return re.compile(f"[{_START}][{_START}\\-.0-9\xb7\u0300-\u036f\u203f\u2040]*")


def is_name(text: str) -> bool:
    """Whether a text is a name without prefix (Namespaces in XML 1.0, NCName)."""
    return _name().fullmatch(text) is not None


def xml_nodes(schema: Schema, pool: Pool, name: str = "") -> tuple[XmlNode, ...]:
    """The nodes of a body, the root element first. ``name`` is what the root is called unless the schema says.

    Raises:
        DesignError: ``catalog.body_unwritable`` when no well-formed document can come of it.
    """
    table = _Table(pool)
    try:
        table.node(schema, name or _component(schema, pool))
    except RecursionError:
        raise _unwritable("its schema contains itself without end") from None
    nodes = _bound(table.nodes)
    if nodes[0].type != "element" or not nodes[0].name:
        raise _unwritable("it has no root element: the schema needs an xml object with a name")
    return nodes


def _component(schema: Schema, pool: Pool) -> str:
    """The name of the component that a schema refers to, through any number of references."""
    for _ in range(16):
        found = target(schema, pool)
        if found is None:
            return ""
        name, schema = found
        if not _MADE_UP(name):
            return name
    return ""


def _unwritable(why: str) -> DesignError:
    return DesignError(f"its XML body cannot be written: {why}", code="catalog.body_unwritable")


class _Table:
    """Nodes in the order they are met; a definition met again under the same name is the same node."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[str | int, str], tuple[int, Schema]] = {}
        self.nodes: list[XmlNode] = []

    def node(self, schema: Schema, name: str) -> int:
        """The place of a schema's node. ``name`` is what it is called unless it says otherwise."""
        found = target(schema, self._pool)
        bare = found is not None and isinstance(schema, dict) and len(schema) == 1
        key = (found[0] if found is not None and bare else id(schema), name)
        if key in self._known:
            return self._known[key][0]
        index = len(self.nodes)
        if index >= MOST_NODES:
            raise _unwritable(f"it describes more than {MOST_NODES:,} nodes")
        self.nodes.append(XmlNode(type="element"))
        self._known[key] = index, schema
        self.nodes[index] = self._made(flat(schema, self._pool), name)
        return index

    def _made(self, shape: Mapping[str, Any], name: str) -> XmlNode:
        stated = shape.get("xml")
        says: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
        is_list = "array" in types(shape)
        kind = _type_of(says, is_list=is_list)
        own = says.get("name")
        called = own if isinstance(own, str) and own else ""
        if is_list:
            # A list that is no element of its own has no name to give away (OpenAPI 3.2, "XML Arrays").
            inner = called if called and kind == "element" else name
            parts = shape.get("prefixItems")
            first = tuple(self.node(part, inner) for part in parts) if isinstance(parts, list) else ()
            rest = shape.get("items")
            items = self.node(rest if isinstance(rest, dict | bool) else True, inner)
            made = XmlNode(type=kind, first=first, items=items)
        else:
            made = self._object(shape, kind)
        return _named(made, called or name, says)

    def _object(self, shape: Mapping[str, Any], kind: XmlNodeType) -> XmlNode:
        members = tuple(
            (name, self.node(part, name))
            for name, part in self._members(shape).items()
            if not is_read_only(part, self._pool)
        )
        further = shape.get("additionalProperties")
        described = isinstance(further, dict) and bool(further)
        return XmlNode(
            type=kind,
            members=members,
            further=self.node(cast("Schema", further), "") if described else -1,
        )

    def _members(self, shape: Mapping[str, Any]) -> dict[str, Schema]:
        """Members by name, those of a union's variants behind the object's own."""
        found: dict[str, Schema] = {}
        for part in (shape, *(flat(variant, self._pool) for variant in unions(shape))):
            named = part.get("properties")
            for name, schema in named.items() if isinstance(named, dict) else ():
                found.setdefault(name, schema)
        return found


def _type_of(says: Mapping[str, Any], *, is_list: bool) -> XmlNodeType:
    stated = says.get("nodeType")
    if stated in _TYPES:
        return cast("XmlNodeType", stated)
    if says.get("attribute") is True:
        return "attribute"
    return "none" if is_list and says.get("wrapped") is not True else "element"


def _named(node: XmlNode, name: str, says: Mapping[str, Any]) -> XmlNode:
    """The node under its name; a prefix may stand in the name itself (``xsi:type``)."""
    if node.type not in _NAMED:
        return node
    prefix, namespace = _text(says, "prefix"), _text(says, "namespace")
    before, colon, local = name.partition(":")
    if colon and not prefix:
        prefix, name = before, local
    # Under additionalProperties the value's own member gives the name.
    if (name and not is_name(name)) or (prefix and not is_name(prefix)):
        raise _unwritable(f"{name[:60]!r} cannot be the name of an element or attribute")
    if "xmlns" in (name, prefix):
        raise _unwritable("xmlns is no name of an element or attribute")
    if node.type == "attribute" and namespace and not prefix:
        raise _unwritable(f"the attribute {name[:60]!r} has a namespace but no prefix")
    return replace(node, name=name, prefix=prefix, namespace=namespace)


def _text(says: Mapping[str, Any], key: str) -> str:
    value = says.get(key)
    return value if isinstance(value, str) else ""


def _bound(nodes: list[XmlNode]) -> tuple[XmlNode, ...]:
    """Every prefix with its namespace, which may be declared at one node and used at another."""
    spaces = {"xsi": XSI, "xml": XML}
    for node in nodes:
        if node.prefix and node.namespace:
            spaces.setdefault(node.prefix, node.namespace)
    unbound = sorted({node.prefix for node in nodes if node.prefix and node.prefix not in spaces})
    if unbound:
        raise _unwritable(f"the prefix {unbound[0][:60]!r} has no namespace")
    return tuple(
        replace(node, namespace=spaces[node.prefix]) if node.prefix and not node.namespace else node for node in nodes
    )
