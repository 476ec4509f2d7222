"""Calls the tools of a document and has each call judged: this side knows the package, the oracle does not.

The calls run in process, through endpoint, policies, planner and backend; the request goes through a real socket to a
loopback upstream that keeps its bytes. Where a document's own servers are elsewhere, only the last step is turned
round: the origin is noted and held against the document, and the connection is made to the upstream.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs

from apiloom import Api, Options, Outcome, load
from apiloom.base.errors import DesignError
from apiloom.base.values import replace
from apiloom.calls.call import Text
from apiloom.catalog.tool import Tool
from apiloom.catalog.validation import input_validator_schema
from apiloom.net.request import Request, Response, Sender
from support import oracle_document
from support.arguments import SETS, Argument, Made, argument_sets
from support.oracle_document import Document, Operation, UnreadableError, bases, essence
from support.oracle_excuses import excused
from support.oracle_judge import Asked, Place, lost_arguments, mistakes
from support.oracle_socket import Recording


@dataclass(frozen=True)
class Wrong:
    """One call that went out wrong, or was refused without need."""

    document: str
    tool: str
    operation: str
    why: str
    arguments: str
    request: str = ""

    def line(self) -> str:
        return f"{self.document} | {self.operation} | {self.tool} | {self.why} | {self.arguments} | {self.request}"


@dataclass
class Tally:
    """What became of calls, over any number of documents."""

    counts: Counter[str] = field(default_factory=Counter)
    sets: Counter[str] = field(default_factory=Counter)
    media: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    wrong: list[Wrong] = field(default_factory=list)
    unmade: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def share(self) -> float:
        """Exact calls among those sent."""
        return self.counts["exact"] / max(1, self.counts["sent"])

    def summary(self) -> str:
        """All of it as lines of text, the wrong ones last."""
        lines = [f"{count:>8,}  {name}" for name, count in sorted(self.counts.items())]
        lines += [f"{self.share():>8.3%}  exact among sent", f"{self.seconds:>8.1f}  seconds"]
        for title, found in (
            ("sent by set", self.sets),
            ("sent by media type", self.media),
            ("refusals", self.refusals),
        ):
            lines += ["", title, *(f"{count:>8,}  {name}" for name, count in found.most_common())]
        lists = [("no arguments made", self.unmade), ("no call exact", self.unshown), ("not read", self.unread)]
        for title, told in lists:
            lines += ["", f"{title}: {len(told)}", *told]
        return "\n".join([*lines, "", f"wrong: {len(self.wrong)}", *(each.line() for each in self.wrong), ""])


class Redirect:
    """A way out that notes where a request was to go and takes it to the upstream. It can do nothing else."""

    def __init__(self, inner: Sender, origin: str) -> None:
        self.inner = inner
        self.origin = origin
        self.asked = ""

    async def send(self, request: Request) -> Response:
        self.asked = request.origin
        return await self.inner.send(replace(request, origin=self.origin))

    async def close(self) -> None:
        await self.inner.close()


def opened(path: Path, upstream: str) -> tuple[Api, Redirect, str] | None:
    """The API of a document, its way out turned to the upstream, and the base URL it was given, if it needed one."""
    for base in ("", f"{upstream}/base"):
        try:
            api = load(path, base_url=base, options=Options(cache=False))
        except DesignError as error:
            if error.code.startswith("server."):
                continue
            return None
        out = Redirect(api.quick.sender, upstream)
        api.quick.sender = out
        api.quick.put([api.loaded])
        return api, out, base
    return None


@dataclass(frozen=True)
class Effort:
    """How much is tried: ``most`` tools of a document, spread evenly, each with so ``many`` of the sets.

    Which sets a tool gets depends on its name alone; another seed makes other arguments.
    """

    most: int = 10**6
    sets: tuple[str, ...] = tuple(SETS)
    many: int = len(SETS)
    seed: str = ""

    def sets_of(self, operation: str) -> tuple[str, ...]:
        """The sets of one tool, so that over many tools all sets have their turn."""
        chosen = Random(operation).sample(self.sets, min(self.many, len(self.sets)))
        return tuple(name for name in self.sets if name in chosen)


Sent = Callable[[Asked, bytes, str, str], None]
"""Told of every request: what was asked, its bytes, the origin it went to, the base URL in place of the servers."""


async def judge_document(
    path: Path, name: str, recording: Recording, tally: Tally, effort: Effort = Effort(), sent: Sent | None = None
) -> None:
    """Call the tools of one document and add what came of it to the tally."""
    begun = time.perf_counter()
    oracle_document.load.cache_clear()
    tally.counts["documents"] += 1
    found = opened(path, recording.origin)
    if found is None:
        tally.counts["documents without tools"] += 1
        return
    api, out, base = found
    try:
        document = Document(path)
    except UnreadableError as error:
        tally.unread.append(f"{name}: {error}")
        return
    judge = _Judge(
        api=api, out=out, base=base, document=document, name=name, recording=recording, tally=tally, sent=sent
    )
    names = sorted(api.loaded.tools)
    tally.counts["tools"] += len(names)
    for tool in names[:: -(-len(names) // effort.most)] if names else ():
        await judge.tool(api.loaded.tools[tool], effort)
    await api.aclose()
    tally.seconds += time.perf_counter() - begun


def places_of(tool: Tool) -> dict[str, Place]:
    """Where each argument goes, as ``inspect --json`` says it."""
    rest = tool.binding.body.rest if tool.binding.body is not None else ""
    return {
        each.name: Place(each.place, each.original, rest=each.place == "body" and each.name == rest)
        for each in tool.arguments
        if each.place != "control"
    }


@dataclass
class _Judge:
    api: Api
    out: Redirect
    base: str
    document: Document
    name: str
    recording: Recording
    tally: Tally
    sent: Sent | None

    async def tool(self, tool: Tool, effort: Effort) -> None:
        operation = self.document.operations.get(tool.operation)
        if operation is None:
            why = self.document.unread.get(tool.operation, "no such operation")
            self.tally.unread.append(f"{self.name}: {tool.operation}: {why}")
            return
        self.tally.counts["called tools"] += 1
        places = places_of(tool)
        for lost in lost_arguments(self.document, operation, places):
            self.say(tool, {}, lost)
        schema = input_validator_schema(tool, self.api.loaded.schemas)
        assert isinstance(schema, dict)
        validator = jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.FancyRegexOptions())
        arguments = [Argument(name, _mood(where, operation), _form(name, where)) for name, where in places.items()]
        exact = self.tally.counts["exact"]
        made = False
        pool = self.api.loaded.schemas
        defs = {name: with_formats(each, pool.get(name)) for name, each in schema.get("$defs", {}).items()}
        full = {**with_formats(schema, tool.input_schema), "$defs": defs}
        # What the house adds to a tool is no part of a request.
        full["properties"] = {name: each for name, each in full["properties"].items() if name in places}
        seed = f"{effort.seed}{self.name} {tool.operation}"
        for each in argument_sets(full, arguments, validator.is_valid, seed, effort.sets_of(seed)):
            made = True
            await self.call(tool, operation, places, each)
        if not made:
            self.tally.unmade.append(f"{self.name}: {tool.operation}")
        if self.tally.counts["exact"] > exact:
            self.tally.counts["tools shown exact"] += 1
        else:
            self.tally.unshown.append(f"{self.name}: {tool.operation}")

    async def call(self, tool: Tool, operation: Operation, places: Mapping[str, Place], made: Made) -> None:
        tally, asked = self.tally, Asked(self.document, operation, places, made.arguments)
        tally.counts["calls"] += 1
        tally.counts["plain"] += made.plain
        self.out.asked = ""
        outcome = await self.api.call(tool.name, made.arguments)
        raws = self.recording.take()
        if not raws:
            self.refused(tool, asked, outcome)
            return
        tally.counts["sent"] += 1
        tally.sets[made.set] += 1
        if self.sent is not None:
            self.sent(asked, raws[0], self.out.asked, self.base)
        if operation.media and b"\r\ncontent-type:" in raws[0].lower():
            head = raws[0].lower().partition(b"\r\ncontent-type:")[2].partition(b"\r\n")[0]
            tally.media[head.decode("latin-1").partition(";")[0].strip()] += 1
        told = [f"{len(raws)} requests were sent"] if len(raws) != 1 else []
        told += mistakes(asked, raws[0], self.out.asked, self.base)
        if outcome.failed:
            told.append(f"the call failed: {said_by(outcome)[:200]}")
        if told:
            self.say(tool, made.arguments, "; ".join(told), raws[0])
        else:
            tally.counts["exact"] += 1

    def refused(self, tool: Tool, asked: Asked, outcome: Outcome) -> None:
        sentence = said_by(outcome)
        code = str(outcome.meta.get("dev.apiloom/error", {}).get("code", ""))
        homeless = code.startswith("server.") and not bases(asked.operation, self.base)
        if outcome.failed and (homeless or (code == "call.argument" and excused(asked, sentence))):
            self.tally.counts["refused"] += 1
            self.tally.refusals[f"{code}: {_kind(sentence)}" if homeless else _kind(sentence)] += 1
        else:
            self.say(tool, asked.arguments, f"refused without need ({code}): {sentence[:300]}")

    def say(self, tool: Tool, arguments: Mapping[str, Any], why: str, raw: bytes = b"") -> None:
        self.tally.counts["wrong"] += 1
        shown = repr(dict(arguments))[:1500]
        self.tally.wrong.append(
            Wrong(self.name, tool.name, tool.operation, why, shown, repr(raw[:1500]) if raw else "")
        )


def _mood(where: Place, operation: Operation) -> str:
    if where.place != "body":
        return where.place
    return "json" if any("json" in essence(each.type) or "*" in each.type for each in operation.media) else "form"


def with_formats(closed: Any, stated: Any) -> Any:
    """The schema that calls are checked against, with the formats of numbers and texts that it leaves unchecked."""
    if not isinstance(closed, dict) or not isinstance(stated, dict):
        return closed
    out = dict(closed)
    if isinstance(stated.get("format"), str):
        out.setdefault("format", stated["format"])
    for word in ("properties", "patternProperties"):
        if isinstance(out.get(word), dict) and isinstance(stated.get(word), dict):
            out[word] = {name: with_formats(each, stated[word].get(name)) for name, each in out[word].items()}
    for word in ("items", "additionalProperties"):
        if word in out:
            out[word] = with_formats(out[word], stated.get(word))
    for word in ("allOf", "anyOf", "oneOf", "prefixItems"):
        parts = stated.get(word)
        if isinstance(out.get(word), list) and isinstance(parts, list) and len(parts) == len(out[word]):
            out[word] = [with_formats(each, part) for each, part in zip(out[word], parts, strict=True)]
    return out


def _form(name: str, where: Place) -> str:
    """Bodies that are one whole argument stand for themselves, members make one body together."""
    if where.place != "body":
        return ""
    return "members" if where.name or where.rest else name


def said_by(outcome: Outcome) -> str:
    """The words of an outcome."""
    return " ".join(part.text for part in outcome.content if isinstance(part, Text))


def _kind(sentence: str) -> str:
    """A refusal without the name of its argument and what it quotes."""
    words = sentence.partition("' ")[2] or sentence
    return words.partition(". ")[0].partition(": ")[0][:80]
