"""Answers and errors that mean no, told so that a model can act on them.

One line says what happened, the body's own words follow, a hint says what to do. Secrets were removed before; queries
are never shown, since keys may stand in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiloom.backends.http.limits import Limits, limits_sentence
from apiloom.backends.http.media import decoded, is_coded, is_textual, media_type, status_line
from apiloom.base import json
from apiloom.base.errors import ApiloomError, UpstreamError
from apiloom.calls.call import Outcome, Text, refusal
from apiloom.net.request import Request, Response

_EXCERPT = 4_000
_MESSAGE = 500
_PARSED = 1024 * 1024
_MESSAGE_KEYS = ("message", "error_description", "error_message", "detail", "title", "description", "reason", "msg")
_NESTED_KEYS = ("error", "errors", "fault", "meta", "status", "Error", "details")
_TAGS = re.compile(r"<(script|style)\b.{0,5000}?</\1\s*>|<[^<>]{0,5000}>", re.DOTALL | re.IGNORECASE)

_SAFE_TO_REPEAT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"))
_NOT_CARRIED_OUT = frozenset((425, 429, 503))
_PASSING = frozenset((408, 500, 502, 504))
_MAY_HAVE_HAPPENED = "the request may have been carried out; check before repeating it"

_HINTS: Mapping[int, str] = {
    400: "check the arguments against the tool's input schema and the message above",
    404: "check the identifiers in the arguments; what they name may not exist, or not be visible to this credential",
    405: "the API does not allow this method here; the document and the server disagree",
    406: "the API cannot answer in a form this tool accepts",
    408: "try again later",
    409: "it conflicts with the present state; read the resource again, then decide",
    410: "it existed once and is gone for good",
    412: "a precondition did not hold; read the resource again and send its current version or ETag",
    413: "send less in one request",
    415: "the API does not take this body's media type; the document and the server disagree",
    422: "check the arguments against the tool's input schema and the message above",
    423: "the resource is locked; try again later",
    428: "the API wants a precondition such as If-Match; read the resource first",
    429: "wait before the next call, and make fewer",
    451: "the API may not give this out for legal reasons",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Credentials around a refused request: variables that would have been needed, and schemes that were used.

    ``at_account`` says that credentials lie at an account: then those that would have been needed are schemes.
    """

    lacking: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    at_account: bool = False


def refused(request: Request, response: Response, limits: Limits | None, wanted: Wanted) -> Outcome:
    """A 4xx or 5xx answer as a failed outcome. It never carries structured content, which would break a schema."""
    status = response.status
    path = request.target.partition("?")[0]
    lines = [f"{request.method} {path[:500]} answered {status_line(status)}"]
    lines += [line for line in (_said(response), f"limits: {limits_sentence(limits)}" if limits else "") if line]
    hint = _hint(status, wanted)
    if hint:
        lines.append(f"hint: {hint}")
    retryable = status in _NOT_CARRIED_OUT or (status in _PASSING and request.method in _SAFE_TO_REPEAT)
    code = "upstream.limited" if status == 429 else "upstream.refused" if status < 500 else "upstream.failed"
    meta = {"dev.apiloom/error": {"code": code, "status": status, "retryable": retryable}}
    return Outcome(content=(Text("\n".join(lines)),), failed=True, meta=meta)


def unsigned(wanted: Wanted) -> str:
    """What is said of a request that nothing is signed with though something is asked for; empty otherwise."""
    if not wanted.lacking:
        return ""
    return f"no credentials are sent with this: set {_to_set(wanted)}"


def unanswered(error: ApiloomError, request: Request | None) -> Outcome:
    """What kept a request from being sent or answered, as a failed outcome. ``request`` is None before it was planned.

    Only a request that certainly did nothing, or may be repeated, is called retryable.
    """
    if not isinstance(error, UpstreamError) or request is None:
        return refusal(error, retryable=False)
    never_sent = error.code in {"net.refused", "net.dns"}
    passing = never_sent or error.code in {"net.timeout", "net.broken"}
    repeatable = never_sent or request.method in _SAFE_TO_REPEAT
    if passing and not repeatable:
        error.hint = f"{error.hint}; {_MAY_HAVE_HAPPENED}" if error.hint else _MAY_HAVE_HAPPENED
    return refusal(error, retryable=passing and repeatable)


def unreadable(method: str, coding: str, size: int) -> Outcome:
    """A good answer in a content coding that nobody asked for: its bytes would be noise to any reader."""
    told = f"the API answered with {size:,} bytes in the content coding {coding[:40]}, which was not asked for"
    error = UpstreamError(told, code="upstream.coding", hint="the API disregards Accept-Encoding")
    return refusal(error, retryable=method in _SAFE_TO_REPEAT)


def _to_set(wanted: Wanted) -> str:
    return f"{' and '.join(wanted.lacking)} {'at the account' if wanted.at_account else 'where apiloom runs'}"


def _hint(status: int, wanted: Wanted) -> str:
    if status in {401, 403}:
        if wanted.lacking:
            return f"no credentials were sent; set {_to_set(wanted)}"
        if wanted.given:
            what = "was not accepted" if status == 401 else "does not allow this"
            return f"the credential for {' and '.join(wanted.given)} {what}; check its value and its permissions"
        how = "give the connector the option auth" if wanted.at_account else "start apiloom with --auth"
        return f"the document asks for no credentials here; if the API wants some, {how}"
    if status >= 500:
        return "the API failed; try again later"
    return _HINTS.get(status, "")


def _said(response: Response) -> str:
    """The body's own words: an error message on top if one is found, then an excerpt."""
    body = response.body
    if not body:
        return ""
    kind = media_type(response.header("content-type"))
    if is_coded(response.header("content-encoding")):
        return f"(a body of {len(body):,} bytes in the content coding {response.header('content-encoding')[:40]})"
    if not is_textual(kind, body):
        return f"(a body of {len(body):,} bytes, {kind or 'of no declared type'})"
    text = decoded(body[: 4 * _EXCERPT], response.header("content-type")).strip()
    if "html" in kind:
        text = " ".join(_TAGS.sub(" ", text).split())
    excerpt = text[:_EXCERPT] + ("…" if len(text) > _EXCERPT or len(body) > 4 * _EXCERPT else "")
    message = _message(body) if body[:1] in b"{[" and len(body) <= _PARSED else ""
    if not message or message == excerpt or (len(text) < _MESSAGE and message in text):
        return excerpt
    return f"{message}\n{excerpt}"


def _message(body: bytes) -> str:
    """The message inside a JSON error, in the spellings that are common (RFC 9457, OAuth, Google, Stripe, GitHub)."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return ""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str):
            return " ".join(value.split())[:_MESSAGE]
        if not isinstance(value, dict):
            return ""
        found = next((value[key] for key in _MESSAGE_KEYS if isinstance(value.get(key), str) and value[key]), None)
        nested = next(
            (value[key] for key in _NESTED_KEYS if isinstance(value.get(key), (dict, list)) and value[key]), None
        )
        value = found if found is not None else nested if nested is not None else value.get("error")
    return ""
