"""The values a catalog is made of. They are plain and frozen, so that a catalog can be stored and compared.

The catalog is the one value that design time and call time share: :class:`Tool` says what a model sees,
:class:`HttpBinding` is all that is needed to turn arguments into a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from apiloom.base.values import Value, field
from apiloom.model.api import Encoding, Nesting, ParameterPlace, Schema, SecurityNeed, SecurityScheme, Server
from apiloom.model.findings import Finding

ArgumentPlace = Literal["path", "query", "header", "cookie", "querystring", "body", "control"]
ToolClass = Literal["read", "write", "custom"]

MOST_WITH_OUTPUT = 40
"""Tools up to which a list says what they answer; beyond it the outlines would be most of the list."""


class Argument(Value, frozen=True, kw_only=True):
    """One flat argument of a tool and where it goes.

    ``original`` is the parameter's own name, or for ``body`` a JSON Pointer into the body (empty: the whole body).
    """

    name: str
    place: ArgumentPlace
    original: str


class BoundParameter(Value, frozen=True, kw_only=True):
    """A parameter as the planner needs it. ``argument`` is the tool's name for it; the rest as in ``Parameter``."""

    argument: str
    name: str
    place: ParameterPlace
    style: str
    explode: bool
    required: bool = False
    allow_reserved: bool = False
    allow_empty: bool = False
    slashes: bool = False
    nesting: Nesting = ""
    media_type: str | None = None
    encodings: Mapping[str, Encoding] = field(default_factory=dict)


XmlNodeType = Literal["element", "attribute", "text", "cdata", "none"]


class XmlNode(Value, frozen=True, kw_only=True):
    """How values of one schema stand in an XML document.

    Nodes lie in one table and name each other by their place in it, since schemas may contain themselves. ``members``
    are the described members of an object in the order they are written, ``further`` is how other members are
    written; ``first`` and ``items`` are the items of a list. -1 means: by what the value is, under the name at hand.
    """

    type: XmlNodeType
    name: str = ""
    prefix: str = ""
    namespace: str = ""
    members: tuple[tuple[str, int], ...] = ()
    further: int = -1
    first: tuple[int, ...] = ()
    items: int = -1


FieldKind = Literal["value", "json", "binary", "binaries"]


class BoundField(Value, frozen=True, kw_only=True):
    """A top-level property of a body, held by an argument of its own.

    ``kind`` matters for multipart and form bodies: ``binary`` is file content (base64 string, or
    ``{"data","filename","type"}``), ``binaries`` a list of those, ``json`` an object or array encoded as JSON by
    default, ``value`` anything else.
    """

    argument: str
    name: str
    kind: FieldKind = "value"
    encoding: Encoding | None = None
    required: bool = False
    xml: tuple[XmlNode, ...] = ()


class BoundBody(Value, frozen=True, kw_only=True):
    """How arguments become a body of ``media_type``, which is sent as written here.

    Either ``whole`` names the one argument that is the body, or ``fields`` lists the properties, and ``rest`` (if not
    empty) names the argument whose members are added beside them. ``binary`` marks a whole body of file content.
    Beside ``whole``, ``fields`` only says which members are files. With no field given and ``required`` false, no body
    is sent. ``xml`` says how the value stands in an XML document; without it, an XML body is text. ``positions`` are
    the parts of a multipart body that is a list, the last of them for all further items. ``others`` are bodies of
    other media types, each one whole argument, of which one may be given instead.
    """

    media_type: str
    required: bool
    whole: str = ""
    fields: tuple[BoundField, ...] = ()
    rest: str = ""
    binary: bool = False
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    xml: tuple[XmlNode, ...] = ()
    positions: tuple[BoundField, ...] = ()
    others: tuple[BoundBody, ...] = ()


class HttpBinding(Value, frozen=True, kw_only=True):
    """Arguments to HTTP request: everything the planner needs and nothing else.

    ``accept`` is sent as the Accept header. ``servers`` are those in force; ``own_servers`` says they belong to the
    path or operation, so that an overridden base URL does not replace them.
    """

    method: str
    path: str
    fixed_query: str = ""
    parameters: tuple[BoundParameter, ...] = ()
    body: BoundBody | None = None
    servers: tuple[Server, ...] = ()
    own_servers: bool = False
    security: tuple[SecurityNeed, ...] = ()
    accept: str = "*/*"


