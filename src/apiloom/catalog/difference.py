"""What a new version of an API changes for those who use its tools, with a verdict for each tool and for the whole.

- ``breaking``: a call that worked may be refused, go somewhere else or mean something else. A changed host, path,
  method, way of authentication or class (read, write, custom) is always breaking.
- ``review``: nothing that was accepted is refused, but a person should look: texts that a model reads (they can tell it
  what to do), answers that may surprise, how a value is written on the wire.
- ``additive``: there is more than before and nothing else. ``none``: nothing that anybody can see.

Tools are matched by name, which versions keep; a tool that became another one's alias is compared with that one.
What is not understood is breaking. Pure; knows neither where versions are kept nor who promotes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from apiloom.base import json
from apiloom.catalog.schema_changes import Atom, Effect, SchemaChanges
from apiloom.catalog.tool import Catalog, HttpBinding, Tool
from apiloom.model.api import SecurityScheme, Server

Verdict = Literal["none", "additive", "review", "breaking"]

_RANK: Mapping[Verdict, int] = {"none": 0, "additive": 1, "review": 2, "breaking": 3}

MOST_CHANGES = 60
"""Changes told of one tool; the verdict counts all of them."""

MOST_TOOLS = 2_000
"""Tools told of; the verdict and the counts are of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. ``kind`` is a stable word such as ``argument_removed``; ``pointer`` says where in the tool."""

    kind: str
    verdict: Verdict
    pointer: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChange:
    """What became of one tool."""

    name: str
    what: Literal["added", "removed", "changed"]
    verdict: Verdict
    operation: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two versions of a connector beside each other. ``changes`` are those of no single tool."""

    verdict: Verdict
    tools: tuple[ToolChange, ...]
    changes: tuple[Change, ...] = ()


def worst(verdicts: Iterator[Verdict] | list[Verdict]) -> Verdict:
    """The gravest of verdicts; ``none`` of none."""
    return max(verdicts, key=_RANK.__getitem__, default="none")


def compare(old: Catalog, new: Catalog, *, trusted: bool = False) -> Difference:
    """What ``new`` changes for users of ``old``.

    ``trusted``: whoever writes the document may change the texts that models read, without review.
    """
    beside = _Beside(old, new, text="additive" if trusted else "review")
    tools = tuple(beside.tools())
    changes = tuple(beside.of_all())
    verdict = worst([*(tool.verdict for tool in tools), *(change.verdict for change in changes)])
    return Difference(verdict=verdict, tools=tools, changes=changes)


def to_json(difference: Difference) -> dict[str, Any]:
    """The difference as plain JSON, bounded in size: counts of all, the gravest tools first."""
    counts = {what: sum(tool.what == what for tool in difference.tools) for what in ("added", "removed", "changed")}
    listed = sorted(difference.tools, key=lambda tool: (-_RANK[tool.verdict], tool.name))[:MOST_TOOLS]
    return {
        "verdict": difference.verdict,
        "counts": counts,
        "changes": [_change_json(change) for change in difference.changes],
        "tools": [
            {
                "name": tool.name,
                "what": tool.what,
                "verdict": tool.verdict,
                "operation": tool.operation,
                "changes": [_change_json(change) for change in tool.changes],
            }
            for tool in listed
        ],
    }


def _change_json(change: Change) -> dict[str, str]:
    told = {"kind": change.kind, "verdict": change.verdict, "pointer": change.pointer, "detail": change.detail}
    return {name: value for name, value in told.items() if value}


_SENT: Mapping[Effect, Verdict] = {
    "narrowed": "breaking",
    "widened": "additive",
    "changed": "breaking",
    "removed": "breaking",
    "added": "additive",
    "behaviour": "review",
}
"""What an effect on a value that callers send means to them; texts are judged apart."""

_ANSWERED: Mapping[Effect, Verdict] = {
    "narrowed": "additive",
    "widened": "review",
    "changed": "breaking",
    "removed": "breaking",
    "added": "additive",
    "behaviour": "review",
}
"""The same of a value that comes back."""


