"""``policy.results``: an answer says what was asked for, no more than a model can read, and what it leaves out.

First the ``fields`` that the caller named are picked from a good JSON answer. What is then still larger than the budget
is cut, which is said in the text and in the result's meta, and the whole answer is kept for this principal, with links
to it and to the rest of every list. Files become links. An answer within the budget passes with one look at its length.
Tokens are UTF-8 bytes / 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.values import replace
from apiloom.calls.call import Blob, Call, Content, Link, Outcome, Text, refusal
from apiloom.calls.parts import uri_of
from apiloom.calls.ports import Keeper, Policy, Proceed
from apiloom.calls.projection import Path, Projected, project, read_paths
from apiloom.calls.shrink import KEPT_MEMBER, MOST_CUTS, MOST_PARTS, Cut, Shrunk, shrink
from apiloom.calls.texts import cut_lines, has_more_commas
from apiloom.identity.principal import Principal

TRUNCATED = "dev.apiloom/truncated"
UNKNOWN_FIELDS = "dev.apiloom/unknown_fields"

LEAST_TOKENS = 100
"""The smallest budget: below, there is no room to say what was cut."""

LARGEST_FILE = 32 * 1024
"""Bytes of a file that stands in a result; a larger one becomes a link."""

LARGEST_PICTURE = 1024 * 1024
"""Bytes of an image or a sound that stands in a result: clients show those to a model, but not any number of bytes."""

_IN_THREAD = 256 * 1024
_PIECE = 1024 * 1024
_MOST_NOTE = 2_400
_TOLD_CUTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The tokens of a result, 0 for any number, and where the whole answer goes. Without a keeper nothing is linked."""

    tokens: int = 0
    keeper: Keeper | None = None

    @property
    def room(self) -> int:
        """Bytes of a result."""
        return max(self.tokens, LEAST_TOKENS) * 4


def fit_results(budget: Budget, fields: str) -> Policy:
    """The policy of one tool; ``fields`` is what its control argument of that kind is called, if it has one."""
    # A character has four bytes at most.
    sure = budget.room // 4 if budget.tokens else -1

    def policy(proceed: Proceed) -> Proceed:
        async def results(call: Call) -> Outcome:
            if fields and fields in call.arguments:
                return await _fields(call, proceed, budget, call.arguments[fields])
            outcome = await proceed(call)
            content = outcome.content
            if sure < 0 or (len(content) == 1 and type(content[0]) is Text and len(content[0].text) <= sure):
                return outcome
            return await _fitted(outcome, call.principal, budget)

        return results

    return policy


async def _fields(call: Call, proceed: Proceed, budget: Budget, asked: Any) -> Outcome:
    """The answer reduced to some fields. Paths that cannot be read are refused before anything is sent."""
    texts = [asked] if isinstance(asked, str) else asked
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or not texts:
        paths: tuple[Path, ...] = ()
    else:
        try:
            paths = read_paths(texts)
        except CallerError as error:
            return refusal(error)
    outcome = await proceed(call)
    if paths and not outcome.failed and outcome.structured is not None:
        outcome = await _projected(outcome, paths)
    return await _fitted(outcome, call.principal, budget) if budget.tokens else outcome


# -- an answer's parts -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A JSON answer: its value as the API meant it, and what its structured form has around it."""

    text: bytes
    wrapped: bool
    following: bytes = b""

    def outcome(self, outcome: Outcome, text: bytes, told: Sequence[Content]) -> Outcome:
        """The outcome with another text in the place of this one, and something told behind it."""
        structured = text
        if self.wrapped:
            tail = b',"%b":%b' % (KEPT_MEMBER.encode(), self.following) if self.following else b""
            structured = b'{"result":%b%b}' % (text, tail)
        return replace(outcome, structured=structured, content=(Text(text.decode()), *outcome.content[1:], *told))


