"""What an API is, free of the format that described it.

Readers build these values; the catalog shapes tools from them. Schemas are JSON Schema 2020-12 as plain data in which
every reference is local and reads ``#/$defs/NAME``, where NAME is a key of :attr:`ApiModel.schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from apiloom.base.values import Value, field
from apiloom.model.findings import Finding

Schema = dict[str, Any] | bool
"""A JSON Schema 2020-12 with local references only."""

ParameterPlace = Literal["path", "query", "header", "cookie", "querystring"]

Nesting = Literal["", "brackets", "empty", "dots"]
"""How the names of nested values are spelled where no standard says it: ``a[0][b]`` (also when empty), ``a[][b]``,
``a.0.b``."""

SecurityNeed = tuple[tuple[str, tuple[str, ...]], ...]
"""Schemes that must all be present (AND), each with its scopes. The empty tuple means: no credential needed."""


class ServerVariable(Value, frozen=True, kw_only=True):
    """A placeholder of a server URL. ``enum`` is empty when any text will do."""

    default: str | None
    enum: tuple[str, ...] = ()
    description: str = ""


class Server(Value, frozen=True, kw_only=True):
    """Where an API answers: a URL template, absolute, or relative to :attr:`ApiModel.base_url`."""

    url: str
    description: str = ""
    variables: Mapping[str, ServerVariable] = field(default_factory=dict)


class SecurityScheme(Value, frozen=True, kw_only=True):
    """How a caller proves who they are.

    ``kind`` is one of ``apiKey``, ``http``, ``oauth2``, ``openIdConnect``, ``mutualTLS``. For ``apiKey``, ``place`` and
    ``name`` say where the key goes; for ``http``, ``scheme`` is the lower-case authentication scheme (``basic``,
    ``bearer``, …). ``details`` keeps what else the document said (flows, openIdConnectUrl).
    """

    id: str
    kind: Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]
    place: Literal["query", "header", "cookie", ""] = ""
    name: str = ""
    scheme: str = ""
    description: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Encoding(Value, frozen=True, kw_only=True):
    """How one property of a form or multipart body is written; ``None`` means the document did not say.

    ``headers`` are those of a part whose value the document fixes.
    """

    content_type: str | None = None
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False
    nesting: Nesting = ""
    headers: tuple[tuple[str, str], ...] = ()


class Parameter(Value, frozen=True, kw_only=True):
    """One named value of a request outside its body.

    ``style`` and ``explode`` are resolved, never defaults to be guessed. ``media_type`` is set for parameters that the
    document describes by ``content``: their value is encoded in that type instead of by style, ``encodings`` say how
    the members of a form are. Styles beyond OpenAPI's table: ``tabDelimited`` (Swagger 2.0 ``tsv``). ``slashes`` lets
    ``/`` stand bare in a path value.
    """

    name: str
    place: ParameterPlace
    schema: Schema
    required: bool
    style: str
    explode: bool
    description: str = ""
    deprecated: bool = False
    allow_reserved: bool = False
    allow_empty: bool = False
    slashes: bool = False
    nesting: Nesting = ""
    media_type: str | None = None
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    pointer: str = ""


class Media(Value, frozen=True, kw_only=True):
    """A body in one media type. ``item_schema`` is set for sequences (OpenAPI 3.2 ``itemSchema``).

    ``positions`` say how the parts of a multipart list are written, ``position`` how those behind them are.
    """

    type: str
    schema: Schema
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    item_schema: Schema | None = None
    positions: tuple[Encoding, ...] = ()
    position: Encoding | None = None


class Body(Value, frozen=True, kw_only=True):
    """A request body in one or more media types, in the document's order."""

    media: tuple[Media, ...]
    required: bool
    description: str = ""
    pointer: str = ""


class Response(Value, frozen=True, kw_only=True):
    """One declared answer. ``status`` is ``200``, a range such as ``2XX``, or ``default``.

    ``headers`` are the lower-case names of the headers it is described with.
    """

    status: str
    description: str = ""
    media: tuple[Media, ...] = ()
    headers: tuple[str, ...] = ()


class HttpShape(Value, frozen=True, kw_only=True):
    """How an operation is asked over HTTP.

    ``path`` is the template without query and fragment; ``fixed_query`` is what stood behind ``?`` in the document's
    path key. ``servers`` are those in force for this operation: its own, else the path's, else the document's.
    """

    method: str
    path: str
    fixed_query: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    responses: tuple[Response, ...] = ()
    servers: tuple[Server, ...] = ()
    own_servers: bool = False


class Operation(Value, frozen=True, kw_only=True):
    """One thing an API can do.

    ``key`` identifies it inside its document for ever (``GET /pets/{id}``). ``name`` is what the document calls it
    (operationId), if it does. ``security`` holds alternatives (OR) of needs (AND); the empty tuple means that the
    document asks for nothing. ``extensions`` are members beyond the format that say how it is paged, as they stand.
    """

    key: str
    name: str | None
    shape: HttpShape
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    security: tuple[SecurityNeed, ...] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    pointer: str = ""


class Unreadable(Value, frozen=True, kw_only=True):
    """An operation that the document names but does not describe well enough to ask: it is quarantined."""

    key: str
    method: str
    path: str
    reason: str
    pointer: str = ""


class ApiModel(Value, frozen=True, kw_only=True):
    """An API as read. ``operations`` and ``unreadable`` together are every (path, method) of the document.

    ``schemas`` may convert its values on first use, and add to ``notes`` as it does; :meth:`findings` touches them all
    and so is complete. ``base_url`` is the URL the document came from, empty for files and standard input.
    """

    title: str
    version: str
    format: str
    description: str
    operations: tuple[Operation, ...]
    unreadable: tuple[Unreadable, ...]
    schemas: Mapping[str, Schema]
    schemes: Mapping[str, SecurityScheme]
    servers: tuple[Server, ...] = ()
    base_url: str = ""
    notes: list[Finding] = field(default_factory=list)

    def findings(self) -> tuple[Finding, ...]:
        """Every finding about the document, after touching every schema; sorted, without repeats."""
        for name in self.schemas:
            self.schemas[name]
        unique = dict.fromkeys(self.notes)
        return tuple(sorted(unique, key=lambda f: (f.pointer, f.code, f.message)))
