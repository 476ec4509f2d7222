"""Construct fixtures: what a document says, what is called, and the exact bytes, schemas and results that must follow.

``tests/constructs/README.md`` describes the format. Everything here is strict: a key that nobody reads, or a fixture
that claims nothing, is a mistake in the fixture and told as such. How requests are put together is not known here:
bytes recorded at a socket are compared with bytes that stand in a file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from apiloom.readers.parse import parse

FOLDER = Path(__file__).resolve().parents[1] / "constructs"
VERDICTS = ("supported", "gated", "partly")
UNNAMED = frozenset({"host", "user-agent", "accept-encoding", "accept", "content-length", "transfer-encoding"})
"""Headers that are compared only where a fixture names them: how a body is framed, and what says who asks."""

_TOP = {
    "construct": str,
    "rows": list,
    "verdict": str,
    "why": str,
    "document": dict,
    "text": str,
    "text_base64": str,
    "files": dict,
    "entry": str,
    "options": dict,
    "refused": str,
    "ledger": dict,
    "findings": list,
    "no_findings": list,
    "reasons": dict,
    "names": dict,
    "tools": dict,
    "calls": list,
}
_SOURCES = ("document", "text", "text_base64", "files")
_CLAIMS = ("refused", "ledger", "findings", "no_findings", "reasons", "names", "tools", "calls")
_LEDGER = {"exposed": int, "gated": int, "quarantined": int}
_TOOL = {
    "input": dict,
    "view": dict,
    "views": dict,
    "output": (dict, type(None)),
    "strict_output": (dict, type(None)),
    "title": str,
    "description": str,
    "description_has": (str, list),
    "annotations": dict,
    "arguments": dict,
}
_CALL = {
    "tool": str,
    "arguments": dict,
    "sends": (str, list),
    "body_base64": str,
    "or_sends": list,
    "to": (str, list),
    "refused": str,
    "answer": (dict, list),
    "result": dict,
}
_ANSWER = {"status": int, "headers": dict, "body": object, "body_base64": str}
_RESULT = {
    "structured": object,
    "text": str,
    "text_has": (str, list),
    "text_lacks": (str, list),
    "failed": bool,
    "meta": dict,
    "blobs": list,
    "content": list,
}


class FixtureError(AssertionError):
    """A fixture says something that nothing reads, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Construct:
    """One fixture, checked for its form. ``tree`` is what the file says."""

    name: str
    tree: Mapping[str, Any]

    @property
    def item(self) -> int:
        return int(self.name.split("_")[0])

    def write(self, folder: Path) -> str:
        """Write the document as files and return the path of the one to serve."""
        files = self.tree.get("files")
        if files is None:
            name = "openapi.json" if "document" in self.tree else "openapi.yaml"
            files = {name: self._content()}
            entry = name
        else:
            entry = self.tree["entry"]
        for place, content in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else _written(content))
        return str(folder / entry)

    def _content(self) -> bytes:
        if "text_base64" in self.tree:
            return base64.b64decode(self.tree["text_base64"], validate=True)
        return _written(self.tree["document"] if "document" in self.tree else self.tree["text"])


