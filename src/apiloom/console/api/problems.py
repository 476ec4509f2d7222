"""Every refusal of the admin API in one shape: the table from error codes to HTTP statuses, and the problem itself.

A problem (RFC 9457) has always the same eight members and never holds what the caller sent, for that may be a secret.
Knows nothing of resources; the door and the application stand on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError

MEDIA_TYPE: Final = "application/problem+json"

_BY_CODE: Final = {
    "api.busy": 503,
    "api.failed": 500,
    "api.media_type": 415,
    "api.method": 405,
    "api.no_route": 404,
    "api.not_yet": 501,
    "api.scope": 403,
    "api.slow": 408,
    "api.token": 401,
    "api.too_deep": 400,
    "api.too_large": 413,
    "api.unreadable": 400,
    "connect.code": 404,
    "identity.forbidden": 403,
    "identity.unreachable": 503,
    "identity.wider": 403,
    "import.busy": 503,
    "store.exists": 409,
    "store.stale": 412,
    "store.unreachable": 503,
}
_BY_LAST_WORD: Final = {"not_found": 404, "conflict": 409, "depended_on": 409, "exists": 409, "stale": 412}

_LONGEST_POINTER: Final = 200

_JSON_WORDS: Final = (
    ("a valid dictionary", "an object"),
    ("a valid list", "a list"),
    ("a valid string", "a text"),
    ("a valid boolean", "true or false"),
    ("a valid integer", "a whole number"),
)
"""What the validation library calls things, and what JSON's readers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal. ``pointer`` (RFC 6901) leads into the body; empty when it is not about one place of it."""

    status: int
    code: str
    detail: str
    hint: str = ""
    pointer: str = ""

    def body(self, request_id: str) -> bytes:
        """As JSON."""
        return json.dumps(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                "hint": self.hint,
                "pointer": self.pointer,
                "request_id": request_id,
            }
        )


def status_of(error: ApiloomError) -> int:
    """The HTTP status of an error: by its code, by its code's last word, else by who must act."""
    known = _BY_CODE.get(error.code)
    if known is None and isinstance(error, CallerError):
        known = _BY_LAST_WORD.get(error.code.rpartition(".")[2])
    if known is not None:
        return known
    if isinstance(error, UpstreamError):
        return 502
    return 422 if isinstance(error, CallerError | DesignError) else 500


def problem_of(error: ApiloomError) -> Problem:
    """An error as a problem."""
    return Problem(
        status=status_of(error),
        code=error.code,
        detail=error.message,
        hint=error.hint,
        pointer=str(error.facts.get("pointer", "")),
    )


def failed(request_id: str) -> Problem:
    """What is said when we broke; the log says more under the number."""
    return Problem(
        status=500, code="api.failed", detail="something went wrong on our side", hint=f"report it with {request_id}"
    )


def invalid(found: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem of a request that is not of the form its operation takes.

    Args:
        found: a validation library's list: ``loc`` says where, ``msg`` what is expected. What was given is never read.
    """
    first = found[0] if found else {"loc": ("body",), "msg": "it is not of the form that this operation takes"}
    place, *path = first["loc"] or ("body",)
    said = str(first["msg"]).removeprefix("Value error, ")
    for theirs, ours in _JSON_WORDS:
        said = said.replace(theirs, ours)
    pointer = _pointer(path) if place == "body" else ""
    where = pointer or (f"{place} parameter {_short(path)}" if place in {"query", "path", "header"} else "the body")
    more = f"; {len(found) - 1} more like it" if len(found) > 1 else ""
    return Problem(
        status=422,
        code="api.invalid",
        detail=f"{where}: {said[:1].lower()}{said[1:]}{more}"[:500],
        hint="GET /api/v1/openapi.json says what each operation takes",
        pointer=pointer,
    )


def _short(path: Iterable[Any]) -> str:
    return ".".join(str(part) for part in path)[:60]


def _pointer(path: Iterable[Any]) -> str:
    text = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return text[:_LONGEST_POINTER]
