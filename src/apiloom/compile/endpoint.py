"""Catalogs and ports become an Endpoint.

Several connectors share one endpoint by prefixing each tool with the connector's slug; a single one keeps bare names.
Renaming happens here, once, and never on a call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from apiloom.base import json
from apiloom.calls.endpoint import Endpoint, Listing, Route, build_route
from apiloom.calls.order import ORDER
from apiloom.calls.policies.arguments import check_arguments
from apiloom.calls.policies.audit import record_calls
from apiloom.calls.policies.results import Budget, fit_results
from apiloom.calls.policies.supplied import supply_arguments
from apiloom.calls.ports import AuditSink, Backend, Policy
from apiloom.catalog.profiles import DEFAULT
from apiloom.catalog.tool import MOST_WITH_OUTPUT, Tool
from apiloom.catalog.validation import input_validator_schema
from apiloom.compile.routes import Routes
from apiloom.model.api import Schema

PAGE_TOOLS = 500
"""Tools on one page of ``tools/list``."""

PAGE_BYTES = 1_000_000
"""Bytes after which a page ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One connector's share of an endpoint.

    ``entries`` are its list entries as JSON by bare tool name, in the server's own profile; ``listed`` renders them in
    another. ``aliases`` are further bare names that tools answer to, and are not listed under. ``backend`` makes the
    answering side of one tool. ``sink`` is told of its calls.
    """

    slug: str
    title: str
    version: str
    description: str
    tools: Mapping[str, Tool]
    schemas: Mapping[str, Schema]
    entries: Mapping[str, bytes]
    listed: Callable[[str], Mapping[str, bytes]]
    backend: Callable[[Tool], Backend]
    aliases: Mapping[str, str] = field(default_factory=dict)
    sink: AuditSink | None = None


UNBOUNDED = Budget()


def build_endpoint(name: str, parts: Sequence[Part], profile: str = DEFAULT, budget: Budget = UNBOUNDED) -> Endpoint:
    """Compile parts, listed in a profile, into one endpoint; routes are compiled on their first call."""
    single = len(parts) == 1
    named = [(part, bare, bare) for part in parts for bare in part.entries]
    named += [(part, alias, bare) for part in parts for alias, bare in part.aliases.items()]
    places = {_shown(part, name, single=single): (part, bare) for part, name, bare in named}

    def compile_route(shown: str) -> Route:
        part, bare = places[shown]
        return compile_tool(shown, part, part.tools[bare], budget)

    return Endpoint(
        name=name,
        title=parts[0].title if single else name,
        version=parts[0].version if single else "",
        instructions=_instructions(parts),
        listing=_listing(parts, lambda part: part.entries),
        keeper=budget.keeper,
        result_tokens=budget.tokens,
        profile=profile,
        listed=lambda other: _listing(parts, lambda part: part.listed(other)),
        routes=Routes(places, compile_route),
    )


def _shown(part: Part, bare: str, *, single: bool) -> str:
    return bare if single else f"{part.slug}_{bare}"


def _listing(parts: Sequence[Part], entries_of: Callable[[Part], Mapping[str, bytes]]) -> Listing:
    """The entries of all parts in one list, sorted by the names they are shown under."""
    single = len(parts) == 1
    with_output = sum(len(part.entries) for part in parts) <= MOST_WITH_OUTPUT
    entries: list[tuple[str, bytes]] = []
    for part in parts:
        for bare, entry in entries_of(part).items():
            shown = _shown(part, bare, single=single)
            entries.append((shown, entry if single else _renamed(entry, shown, with_output=with_output)))
    entries.sort(key=lambda pair: pair[0])
    return build_listing(entry for _, entry in entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A tool on its way to become a route, called ``shown``; ``sink`` is told of its calls."""

    shown: str
    tool: Tool
    schemas: Mapping[str, Schema]
    budget: Budget = UNBOUNDED
    sink: AuditSink | None = None


Shared = dict[tuple[str, str], "Policy | None"]
"""Policies that depend on a tool alone, by their own name and the tool's: many servers show the same tools."""


def compile_tool(shown: str, part: Part, tool: Tool, budget: Budget = UNBOUNDED) -> Route:
    """One tool with the default policies around its backend, in the order of ``calls/order.py``."""
    making = Making(shown=shown, tool=tool, schemas=part.schemas, budget=budget, sink=part.sink)
    return build_route(build_policies(making), part.backend(tool))


def build_policies(making: Making, shared: Shared | None = None) -> list[Policy]:
    """The policies around one tool, in the order of ``calls/order.py``; those in ``shared`` are made once."""
    policies: list[Policy | None] = []
    for name, _ in ORDER:
        if shared is None or name not in _OF_THE_TOOL:
            policies.append(_POLICIES[name](making))
            continue
        place = (name, making.shown)
        if place not in shared:
            shared[place] = _POLICIES[name](making)
        policies.append(shared[place])
    return [policy for policy in policies if policy is not None]


def _audit(making: Making) -> Policy | None:
    return None if making.sink is None else record_calls(making.sink, making.shown)


def _supplied(making: Making) -> Policy | None:
    supplied = making.tool.supplied
    return None if supplied is None else supply_arguments(making.shown, supplied, _accepted(making.tool))


def _results(making: Making) -> Policy:
    return fit_results(making.budget, making.tool.controls.fields)


def _arguments(making: Making) -> Policy:
    tool, schemas = making.tool, making.schemas
    return check_arguments(making.shown, lambda: input_validator_schema(tool, schemas), _accepted(tool))


def _accepted(tool: Tool) -> list[str]:
    return [argument.name for argument in tool.arguments]


_POLICIES: Mapping[str, Callable[[Making], Policy | None]] = {
    "policy.audit": _audit,
    "policy.supplied": _supplied,
    "policy.results": _results,
    "policy.arguments": _arguments,
}
_OF_THE_TOOL = frozenset({"policy.supplied", "policy.arguments"})


def build_listing(entries: Iterable[bytes]) -> Listing:
    """List entries on pages of bounded size; the etag is a hash of all their bytes."""
    pages: list[bytes] = []
    page: list[bytes] = []
    size = count = 0
    seal = hashlib.sha256()
    for entry in entries:
        if page and (len(page) >= PAGE_TOOLS or size + len(entry) > PAGE_BYTES):
            pages.append(b",".join(page))
            page, size = [], 0
        page.append(entry)
        size += len(entry) + 1
        count += 1
        seal.update(entry)
        seal.update(b"\n")
    pages.append(b",".join(page))
    return Listing(pages=tuple(pages), etag=seal.hexdigest()[:32], count=count)


def _renamed(entry: bytes, shown: str, *, with_output: bool) -> bytes:
    """An entry under its prefixed name. Sources that are short lists alone may be a long one together."""
    value = {**json.loads(entry), "name": shown}
    if not with_output:
        value.pop("outputSchema", None)
    return json.dumps(value)


def _instructions(parts: Sequence[Part]) -> str:
    lines = [line_of(part.title, part.description) for part in parts]
    return "\n".join(line for line in lines if line)[:2000]


def line_of(title: str, description: str) -> str:
    """One API in a line of a server's instructions."""
    words = " ".join(description.split())
    text = f"{title}: {words}" if words else title
    return text if len(text) <= 600 else text[:599] + "…"