def _written(content: Any) -> bytes:
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def names() -> list[str]:
    """The name of every fixture, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def construct(name: str) -> Construct:
    """One fixture by its name.

    Raises:
        FixtureError: see :func:`read_construct`.
    """
    return read_construct(name, (FOLDER / f"{name}.yaml").read_bytes())


def read_construct(name: str, content: bytes) -> Construct:
    """One fixture from its text.

    Raises:
        FixtureError: a key is unknown, misses, has the wrong kind of value, or nothing is claimed.
    """
    tree, findings = parse(content, name)
    if findings:
        raise FixtureError(f"{name}: {findings[0].message}")
    if not name[:2].isdigit() or not isinstance(tree, dict):
        raise FixtureError(f"{name}: a fixture is called NN_short_name and is a mapping")
    for problem in _problems(tree):
        raise FixtureError(f"{name}: {problem}")
    return Construct(name, tree)


def _problems(tree: Mapping[str, Any]) -> Iterator[str]:
    yield from _form(tree, _TOP, "the fixture")
    yield from (f"{key} is missing" for key in ("construct", "verdict") if not tree.get(key))
    if tree.get("verdict") not in VERDICTS:
        yield f"the verdict is one of {', '.join(VERDICTS)}"
    if (tree.get("verdict") == "supported") == ("why" in tree):
        yield "why belongs to gated and partly, and to them alone"
    if sum(key in tree for key in _SOURCES) != 1:
        yield f"exactly one of {', '.join(_SOURCES)} is needed"
    if ("files" in tree) != ("entry" in tree):
        yield "files and entry go together"
    if not any(tree.get(key) for key in _CLAIMS):
        yield "nothing is claimed"
    if tree.get("verdict") == "gated" and not (tree.get("reasons") or tree.get("refused") or _refusals(tree)):
        yield "a gated construct names the reason (reasons, or refused)"
    yield from _form(tree.get("ledger", {}), _LEDGER, "ledger")
    for name, tool in tree.get("tools", {}).items():
        yield from _form(tool, _TOOL, f"the tool {name}")
        if not tool:
            yield f"nothing is claimed about the tool {name}"
    for number, call in enumerate(tree.get("calls", ()), 1):
        yield from _about_call(call, f"call {number}")


def _refusals(tree: Mapping[str, Any]) -> list[str]:
    return [call["refused"] for call in tree.get("calls", ()) if call.get("refused")]


def _about_call(call: Mapping[str, Any], place: str) -> Iterator[str]:
    yield from _form(call, _CALL, place)
    if "tool" not in call:
        yield f"{place} names no tool"
    if not {"sends", "refused", "result", "body_base64"} & call.keys():
        yield f"{place} claims nothing"
    if "refused" in call and {"sends", "or_sends", "answer", "to", "body_base64"} & call.keys():
        yield f"{place} is refused, so nothing is sent or answered"
    if "or_sends" in call and not isinstance(call.get("sends"), str):
        yield f"{place}: or_sends stands beside one sends"
    if "body_base64" in call and not isinstance(call.get("sends"), str):
        yield f"{place}: body_base64 stands beside the head in sends"
    for answer in answers_of(call):
        yield from _form(answer, _ANSWER, f"the answer of {place}")
    yield from _form(call.get("result", {}), _RESULT, f"the result of {place}")
    for key in ("text_has", "text_lacks"):
        parts = call.get("result", {}).get(key, [])
        if isinstance(parts, list) and not all(isinstance(part, str) for part in parts):
            yield f"{key} of the result of {place} lists what is no text"


def _form(value: Any, allowed: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place} is no mapping"
        return
    for key, member in value.items():
        kind = allowed.get(key)
        if kind is None:
            yield f"{place} has the unknown key {key!r}"
        elif not isinstance(member, kind) or (kind is int and isinstance(member, bool)):
            yield f"{key} of {place} is a {type(member).__name__}"


def answers_of(call: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the upstream says to a call, request by request."""
    said = call.get("answer", {})
    return said if isinstance(said, list) else [said]


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three different values, and members have no order."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request in the form that is compared: header names in lower case, different headers in any order."""

    line: str
    headers: tuple[str, ...]
    body: bytes

    def shown(self) -> str:
        """The request as a fixture would write it."""
        body = self.body.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        return "\n".join([self.line, *self.headers, *(["", body] if body else [])])


def expected(text: str, body_base64: str | None = None) -> tuple[Sent, frozenset[str]]:
    """A request as a fixture writes it, and the names of the headers that it speaks of.

    The final line break is the file's. Line breaks of a body stand for CRLF only in multipart bodies, whose format
    demands them.
    """
    head, _, rest = text.partition("\n\n")
    line, *fields = head.strip("\n").split("\n")
    headers = _ordered(fields)
    names = frozenset(field.partition(":")[0].lower() for field in fields)
    body = rest.removesuffix("\n").encode()
    if _is_multipart(headers):
        body = body.rstrip(b"\n").replace(b"\n", b"\r\n")
    if body_base64 is not None:
        if body:
            raise FixtureError("a body stands in sends or in body_base64, not in both")
        body = base64.b64decode(body_base64, validate=True)
    return Sent(line, headers, body), names


def recorded(raw: bytes, names: frozenset[str], origin: str) -> Sent:
    """A request as it came through the socket; ``origin`` is where it was meant to go."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    kept = []
    for field in fields:
        name, _, value = field.partition(":")
        shown = origin.partition("://")[2] if name.lower() == "host" else value.strip(" ")
        if name.lower() in names or name.lower() not in UNNAMED:
            kept.append(f"{name}: {shown}")
    headers = _ordered(kept)
    # The line break behind the last boundary belongs to an epilogue that nobody reads (RFC 2046 section 5.1.1).
    return Sent(line, headers, body.removesuffix(b"\r\n") if _is_multipart(headers) else body)


def _is_multipart(headers: tuple[str, ...]) -> bool:
    return any(field.startswith("content-type: multipart/") for field in headers)


def _ordered(fields: list[str]) -> tuple[str, ...]:
    pairs = [field.partition(":") for field in fields]
    named = [(name.strip().lower(), value.strip(" ")) for name, _, value in pairs]
    return tuple(f"{name}: {value}" for name, value in sorted(named, key=lambda pair: pair[0]))
