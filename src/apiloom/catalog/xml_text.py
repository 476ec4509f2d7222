"""Values as XML documents, by a table of nodes.

What XML cannot carry is refused: control characters, members whose names are no XML names, lists where one value
stands. Null is an element marked ``xsi:nil``, or an attribute left out (OpenAPI 3.2, "Handling null Values"). Comes out
without declaration and without white space of its own; namespaces are declared where they are first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiloom.catalog.tool import XmlNode
from apiloom.catalog.values import plain, refuse
from apiloom.catalog.xml_nodes import XML, XSI, is_name

_forbidden = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
"""What is no character of XML 1.0 (section 2.2)."""
_in_text = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_in_attribute = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)

Spaces = Mapping[str, str]
"""The namespace of each prefix in force; the empty prefix is the default one."""


def xml_writer(nodes: tuple[XmlNode, ...], argument: str) -> Callable[[Any], str]:
    """Compile a table of nodes to a writer. Its errors name the argument."""
    writer = _Writer(nodes, argument)

    def write(value: Any) -> str:
        root = nodes[0]
        if isinstance(value, list | tuple) and not _is_list(root):
            raise refuse(argument, "holds a list, but an XML document has one root")
        out: list[str] = []
        writer.element(root, root.name, value, {"xml": XML}, out)
        return "".join(out)

    return write


def _is_list(node: XmlNode) -> bool:
    return node.items >= 0


_ANY = XmlNode(type="element")


class _Writer:
    def __init__(self, nodes: tuple[XmlNode, ...], argument: str) -> None:
        self._nodes = nodes
        self._argument = argument

    def element(self, node: XmlNode, name: str, value: Any, spaces: Spaces, out: list[str]) -> None:
        """One element with its attributes and what stands in it."""
        attributes = list(self._attributes(node, value)) if isinstance(value, dict) else []
        if value is None:
            attributes.append(("xsi", XSI, "nil", "true"))
        if len({(prefix, local) for prefix, _, local, _ in attributes}) < len(attributes):
            raise refuse(self._argument, "has two members that are one attribute in XML", "give one of them")
        inner = dict(spaces)
        declared = _declared(node.prefix, node.namespace, inner)
        for prefix, namespace, _, _ in attributes:
            declared += _declared(prefix, namespace, inner) if prefix else ""
        tag = f"{node.prefix}:{name}" if node.prefix else name
        out.append(f"<{tag}")
        for prefix, _, local, text in attributes:
            out.append(f' {prefix + ":" if prefix else ""}{local}="{text}"')
        out.append(declared + ">")
        if value is not None:
            self._content(node, name, value, inner, out)
        out.append(f"</{tag}>")

    def _attributes(self, node: XmlNode, value: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
        for member, index in node.members:
            child = self._nodes[index]
            said = value.get(member)
            if said is None:
                continue
            if child.type == "attribute":
                text = self._checked(plain(said, self._argument)).translate(_in_attribute)
                yield child.prefix, child.namespace, child.name, text
            elif child.type == "none" and isinstance(said, dict):
                yield from self._attributes(child, said)

    def _content(self, node: XmlNode, name: str, value: Any, spaces: Spaces, out: list[str]) -> None:
        if isinstance(value, dict):
            self._members(node, value, spaces, out)
        elif isinstance(value, list | tuple):
            for position, item in enumerate(value):
                if isinstance(item, list | tuple) and not self._keeps_apart(node, position):
                    raise refuse(self._argument, "holds a list inside a list, which this API's XML cannot tell apart")
                child = self._item(node, position)
                self._child(child, child.name or name, item, spaces, out)
        else:
            out.append(self._text(value))

    def _members(self, node: XmlNode, value: Mapping[str, Any], spaces: Spaces, out: list[str]) -> None:
        """Described members first, in the order of their description, then the others as they come."""
        described = dict(node.members)
        for member, index in node.members:
            if member in value:
                child = self._nodes[index]
                self._child(child, child.name or member, value[member], spaces, out)
        further = self._nodes[node.further] if node.further >= 0 else _ANY
        for member, said in value.items():
            if member not in described:
                if not is_name(member):
                    raise refuse(self._argument, f"has the member {member[:60]!r}, which is no name in XML")
                self._child(further, further.name or member, said, spaces, out)

    def _item(self, node: XmlNode, position: int) -> XmlNode:
        if position < len(node.first):
            return self._nodes[node.first[position]]
        return self._nodes[node.items] if node.items >= 0 else _ANY

    def _keeps_apart(self, node: XmlNode, position: int) -> bool:
        child = self._item(node, position)
        return child.type == "element" and _is_list(child)

    def _child(self, node: XmlNode, name: str, value: Any, spaces: Spaces, out: list[str]) -> None:
        if node.type == "attribute":
            return
        if node.type == "element":
            if isinstance(value, list | tuple) and not _is_list(node):
                for item in value:
                    if isinstance(item, list | tuple):
                        raise refuse(self._argument, "holds a list inside a list, which XML cannot tell apart")
                    self.element(node, name, item, spaces, out)
            else:
                self.element(node, name, value, spaces, out)
        elif node.type == "cdata":
            out.append(self._cdata(value))
        elif value is None:
            if node.type == "none" and _is_list(node):
                raise refuse(self._argument, "holds null for a list, which XML has no form for", "leave it out")
            raise refuse(self._argument, "holds null, which has no form in this place of XML", "leave it out")
        else:
            self._content(node, name, value, spaces, out)

    def _checked(self, text: str) -> str:
        if _forbidden(text):
            raise refuse(self._argument, "holds a control character, which XML cannot carry")
        return text

    def _text(self, value: Any) -> str:
        return self._checked(plain(value, self._argument)).translate(_in_text)

    def _cdata(self, value: Any) -> str:
        """A section ends at ``]]>`` and loses carriage returns: both go between two sections."""
        text = self._checked(plain(value, self._argument))
        apart = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
        return f"<![CDATA[{apart}]]>"


def _declared(prefix: str, namespace: str, spaces: dict[str, str]) -> str:
    """The declaration of a namespace that is not in force yet; it is from here on."""
    if not namespace or spaces.get(prefix) == namespace:
        return ""
    spaces[prefix] = namespace
    return f' xmlns{":" + prefix if prefix else ""}="{namespace.translate(_in_attribute)}"'