def _json_answer(outcome: Outcome) -> _Answer | None:
    """The JSON of a good answer; None where it is text that only stands in JSON, or none at all."""
    structured, content = outcome.structured, outcome.content
    if structured is None or not content or not isinstance(content[0], Text):
        return None
    text = content[0].text
    if text[:64].lstrip("\ufeff \t\r\n")[:1] == "{":
        return _Answer(text=structured, wrapped=False) if not _is_quoted(structured, text) else None
    members = json.members(structured)
    if "result" not in members or _is_quoted(structured, text):
        return None
    following = members.get(KEPT_MEMBER, b"")
    return _Answer(text=bytes(memoryview(members["result"])), wrapped=True, following=bytes(memoryview(following)))


def _is_quoted(structured: bytes, text: str) -> bool:
    """Whether the structured form is the text as a string."""
    return structured.startswith(b'{"result":"') and structured.startswith(b'{"result":' + json.quoted(text))


def _behind(structured: bytes, text: str) -> bytes:
    """What stands behind the text as a string."""
    return structured[len(b'{"result":') + len(json.quoted(text)) :]


# -- fields ------------------------------------------------------------------------------------------------------------


async def _projected(outcome: Outcome, paths: Sequence[Path]) -> Outcome:
    length = len(outcome.structured or b"")
    answer: _Answer | None = await _worked(length, _json_answer, outcome)
    if answer is None or await _worked(length, has_more_commas, answer.text, MOST_PARTS):
        why = "has too many values" if answer is not None else "is no JSON"
        return replace(outcome, content=(*outcome.content, Text(f"[fields was not applied: the answer {why}]")))
    found: Projected = await _worked(length, project, answer.text, paths)
    if not found.unknown:
        return answer.outcome(outcome, found.text or b"", ())
    lines = [f"{path!r}{' (near it: ' + ', '.join(near) + ')' if near else ''}" for path, near in found.unknown.items()]
    none = "; nothing else was asked for, so this is the whole answer" if found.text is None else ""
    told = Text(f"[fields: the answer has no {'; no '.join(lines[:_TOLD_CUTS])}{none}]"[:_MOST_NOTE])
    shown = answer.outcome(outcome, found.text, (told,)) if found.text is not None else outcome
    if found.text is None:
        shown = replace(outcome, content=(*outcome.content, told))
    return replace(shown, meta={**outcome.meta, UNKNOWN_FIELDS: dict(list(found.unknown.items())[:_TOLD_CUTS])})


# -- the budget --------------------------------------------------------------------------------------------------------


