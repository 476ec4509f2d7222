"""What an OpenAPI or Swagger document says about requests, read from its files alone.

Written from the specifications (Swagger 2.0, OpenAPI 3.0 to 3.2) and importing nothing of the package: what the oracle
expects on the wire must not come from the reader it is to judge. It reads less than a product must: it explains
nothing and mends only what ``docs/reading-documents.md`` promises to mend. Schemas stay as they stand; ``Schemas``
answers the two questions the oracle has about them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
DEFAULT_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form", "querystring": "form"}
STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
    "querystring": ("form",),
}
COLLECTIONS = {"csv": "", "ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}
NOT_PARAMETERS = frozenset({"accept", "content-type", "authorization"})
"""Header parameters that OpenAPI says to ignore."""

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class UnreadableError(Exception):
    """The file cannot be parsed, or is no such document."""


@dataclass(frozen=True)
class Node:
    """A value of a document and the file it stands in, since references are relative to that."""

    value: Any
    file: Path


@dataclass(frozen=True)
class Encoding:
    """What the document says of one property of a form; ``style`` empty where it says nothing of style."""

    style: str = ""
    explode: bool = True
    content_type: str = ""


@dataclass(frozen=True)
class Media:
    """A body in one media type."""

    type: str
    schema: Node
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    sequence: bool = False


@dataclass(frozen=True)
class Parameter:
    """A parameter with its style worked out. ``media_type`` set: described by content instead.

    ``slashes``: the document wants them bare in a path, in the words of AutoRest or in ours.
    """

    name: str
    place: str
    style: str
    explode: bool
    schema: Node
    required: bool = False
    allow_empty: bool = False
    media_type: str = ""
    slashes: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``template`` is the path key without query; ``fixed`` the query that stands in it.

    ``servers`` are the URLs in force with their variables at default, the first to be preferred; ``own`` says that
    they belong to the path or the operation.
    """

    method: str
    key: str
    template: str
    fixed: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    media: tuple[Media, ...]
    body_required: bool
    servers: tuple[str, ...]
    own: bool