class _Beside:
    """Two catalogs beside each other."""

    def __init__(self, old: Catalog, new: Catalog, *, text: Verdict) -> None:
        self._old = old
        self._new = new
        self._text = text
        self._schemas = SchemaChanges(old.schemas, new.schemas)

    def tools(self) -> Iterator[ToolChange]:
        old, new = self._old.tools, self._new.tools
        for name in sorted(old.keys() | new.keys()):
            now = name if name in new else self._new.aliases.get(name, "")
            if name not in old:
                tool = new[name]
                yield ToolChange(name=name, what="added", verdict="additive", operation=tool.operation)
            elif now not in new:
                tool = old[name]
                yield ToolChange(name=name, what="removed", verdict="breaking", operation=tool.operation)
            else:
                changes = sorted(self._changes(old[name], new[now]), key=lambda one: -_RANK[one.verdict])
                if changes:
                    yield ToolChange(
                        name=name,
                        what="changed",
                        verdict=changes[0].verdict,
                        operation=new[now].operation,
                        changes=tuple(changes[:MOST_CHANGES]),
                    )

    def of_all(self) -> Iterator[Change]:
        """What belongs to no single tool."""
        old, new = self._old, self._new
        for member in ("title", "description"):
            if getattr(old, member) != getattr(new, member):
                yield Change(kind="text", verdict=self._text, pointer=f"/{member}")
        for name in sorted(old.schemes.keys() | new.schemes.keys()):
            if name not in old.schemes:
                yield Change(kind="authentication_added", verdict="additive", detail=name[:80])
            elif name not in new.schemes or _scheme(old.schemes[name]) != _scheme(new.schemes[name]):
                yield Change(kind="authentication", verdict="breaking", detail=name[:80])
        for alias in sorted(old.aliases.keys() - new.aliases.keys() - new.tools.keys()):
            yield Change(kind="alias_removed", verdict="breaking", detail=alias[:80])

    def _changes(self, old: Tool, new: Tool) -> Iterator[Change]:
        yield from self._targets(old, new)
        yield from self._access(old, new)
        yield from _wire(old.binding, new.binding)
        yield from self._texts(old, new)
        yield from self._schema("/inputSchema", old.input_schema, new.input_schema, _SENT)
        yield from _moved(old, new)
        if (old.output_schema is None) != (new.output_schema is None):
            yield Change(kind="answer", verdict="review" if new.output_schema is None else "additive")
        elif old.output_schema is not None and new.output_schema is not None:
            yield from self._schema("/outputSchema", old.output_schema, new.output_schema, _ANSWERED)

    def _targets(self, old: Tool, new: Tool) -> Iterator[Change]:
        """Where a call goes."""
        before, after = old.binding, new.binding
        for kind, was, now in (
            ("method", before.method, after.method),
            ("path", before.path, after.path),
            ("query", before.fixed_query, after.fixed_query),
        ):
            if was != now:
                yield Change(kind=kind, verdict="breaking", detail=f"{was[:120]} to {now[:120]}")
        hosts = [_hosts(binding, catalog) for binding, catalog in ((before, self._old), (after, self._new))]
        if hosts[0] != hosts[1]:
            yield Change(kind="host", verdict="breaking", detail=f"{_first(hosts[0])} to {_first(hosts[1])}")

    def _access(self, old: Tool, new: Tool) -> Iterator[Change]:
        """Who may do it, and what it is taken for."""
        if old.kind != new.kind:
            yield Change(kind="class", verdict="breaking", detail=f"{old.kind} to {new.kind}")
        if old.hints != new.hints:
            yield Change(kind="annotations", verdict="review")
        schemes = [
            _security(binding, catalog) for binding, catalog in ((old.binding, self._old), (new.binding, self._new))
        ]
        if schemes[0] != schemes[1]:
            yield Change(kind="authentication", verdict="breaking")
        if set(old.tags) != set(new.tags):
            # a tag decides which servers show a tool
            yield Change(kind="tags", verdict="review", detail=f"{', '.join(old.tags)} to {', '.join(new.tags)}"[:200])

    def _texts(self, old: Tool, new: Tool) -> Iterator[Change]:
        for member in ("title", "description"):
            if getattr(old, member) != getattr(new, member):
                yield Change(kind="text", verdict=self._text, pointer=f"/{member}")

    def _schema(self, pointer: str, old: Any, new: Any, verdicts: Mapping[Effect, Verdict]) -> Iterator[Change]:
        atoms, effects = self._schemas.between(old, new)
        judged = {**verdicts, "text": self._text}
        told = {judged[atom.effect] for atom in atoms}
        for atom in atoms:
            yield Change(
                kind=_kind(pointer, atom),
                verdict=judged[atom.effect],
                pointer=pointer + atom.pointer[:300],
                detail=atom.detail,
            )
        for verdict in sorted({judged[effect] for effect in effects} - told, key=_RANK.__getitem__):
            yield Change(kind="further", verdict=verdict, pointer=pointer, detail="more changes than are told")


