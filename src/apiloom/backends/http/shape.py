"""Good answers become outcomes: text for the model, the same JSON as structured content, bytes where text will not do.

JSON is checked but never rebuilt: what the API sent is what the model reads, and splicing costs a fraction of parsing
and writing. Answers that mean no are next door in :mod:`failures`.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiloom.backends.http.events import SEQUENCES, read_sequence
from apiloom.backends.http.failures import unreadable
from apiloom.backends.http.files import linked
from apiloom.backends.http.media import decoded, is_coded, is_json_type, is_textual, media_type, status_line
from apiloom.backends.http.parts import read_parts
from apiloom.base import json
from apiloom.calls.call import Blob, Content, Outcome, Text
from apiloom.net.disposition import file_name
from apiloom.net.request import Cut, Response

_USUAL = frozenset(
    f"application/json{rest}" for rest in ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
)
_PLAIN = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
_TOLD_WHEN_EMPTY = (
    "location",
    "content-location",
    "etag",
    "last-modified",
    "link",
    "allow",
    "accept-patch",
    "accept-post",
    "retry-after",
    "preference-applied",
    "x-total-count",
    "x-request-id",
)
_NEVER_TOLD = frozenset(("set-cookie", "set-cookie2", "connection", "keep-alive", "transfer-encoding", "alt-svc"))
_MOST_HEADERS = 60
_LONGEST_HEADER = 500
_CUT: Mapping[Cut, str] = {
    "time": "(the stream did not end in time; this is what came of it)",
    "size": "(the stream is longer than is taken of one; this is its beginning)",
    "broken": "(the connection broke before the stream ended; this is what came of it)",
}


def shape(method: str, response: Response, headers: Mapping[str, str], *, structured_always: bool) -> Outcome:
    """A 1xx to 3xx answer as an outcome.

    Args:
        method: of the request; answers to HEAD and OPTIONS are their headers.
        response: the answer, free of credentials.
        headers: the answer's headers by lower-case name.
        structured_always: the tool advertises an output schema, so structured content must be there.
    """
    body = response.body
    usual = response.status == 200 and body.startswith(b"{") and headers.get("content-type") in _USUAL
    if usual and method in _PLAIN and json.is_json(body):
        # nearly every answer; the long way below would come to the same
        return Outcome(content=(Text(body.decode()),), structured=json.one_line(body))
    if response.sink is not None:
        return linked(method, response.sink, headers, structured_always=structured_always)
    if response.status >= 300 or not (body or response.cut) or method == "HEAD":
        return _without_body(method, response, headers, structured_always=structured_always)
    content_type = headers.get("content-type", "")
    media = media_type(content_type)
    if is_coded(headers.get("content-encoding", "")):
        return unreadable(method, headers["content-encoding"], len(body))
    outcome = _sequence(response, media, content_type) if media in SEQUENCES else None
    if response.cut and outcome is None:
        body = body[: body.rfind(b"\n") + 1]  # what was cut in two may be half a secret
    if outcome is None:
        outcome = _json(body, media, content_type, structured_always=structured_always)
    if outcome is None:
        outcome = _other(body, media, headers, structured_always=structured_always)
    if response.cut:
        return Outcome(content=(*outcome.content, Text(_CUT[response.cut])), structured=outcome.structured)
    if method == "OPTIONS" or (response.status in {201, 202} and "location" in headers):
        told = Text(_headers_told(method, response, headers))
        return Outcome(content=(*outcome.content, told), structured=outcome.structured)
    return outcome


def _json(body: bytes, media: str, content_type: str, *, structured_always: bool) -> Outcome | None:
    """The outcome of a JSON answer, or None when it is none, whatever it was declared as."""
    start = body.lstrip()[:1] if body[:1] in b" \t\r\n\xef" else body[:1]
    if start == b"\xef":  # a byte order mark, which RFC 8259 section 8.1 lets us ignore
        body = body.removeprefix(b"\xef\xbb\xbf")
        start = body.lstrip()[:1]
    if not is_json_type(media):
        # no type at all, or a tool that promises JSON and is answered under another name
        guess = not media or (structured_always and media in {"text/plain", "text/html", "application/octet-stream"})
        if not guess or start not in (b"{", b"["):
            return None
    if not json.is_json(body):
        body = decoded(body, content_type).encode() if "charset" in content_type.lower() else b""
        if not body or not json.is_json(body):
            return None
        start = body.lstrip()[:1]
    line = json.one_line(body)
    structured = line if start == b"{" else b'{"result":' + line + b"}"
    return Outcome(content=(Text(body.decode()),), structured=structured)


def _sequence(response: Response, media: str, content_type: str) -> Outcome | None:
    """Events, or values one after another, as a list; None where they are no such thing."""
    listed = read_sequence(media, decoded(response.body, content_type), whole=not response.cut)
    if listed is None:
        return None
    return Outcome(content=(Text(listed.decode()),), structured=b'{"result":' + listed + b"}")


def _other(body: bytes, media: str, headers: Mapping[str, str], *, structured_always: bool) -> Outcome:
    parts = read_parts(headers.get("content-type", ""), body) if media.startswith("multipart/") else None
    if parts:
        content = tuple(_piece(part, inner, headers) for inner, part in parts)
        return Outcome(content=content, structured=b"{}" if structured_always else None)
    if is_textual(media, body):
        text = decoded(body, headers.get("content-type", ""))
        structured = b'{"result":' + json.quoted(text) + b"}" if structured_always else None
        return Outcome(content=(Text(text),), structured=structured)
    blob = Blob(body, media or "application/octet-stream", file_name(headers.get("content-disposition", "")))
    return Outcome(content=(blob,), structured=b"{}" if structured_always else None)


def _piece(body: bytes, headers: Mapping[str, str], around: Mapping[str, str]) -> Content:
    """One part of an answer in several: as text where it is some, else as bytes."""
    content_type = headers.get("content-type", "")
    media = media_type(content_type) or ("" if "form-data" in around.get("content-type", "") else "text/plain")
    if is_textual(media, body):
        return Text(decoded(body, content_type))
    name = file_name(headers.get("content-disposition", ""))
    return Blob(body, media or "application/octet-stream", name)


def _without_body(method: str, response: Response, headers: Mapping[str, str], *, structured_always: bool) -> Outcome:
    """An empty answer, one that is its headers, or a redirection, which is told and never followed."""
    content: list[Content] = [Text(_headers_told(method, response, headers))]
    if response.status >= 300 and response.body:
        media = media_type(headers.get("content-type", ""))
        if is_textual(media, response.body) and "html" not in media:
            content.append(Text(decoded(response.body, headers.get("content-type", ""))[:4000]))
    return Outcome(content=tuple(content), structured=b"{}" if structured_always else None)


def _headers_told(method: str, response: Response, headers: Mapping[str, str]) -> str:
    lines = [status_line(response.status)]
    if method in {"HEAD", "OPTIONS"}:
        told = [(name, value) for name, value in response.headers if name not in _NEVER_TOLD][:_MOST_HEADERS]
    else:
        told = [(name, headers[name]) for name in _TOLD_WHEN_EMPTY if name in headers]
    lines += [f"{name}: {value[:_LONGEST_HEADER]}" for name, value in told]
    if response.status in {301, 302, 303, 307, 308}:
        lines.append("(the redirection was not followed)")
    return "\n".join(lines)