PagingStyle = Literal["cursor", "url", "link", "offset", "page", "last_item"]


class Paging(Value, frozen=True, kw_only=True):
    """How an operation gives its answers page by page.

    ``argument`` is the tool's own argument that says where a page begins (empty for ``link``, often for ``url``),
    ``size`` the one that says how long a page is (or empty). ``next`` is a JSON Pointer to the next cursor or URL
    in an answer, or to the item's member whose value follows on (``last_item``). ``items`` points to the list in an
    answer; empty: the answer is the list; None: nobody knows where it is. ``more``, ``total`` and ``pages`` point
    to the flag that says whether there is more (behind ``!``: that there is none), to the number of all items and
    to that of all pages; the numbers may be headers, as ``header:x-total-count``. ``first`` is the number of the
    first page or item, ``usual`` and ``most`` are how many items a page has where nothing is said and at most (0:
    not known). ``rule`` names how it was detected, for people.
    """

    style: PagingStyle
    argument: str = ""
    size: str = ""
    next: str = ""
    items: str | None = ""
    more: str = ""
    total: str = ""
    pages: str = ""
    first: int = 0
    usual: int = 0
    most: int = 0
    rule: str = ""


class Controls(Value, frozen=True, kw_only=True):
    """Arguments that apiloom adds to a tool, by what they do. Empty: the tool has none of that kind.

    ``cursor`` takes back what ``next_cursor`` gave, ``max_items`` gathers pages, ``fields`` projects the answer.
    """

    cursor: str = ""
    max_items: str = ""
    fields: str = ""


class Hints(Value, frozen=True, kw_only=True):
    """What a client may assume about a tool (MCP ToolAnnotations)."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool = True


class Supplied(Value, frozen=True, kw_only=True):
    """Arguments of a tool that an overlay has settled, by name.

    ``fixed`` are always sent, ``defaults`` where nothing is given, ``hidden`` never, and no caller can give one of
    ``fixed`` or ``hidden``. ``schema`` is the input schema that what is sent is checked against: the tool's own shows
    only what is left to give.
    """

    schema: Schema
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


class Tool(Value, frozen=True, kw_only=True):
    """An MCP tool and its binding.

    ``input_schema`` and ``output_schema`` are canonical JSON Schema 2020-12 whose references point into
    :attr:`Catalog.schemas`; ``model.schema.closed`` makes one self-contained. ``output_schema`` describes the answer
    as the API gives it, whatever its type, and is only looked into when a view is made; in ``structuredContent`` an
    answer that is no object stands under ``result``, and views say so. ``called`` is the document's own name for the
    operation, if it has one. ``described`` says that a human wrote what it does. ``supplied`` is what an overlay sends
    with each call; a tool as it was read has none.
    """

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema | None
    hints: Hints
    tags: tuple[str, ...]
    kind: ToolClass
    operation: str
    arguments: tuple[Argument, ...]
    binding: HttpBinding
    called: str = ""
    controls: Controls = Controls()
    paging: Paging | None = None
    described: bool = True
    supplied: Supplied | None = None


class LedgerLine(Value, frozen=True, kw_only=True):
    """What became of one operation. ``reason`` is empty for exposed ones; ``tool`` is empty for all others."""

    key: str
    method: str
    path: str
    status: Literal["exposed", "gated", "quarantined"]
    tool: str = ""
    reason: str = ""


class Catalog(Value, frozen=True, kw_only=True):
    """The tools of one connector version, sorted by name, with the account of every operation.

    ``findings`` are those of shaping the tools. ``notes`` are those of reading; they may grow while ``schemas``
    converts its values on first use (see ``ApiModel.notes``). ``aliases`` are further names that tools answer to.
    """

    title: str
    version: str
    format: str
    description: str
    tools: Mapping[str, Tool]
    schemas: Mapping[str, Schema]
    schemes: Mapping[str, SecurityScheme]
    ledger: tuple[LedgerLine, ...]
    findings: tuple[Finding, ...]
    base_url: str = ""
    notes: Sequence[Finding] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
