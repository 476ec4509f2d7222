"""A call and its outcome: what the wire hands in and what it gets back, whatever era or transport it speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from apiloom.base.errors import ApiloomError
from apiloom.base.values import Value, field
from apiloom.identity.principal import ANYONE, Principal

Progress = Callable[[float, float | None, str], None]
"""``progress(done, total, message)``: never blocks, may be called from the event loop only; values must rise."""


def _silent(done: float, total: float | None, message: str) -> None:
    """Nobody asked to be told."""


class Call(Value, kw_only=True):
    """One request for work by one principal. ``timeout`` is in seconds from now; ``meta`` the request's ``_meta``."""

    tool: str
    arguments: dict[str, Any]
    kind: Literal["tool"] = "tool"
    principal: Principal = ANYONE
    progress: Progress = _silent
    timeout: float = 60.0
    meta: dict[str, Any] = field(default_factory=dict)


class Text(Value, frozen=True):
    """Text for the model."""

    text: str


class Blob(Value, frozen=True):
    """Bytes for the model: ``image/*`` and ``audio/*`` have content types of their own, others are resources."""

    data: bytes
    mime_type: str
    name: str = ""


class Link(Value, frozen=True, kw_only=True):
    """A resource that the same principal can read: what is too large for a result. ``size`` is in bytes."""

    uri: str
    name: str
    mime_type: str
    size: int
    description: str = ""


Content = Text | Blob | Link


class Visit(Value, frozen=True, kw_only=True):
    """A page that the person behind the client must visit before the call can succeed, such as one to connect.

    ``key`` names the request for it (the same for the same need), ``message`` says why in one sentence for that person.
    The URL carries no credential: whoever opens it must prove who they are.
    """

    key: str
    url: str
    message: str


class Outcome(Value, kw_only=True):
    """What came of a call.

    ``structured`` is one JSON object as encoded bytes without line breaks, or None. ``failed`` says that the model
    should read the content as an error it can act on; ``meta`` goes into the result's ``_meta``. ``visit`` is only set
    where the call failed for want of it; clients that can be asked to open a page are, others read the content.
    """

    content: tuple[Content, ...]
    structured: bytes | None = None
    failed: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    visit: Visit | None = None


def refusal(error: ApiloomError, **facts: Any) -> Outcome:
    """An error as an outcome the model can read: its sentence, and its code under ``dev.apiloom/error``."""
    meta = {"dev.apiloom/error": {"code": error.code, **facts}}
    return Outcome(content=(Text(error.sentence()),), failed=True, meta=meta)