class Document:
    """A document by its entry file. ``operations`` are by ``METHOD path``; what cannot be read is in ``unread``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        root = load(path)
        if not isinstance(root, dict):
            raise UnreadableError("it is no object")
        self.root: dict[str, Any] = root
        self.swagger = "swagger" in root or ("openapi" not in root and "definitions" in root)
        self.version = str(root.get("swagger") or root.get("openapi") or "")
        self.schemas = Schemas()
        self.keys = frozenset(self._keys())
        self.operations: dict[str, Operation] = {}
        self.unread: dict[str, str] = {}
        for key, item in self._paths():
            self._read_path(key, item)

    def _keys(self) -> Iterator[tuple[str, str]]:
        """Place and name of every key that a security scheme sends."""
        around = self.root.get("components")
        found = self.root.get("securityDefinitions") or (
            around.get("securitySchemes") if isinstance(around, dict) else {}
        )
        for each in found.values() if isinstance(found, dict) else ():
            scheme = self.schemas.follow(Node(each, self.path)).value
            if isinstance(scheme, dict) and str(scheme.get("type")).lower() == "apikey":
                yield str(scheme.get("in")).lower(), str(scheme.get("name")).lower()

    def _paths(self) -> Iterator[tuple[str, Node]]:
        paths = self.schemas.follow(Node(self.root.get("paths") or {}, self.path))
        for key, item in paths.value.items() if isinstance(paths.value, dict) else ():
            if not key.startswith("x-"):
                yield key, Node(item, paths.file)

    def _read_path(self, key: str, item: Node) -> None:
        own = item.value if isinstance(item.value, dict) else {}
        found = self.schemas.follow(item)
        if not isinstance(found.value, dict):
            found = Node({}, item.file)
        members: dict[str, Node] = {name: Node(value, found.file) for name, value in found.value.items()}
        members.update({name: Node(value, item.file) for name, value in own.items() if name != "$ref"})
        methods = {name.upper(): node for name, node in members.items() if name.lower() in METHODS}
        more = members.get("additionalOperations")
        if more is not None and isinstance(more.value, dict):
            methods.update({name: Node(value, more.file) for name, value in more.value.items()})
        for method, node in methods.items():
            try:
                self.operations[f"{method} {key}"] = self._operation(method, key, node, members)
            except (UnreadableError, AttributeError, TypeError, ValueError, KeyError) as error:
                self.unread[f"{method} {key}"] = f"{type(error).__name__}: {error}"

    def _operation(self, method: str, key: str, node: Node, members: dict[str, Node]) -> Operation:
        found = self.schemas.follow(node)
        raw, file = found.value or {}, found.file
        listed = [*self._listed(members.get("parameters")), *self._listed(Node(raw.get("parameters"), file))]
        chosen = {(str(each.value["in"]).lower(), str(each.value.get("name"))): each for each in listed}
        plain = [each for (place, _), each in chosen.items() if place not in ("body", "formdata")]
        parameters = [self._parameter(each) for each in plain]
        template, fixed, extra = _template(key, parameters)
        media, required = self._body(raw, file, chosen)
        servers = raw.get("servers") or (members["servers"].value if "servers" in members else None)
        return Operation(
            method=method,
            key=key,
            template=template,
            fixed=fixed,
            parameters=tuple(extra),
            media=tuple(media),
            body_required=required,
            servers=tuple(self._server_urls(servers)) if servers else tuple(self._root_servers()),
            own=bool(servers),
        )

    def _listed(self, node: Node | None) -> list[Node]:
        """The parameters of a list, references followed; of two with one name and place, the first counts."""
        found = self.schemas.follow(node) if node is not None else None
        if found is None or found.value is None:
            return []
        values = found.value if isinstance(found.value, list) else list(found.value.values())
        if isinstance(found.value, dict) and "in" in found.value:
            values = [found.value]
        chosen: dict[tuple[Any, Any], Node] = {}
        for value in values:
            each = self.schemas.follow(Node(value, found.file))
            if isinstance(each.value, dict) and "in" in each.value:
                chosen.setdefault((each.value["in"], each.value.get("name")), each)
        return list(chosen.values())

    def _parameter(self, node: Node) -> Parameter:
        raw, place = node.value, str(node.value["in"]).lower()
        schema, media_type = Node(raw.get("schema", {}), node.file), ""
        content = raw.get("content")
        if isinstance(content, dict) and content and (raw.get("schema") is None or place == "querystring"):
            media_type = next((name for name in content if "json" in name), next(iter(content)))
            described = self.schemas.follow(Node(content[media_type] or {}, node.file))
            schema = Node(described.value.get("schema", {}), described.file)
        elif raw.get("schema") is None:
            schema = Node({name: raw[name] for name in ("type", "items", "format", "enum") if name in raw}, node.file)
        style, explode = self._style(raw, place)
        return Parameter(
            name=str(raw["name"]),
            place=place,
            style=style,
            explode=explode,
            schema=schema,
            required=raw.get("required") is True or place == "path",
            allow_empty=raw.get("allowEmptyValue") is True,
            media_type=media_type,
            slashes=place == "path" and True in (raw.get("x-ms-skip-url-encoding"), raw.get("x-apiloom-slashes")),
        )

    def _style(self, raw: dict[str, Any], place: str) -> tuple[str, bool]:
        if self.swagger or ("collectionFormat" in raw and "style" not in raw):
            said = raw.get("collectionFormat", "csv")
            if said == "multi" and place == "query":
                return "form", True
            return COLLECTIONS.get(said, "") or DEFAULT_STYLES[place], False
        style = raw.get("style")
        if style not in STYLES[place]:
            style = DEFAULT_STYLES[place]
        explode = raw.get("explode")
        return style, explode if isinstance(explode, bool) else style in ("form", "cookie")

    def _body(self, raw: dict[str, Any], file: Path, chosen: dict[tuple[str, str], Node]) -> tuple[list[Media], bool]:
        whole = [each for (place, _), each in chosen.items() if place == "body"]
        fields = [each for (place, _), each in chosen.items() if place == "formdata"]
        consumes = raw.get("consumes", self.root.get("consumes")) or []
        if isinstance(consumes, str):
            consumes = [consumes]
        if whole:
            types = [each for each in consumes if "/" in each] or ["application/json"]
            schema = Node(whole[0].value.get("schema", {}), whole[0].file)
            return [Media(each, schema) for each in types], whole[0].value.get("required") is True
        if fields:
            return self._form(fields, consumes)
        found = self.schemas.follow(Node(raw.get("requestBody"), file))
        if not isinstance(found.value, dict):
            return [], False
        content = found.value.get("content")
        if not isinstance(content, dict) and "schema" in found.value:
            content = {"application/json": {"schema": found.value["schema"]}}
        content = content if isinstance(content, dict) else {}
        return [self._media(name, Node(each, found.file)) for name, each in content.items() if name[:2] != "x-"], (
            found.value.get("required") is True
        )

    def _form(self, fields: list[Node], consumes: list[str]) -> tuple[list[Media], bool]:
        """Form parameters of Swagger 2.0 as the properties of an object."""
        properties = {
            str(each.value["name"]): {k: v for k, v in each.value.items() if k != "required"} for each in fields
        }
        required = [str(each.value["name"]) for each in fields if each.value.get("required") is True]
        has_file = any(each.value.get("type") == "file" for each in fields)
        encodings = {}
        for each in fields:
            if each.value.get("type") == "array":
                style, explode = self._style(each.value, "query")
                encodings[str(each.value["name"])] = Encoding(style, explode)
        schema = Node({"type": "object", "properties": properties, "required": required}, fields[0].file)
        types = [each for each in consumes if essence(each) in (FORM, MULTIPART)]
        types = [each for each in types if not has_file or essence(each) == MULTIPART]
        return [Media(each, schema, encodings) for each in types or [MULTIPART if has_file else FORM]], bool(required)

    def _media(self, name: str, node: Node) -> Media:
        found = self.schemas.follow(node)
        raw = found.value if isinstance(found.value, dict) else {}
        stated = raw.get("encoding") if isinstance(raw.get("encoding"), dict) else {}
        encodings = {key: _encoding(each) for key, each in stated.items() if isinstance(each, dict)}
        items = raw.get("itemSchema")
        schema = {"type": "array", "items": items} if items is not None and "schema" not in raw else raw.get("schema")
        names = {"json": "application/json", "xml": "application/xml", "text": "text/plain"}
        return Media(
            names.get(name.lower(), name.strip()), Node(schema or {}, found.file), encodings, items is not None
        )

    def _root_servers(self) -> Iterator[str]:
        if not self.swagger:
            yield from self._server_urls(self.root.get("servers") or [])
            return
        base = str(self.root.get("basePath") or "").strip()
        base = (base if base.startswith("/") or not base else f"/{base}").rstrip("/")
        host = str(self.root.get("host") or "").strip().strip("/")
        if not host or "x-ms-parameterized-host" in self.root:
            return
        schemes = self.root.get("schemes") or ["https"]
        for scheme in sorted((each for each in schemes if each in ("http", "https")), reverse=True) or ["https"]:
            yield f"{host}{base}" if "://" in host else f"{scheme}://{host}{base}"

    def _server_urls(self, servers: Any) -> Iterator[str]:
        for server in servers if isinstance(servers, list) else ():
            if isinstance(server, str):
                yield server.strip()
            elif isinstance(server, dict) and isinstance(server.get("url"), str):
                stated = server.get("variables")
                variables = stated if isinstance(stated, dict) else {}

                def default(match: re.Match[str], variables: Mapping[str, Any] = variables) -> str:
                    said = variables.get(match[1])
                    value = said.get("default") if isinstance(said, dict) else None
                    return match[0] if value is None else str(value)

                yield re.sub(r"\{([^{}]+)\}", default, server["url"].strip())


def bases(operation: Operation, base: str) -> list[str]:
    """Where an operation may be asked, the best first: its servers made absolute against ``base``."""
    urls = [urljoin(base, each) if base else each for each in operation.servers]
    usable = [each.rstrip("/") for each in urls if re.match(r"https?://[^{}<>/]+(/[^{}]*)?$", each, re.IGNORECASE)]
    twin = [each for each in usable[:1] if each.startswith("http://")]
    return [each for each in usable if twin and each == twin[0].replace("http://", "https://", 1)] or usable[:1]


def _encoding(raw: dict[str, Any]) -> Encoding:
    """OpenAPI 3.0 gave style and explode a meaning in urlencoded forms only, 3.1 also in multipart/form-data.

    Documents of 3.0 that state them there mean what 3.1 made of it, and so they are read.
    """
    said = raw.get("contentType")
    content_type = said.strip() if isinstance(said, str) else ""
    if not ({"style", "explode", "allowReserved"} & raw.keys()):
        return Encoding(content_type=content_type)
    style = raw.get("style") or "form"
    explode = raw.get("explode")
    return Encoding(style, explode if isinstance(explode, bool) else style == "form", content_type)


def _template(key: str, parameters: list[Parameter]) -> tuple[str, tuple[str, ...], list[Parameter]]:
    """The path of a key, the query that stands in it, and the parameters in force beside both.

    Placeholders without a parameter are text (as ``docs/reading-documents.md`` says), and those inside the query of a
    path key are query parameters. The fragment is never sent.
    """
    optional = [name.strip("*+ ") for found in re.findall(r"\{[?&]([^{}]*)\}", key) for name in found.split(",")]
    path, _, query = re.sub(r"\{[?&#][^{}]*\}", "", key).partition("#")[0].partition("?")
    path = path if path.startswith("/") else f"/{path}"
    declared = {each.name: each for each in parameters if each.place == "path"}

    def plain(match: re.Match[str]) -> str:
        name = match[1]
        if name not in declared:
            bare = name.partition(":")[0].strip()
            name = ("+" if bare.startswith("+") else "") + bare.strip("+*")
        return f"{{{name}}}"

    path = re.sub(r"\{([^{}]*)\}", plain, path)
    for name in declared:
        if f"{{{name}}}" not in path and f"{{+{name}}}" not in path:
            path = re.sub(rf":{re.escape(name)}(?![A-Za-z0-9_])", f"{{{name}}}", path)
    named = [name.removeprefix("+") for name in re.findall(r"\{([^{}]*)\}", path)]
    for each in parameters:
        if each.slashes:
            path = path.replace(f"{{{each.name}}}", f"{{+{each.name}}}")
    text = Node({"type": "string"}, Path())
    kept = [each for each in parameters if each.place != "path" or each.name in named]
    kept += [Parameter(n, "path", "simple", False, text, True) for n in dict.fromkeys(named) if n not in declared]
    fixed = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        moved = re.fullmatch(r"\{([^{}]*)\}", value)
        if moved is None:
            fixed.append(pair)
            kept = [each for each in kept if (each.place, each.name) != ("query", name)]
            continue
        source = next((p for p in parameters if p.name == moved[1] and p.place in ("path", "query")), None)
        if source is not None:
            kept = [each for each in kept if each is not source]
        if not any((each.place, each.name) == ("query", name) for each in kept):
            kept.append(Parameter(name, "query", "form", True, source.schema if source else text, True))
    known = {each.name for each in kept if each.place == "query"}
    kept += [Parameter(name, "query", "form", True, text) for name in optional if name and name not in known]
    return path, tuple(fixed), kept


def essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


class Schemas:
    """Follows references, and says what a schema admits as far as its types go."""

    def follow(self, node: Node) -> Node:
        """What a chain of references leads to; a value of None where it leads nowhere."""
        for _ in range(40):
            if not (isinstance(node.value, dict) and isinstance(node.value.get("$ref"), str)):
                return node
            node = self._target(node.value["$ref"], node.file)
        return Node(None, node.file)

    def _target(self, reference: str, file: Path) -> Node:
        place, _, pointer = reference.partition("#")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", place) or pointer[:1] not in ("", "/"):
            return Node(None, file)
        try:
            target = (file.parent / unquote(place)).resolve() if place else file
            value = load(target)
        except (OSError, UnreadableError):
            return Node(None, file)
        here = Node(value, target)
        for part in unquote(pointer).split("/")[1:] if pointer else ():
            found = self.follow(here)
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found.value, dict) and key in found.value:
                here = Node(found.value[key], found.file)
            elif isinstance(found.value, list) and key.isdigit() and int(key) < len(found.value):
                here = Node(found.value[int(key)], found.file)
            else:
                return Node(None, target)
        return here

    def properties(self, node: Node, depth: int = 0) -> dict[str, Node]:
        """The named members of an object schema, through references and ``allOf``; one only required has no schema."""
        found = self.follow(node)
        if not isinstance(found.value, dict) or depth > 8:
            return {}
        named: dict[str, Node] = {}
        for word in ("allOf", "oneOf", "anyOf"):
            for part in found.value.get(word) or ():
                named.update(self.properties(Node(part, found.file), depth + 1))
        own = found.value.get("properties")
        if isinstance(own, dict):
            named.update({name: Node(each, found.file) for name, each in own.items()})
        required = found.value.get("required")
        for name in required if isinstance(required, list) and not depth else ():
            named.setdefault(name, Node({}, found.file))
        return named

    def misfit(self, node: Node, value: Any, depth: int = 0) -> str:
        """Where a value is of a type that the schema does not admit, or nothing.

        ``nullable`` admits null wherever it stands: beside references and unions too, where many documents have it.
        """
        found = self.follow(node)
        raw = found.value
        if not isinstance(raw, dict) or depth > 12:
            return ""
        if value is None and (self._nullable(raw) or (isinstance(node.value, dict) and self._nullable(node.value))):
            return ""
        for part in raw.get("allOf") or ():
            if told := self.misfit(Node(part, found.file), value, depth + 1):
                return told
        for word in ("oneOf", "anyOf"):
            parts = raw.get(word) or ()
            told = [self.misfit(Node(part, found.file), value, depth + 1) for part in parts]
            if told and all(told):
                return min(told, key=len)
        own = raw.get("type") if not (raw.get("oneOf") or raw.get("anyOf") or raw.get("enum")) else None
        if own is not None and not self._of_type(value, own):
            return f"is {json.dumps(value)[:60]} where the document has {own}"
        return self._inside(found, value, depth)

    def _inside(self, found: Node, value: Any, depth: int) -> str:
        raw = found.value
        if isinstance(value, dict):
            named = raw.get("properties") if isinstance(raw.get("properties"), dict) else {}
            other = raw.get("additionalProperties")
            for key, each in value.items():
                part = named.get(key, other if isinstance(other, dict) else {})
                if told := self.misfit(Node(part, found.file), each, depth + 1):
                    return f"/{key} {told}"
        if isinstance(value, list) and isinstance(raw.get("items"), dict) and "prefixItems" not in raw:
            for index, each in enumerate(value):
                if told := self.misfit(Node(raw["items"], found.file), each, depth + 1):
                    return f"/{index} {told}"
        return ""

    def _nullable(self, raw: dict[str, Any]) -> bool:
        return raw.get("nullable") is True or raw.get("x-nullable") is True or None in (raw.get("enum") or ())

    def _of_type(self, value: Any, names: Any) -> bool:
        tests = {
            "string": isinstance(value, str),
            "integer": isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1,
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "boolean": isinstance(value, bool),
            "null": value is None,
            "array": isinstance(value, list),
            "object": isinstance(value, dict),
        }
        listed = names if isinstance(names, list) else [names]
        return any(tests.get(str(name).lower(), True) for name in listed)


class _Core(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's core schema, keys as they are written."""


_Core.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


def _integer(loader: Any, node: Any) -> int:
    text = str(node.value)
    return int(text, 8) if text.startswith("0o") else int(text, 16) if text.startswith("0x") else int(text)


def _mapping(loader: Any, node: Any) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {}
    yield made
    loader.flatten_mapping(node)
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else str(loader.construct_object(key, deep=True))
        made[name] = loader.construct_object(value, deep=True)


def _foreign(loader: Any, _suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value


_Core.add_constructor("tag:yaml.org,2002:int", _integer)
_Core.add_constructor("tag:yaml.org,2002:map", _mapping)
_Core.add_multi_constructor("", _foreign)


@cache
def load(path: Path) -> Any:
    """A file as JSON or YAML. Files are kept: forget them with ``load.cache_clear()`` when done with a document."""
    content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except ValueError:
        pass
    try:
        return yaml.load(content.decode("utf-8-sig").replace("\t", "  "), Loader=_Core)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error)[:200]) from None