def _kind(pointer: str, atom: Atom) -> str:
    """The word for a change: arguments by name, everything deeper by the keyword that changed."""
    place = atom.pointer.split("/")
    if pointer == "/inputSchema" and len(place) == 3 and place[1] == "properties":
        if atom.kind == "member":
            return f"argument_{atom.effect}"
        if atom.kind == "required":
            return "argument_required" if atom.effect == "narrowed" else "argument_optional"
    if atom.effect == "text":
        return "text"
    return f"{atom.kind}_{atom.effect}"


def _moved(old: Tool, new: Tool) -> Iterator[Change]:
    """Arguments that keep their name and go somewhere else: the same call would say something else."""
    before = {argument.name: (argument.place, argument.original) for argument in old.arguments}
    for argument in new.arguments:
        was = before.get(argument.name)
        if was is not None and was != (argument.place, argument.original):
            yield Change(
                kind="argument_moved",
                verdict="breaking",
                pointer=f"/inputSchema/properties/{argument.name}",
                detail=f"{was[0]} {was[1]} to {argument.place} {argument.original}"[:200],
            )


def _wire(old: HttpBinding, new: HttpBinding) -> Iterator[Change]:
    """How values are written, for arguments that are there before and after."""
    before = {parameter.argument: parameter for parameter in old.parameters}
    for parameter in new.parameters:
        was = before.get(parameter.argument)
        if was is not None and (was.style, was.explode, was.media_type, was.nesting, was.allow_reserved) != (
            parameter.style,
            parameter.explode,
            parameter.media_type,
            parameter.nesting,
            parameter.allow_reserved,
        ):
            yield Change(
                kind="sent_differently", verdict="review", pointer=f"/inputSchema/properties/{parameter.argument}"
            )
    media = [binding.body.media_type if binding.body is not None else "" for binding in (old, new)]
    if media[0] != media[1] and all(media):
        yield Change(kind="sent_differently", verdict="review", detail=f"{media[0][:80]} to {media[1][:80]}")
    if old.accept != new.accept:
        yield Change(kind="answer", verdict="review", detail=f"{old.accept[:80]} to {new.accept[:80]}")


def _hosts(binding: HttpBinding, catalog: Catalog) -> list[Any]:
    """Where calls may go: the servers with their variables; what is relative counts from where the document stands."""
    relative = any("://" not in server.url for server in binding.servers) or not binding.servers
    return [*map(_server, binding.servers), catalog.base_url if relative else "", binding.own_servers]


def _server(server: Server) -> tuple[str, tuple[tuple[str, str | None, tuple[str, ...]], ...]]:
    variables = tuple((name, one.default, one.enum) for name, one in sorted(server.variables.items()))
    return server.url, variables


def _first(hosts: list[Any]) -> str:
    return str(hosts[0][0] if isinstance(hosts[0], tuple) else hosts[0] or "none")[:120]


def _security(binding: HttpBinding, catalog: Catalog) -> list[Any]:
    """The ways to be let in: the order of alternatives decides which is used, that within one does not."""
    return [
        sorted((name, sorted(scopes), _scheme(catalog.schemes.get(name))) for name, scopes in need)
        for need in binding.security
    ]


def _scheme(scheme: SecurityScheme | None) -> str:
    """All of a scheme that decides what is sent where, token endpoints included; not what is said about it."""
    if scheme is None:
        return ""
    details = _untold(dict(scheme.details))
    return json.canonical([scheme.kind, scheme.place, scheme.name, scheme.scheme, details]).decode()


def _untold(value: Any) -> Any:
    """Details without what only describes: the sentences beside scopes, and descriptions."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: sorted(member) if name == "scopes" and isinstance(member, Mapping) else _untold(member)
        for name, member in value.items()
        if name != "description"
    }