async def _fitted(outcome: Outcome, principal: Principal, budget: Budget) -> Outcome:
    """The outcome within the budget."""
    if any(isinstance(part, Blob) for part in outcome.content):
        outcome = await _linked(outcome, principal, budget)
    texts = [part.text for part in outcome.content if isinstance(part, Text)]
    length = sum(map(len, texts))
    if length * 4 <= budget.room:
        return outcome
    sizes: list[int] = await _worked(length, _sizes, texts)
    if sum(sizes) <= budget.room:
        return outcome
    answer: _Answer | None = None if outcome.failed else await _worked(length, _json_answer, outcome)
    if answer is None:
        return await _cut_texts(outcome, principal, budget)
    note = min(_MOST_NOTE, max(240, budget.room // 5))
    room = max(budget.room - note - sum(sizes[1:]) - 40, budget.room // 3)
    shrunk: Shrunk = await _worked(len(answer.text), shrink, answer.text, room)
    if not shrunk.cuts and not shrunk.further:
        return answer.outcome(outcome, shrunk.text, ())
    link = await _kept(budget.keeper, principal, answer.text, "application/json", "answer.json")
    meta = _account(shrunk.cuts, shrunk.further, len(answer.text), budget, link)
    told = Text(_note(meta, note, budget))
    links = () if link is None else (link,)
    fitted = answer.outcome(outcome, shrunk.text, (*links, told))
    fitted.meta = {**outcome.meta, TRUNCATED: meta}
    return fitted


def _sizes(texts: Sequence[str]) -> list[int]:
    return [len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts]


def _account(cuts: Sequence[Cut], further: int, size: int, budget: Budget, link: Link | None) -> dict[str, Any]:
    told = []
    for cut in cuts:
        line: dict[str, Any] = {"pointer": cut.pointer, "kind": cut.kind, "kept": cut.kept, "of": cut.of}
        if cut.places > 1:
            line["places"] = cut.places
        if link is not None:
            following = _following(cut, link.uri)
            if following:
                line["next"] = following
        told.append(line)
    meta: dict[str, Any] = {"tokens": -(-size // 4), "limit": budget.tokens, "cut": told}
    if further:
        meta["further"] = further
    if link is not None:
        meta["uri"] = link.uri
    return meta


def _following(cut: Cut, uri: str) -> str:
    """Where the rest of what was cut is read; of cuts at many places, that of the first."""
    if cut.kind in {"rest", "repeated"} or cut.of is None:
        return uri_of(uri, start=0) if cut.kind == "rest" else ""
    start = cut.kept if cut.places == 1 and cut.kind != "value" else 0
    return uri_of(uri, pointer=cut.first, start=start)


_COUNTED = {"items": "items", "members": "members", "value": "bytes", "text": "characters"}
_USEFUL = ("repeated", "items", "rest", "members", "value", "text")


def _note(meta: dict[str, Any], room: int, budget: Budget) -> str:
    """What was cut, and how to get it, in at most ``room`` bytes; the most useful first."""
    head = f"[This answer has about {meta['tokens']:,} tokens and was cut to fit {budget.tokens:,}."
    uri = meta.get("uri")
    tail = f" All of it: resource {uri}" if uri else " It could not be kept; ask for less of it, or page by page"
    tail += ".]"
    lines: list[str] = []
    left = room - len(head) - len(tail)
    order = sorted(meta["cut"], key=lambda cut: _USEFUL.index(cut["kind"]))
    for cut in order[:_TOLD_CUTS]:
        line = next((line for line in _said(cut) if len(line.encode("utf-8", "replace")) <= left - 40), "")
        if not line:
            break
        left -= len(line.encode("utf-8", "replace"))
        lines.append(line)
    missing = len(meta["cut"]) - len(lines) + meta.get("further", 0)
    if missing:
        lines.append(f" Other places marked with …: {missing:,}.")
    return head + "".join(lines) + tail


def _said(cut: dict[str, Any]) -> Iterator[str]:
    """One cut, with where the rest is read and without."""
    places = f" at {cut['places']:,} places" if "places" in cut else ""
    of = f" of {cut['of']:,}" if cut["of"] is not None else ""
    if cut["kind"] == "repeated":
        line = " Of several members of one name only the last is shown."
    elif cut["kind"] == "rest":
        line = f" Only the first {cut['kept']:,}{of} bytes were looked at."
    else:
        line = f" {cut['pointer'] or 'the answer'}{places}: {cut['kept']:,}{of} {_COUNTED[cut['kind']]}."
    if "next" in cut and "places" not in cut:
        yield f"{line} The rest: resource {cut['next']}."
    yield line


async def _cut_texts(outcome: Outcome, principal: Principal, budget: Budget) -> Outcome:
    """Text that is no JSON, cut at the end of a line or of a character; of several the longest give way."""
    at = [number for number, part in enumerate(outcome.content) if isinstance(part, Text)]
    texts = [part.text for part in outcome.content if isinstance(part, Text)]
    sizes: list[int] = await _worked(sum(map(len, texts)), _sizes, texts)
    reserve = min(600, budget.room // 2)
    most = _equal(sizes, budget.room - reserve)
    shown, links, cuts, structured = list(outcome.content), [], [], outcome.structured
    for number, text, size in zip(at, texts, sizes, strict=True):
        if size <= most:
            continue
        head = cut_lines(text, most)
        shown[number] = Text(head)
        kept = len(head.encode("utf-8", "replace"))
        cut: dict[str, Any] = {"pointer": "", "kind": "text", "kept": len(head), "of": len(text)}
        cuts.append((cut, kept, size))
        if len(at) > 1:
            cut["part"] = number
        link = await _kept_text(text, principal, budget) if len(cuts) <= MOST_CUTS else None
        if link is not None:
            cut["next"] = uri_of(link.uri, start=kept)
            links.append(link)
        if number == 0 and structured is not None and await _worked(len(text), _is_quoted, structured, text):
            structured = b'{"result":' + json.quoted(head) + await _worked(len(text), _behind, structured, text)
    meta: dict[str, Any] = {
        "tokens": -(-sum(sizes) // 4),
        "limit": budget.tokens,
        "cut": [cut for cut, _, _ in cuts[:MOST_CUTS]],
    }
    if len(cuts) > MOST_CUTS:
        meta["further"] = len(cuts) - MOST_CUTS
    if len(cuts) == 1 and links:
        meta["uri"] = links[0].uri
    content = (*shown, *links, Text(_told_texts(cuts, budget, reserve)))
    return replace(outcome, content=content, structured=structured, meta={**outcome.meta, TRUNCATED: meta})


def _equal(sizes: Sequence[int], room: int) -> int:
    """The size that each may have, so that all of them fit."""
    waiting = len(sizes)
    for size in sorted(sizes):
        if size * waiting > room:
            break
        room -= size
        waiting -= 1
    return max(1, room // max(1, waiting))


def _told_texts(cuts: Sequence[tuple[dict[str, Any], int, int]], budget: Budget, room: int) -> str:
    """What of texts was cut, and where the rest is, in at most so many bytes."""
    if len(cuts) == 1:
        cut, kept, of = cuts[0]
        rest = f" The rest: resource {cut['next']}." if "next" in cut else ""
        return f"[The first {kept:,} of {of:,} bytes; cut to fit {budget.tokens:,} tokens.{rest}]"
    told = f"[{len(cuts)} texts were cut to fit {budget.tokens:,} tokens."
    for cut, kept, of in cuts:
        rest = f" The rest: resource {cut['next']}." if "next" in cut else ""
        line = f" Part {cut['part'] + 1}: the first {kept:,} of {of:,} bytes.{rest}"
        if len(told) + len(line) >= room:
            break
        told += line
    return f"{told}]"


# -- what is kept ------------------------------------------------------------------------------------------------------


async def _linked(outcome: Outcome, principal: Principal, budget: Budget) -> Outcome:
    """The outcome with links in the place of large files; what there is no room for is told of and stays."""
    content: list[Content] = []
    for part in outcome.content:
        link = None
        if isinstance(part, Blob) and len(part.data) > _largest(part.mime_type):
            link = await _kept(budget.keeper, principal, part.data, part.mime_type, part.name)
        content.append(part if link is None else link)
    return replace(outcome, content=tuple(content))


async def _kept_text(text: str, principal: Principal, budget: Budget) -> Link | None:
    content: bytes = await _worked(len(text), text.encode, "utf-8", "replace")
    return await _kept(budget.keeper, principal, content, "text/plain; charset=utf-8", "answer.txt")


def _largest(mime_type: str) -> int:
    return LARGEST_PICTURE if mime_type.startswith(("image/", "audio/")) else LARGEST_FILE


async def _kept(keeper: Keeper | None, principal: Principal, content: bytes, mime_type: str, name: str) -> Link | None:
    """Keep content for a principal, piece by piece, so that others are answered in between."""
    if keeper is None:
        return None
    if len(content) <= _PIECE:
        return keeper.keep(principal, content, mime_type=mime_type, name=name)
    draft = keeper.begin(principal)
    if draft is None:
        return None
    try:
        for start in range(0, len(content), _PIECE):
            if not draft.write(content[start : start + _PIECE]):
                return None
            await asyncio.sleep(0)
        kept = draft.keep(mime_type=mime_type, name=name)
    finally:
        # Whoever waits may have gone away; what was kept stays.
        draft.drop()
    return Link(uri=kept.uri, name=kept.name, mime_type=kept.mime_type, size=kept.size)


async def _worked(size: int, work: Any, *arguments: Any) -> Any:
    """What work on so many bytes comes to; beside the event loop where it takes a while."""
    return await asyncio.to_thread(work, *arguments) if size > _IN_THREAD else work(*arguments)
