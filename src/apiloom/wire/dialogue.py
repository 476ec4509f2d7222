"""What an MCP server answers, whatever transport carries the words and whichever revision they are in.

One value per request goes in (:class:`Ask`), an encoded result or a rejection comes out. Above stand the transports,
which find the revision and frame the answer; below, the Endpoint. Knows no socket, no header and no session table.
This is the outer wall of a call: nothing an endpoint raises passes it, and nothing it raises is shown.
"""

from __future__ import annotations

import logging
import math
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from apiloom.base import json
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.calls.call import Blob, Call, Outcome, Text, refusal
from apiloom.calls.endpoint import Directory, Endpoint
from apiloom.identity.principal import Principal
from apiloom.protocol import results
from apiloom.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, Rejection
from apiloom.protocol.frames import Params, notification_frame
from apiloom.protocol.headers import RESERVED
from apiloom.protocol.revisions import Revision, negotiated
from apiloom.wire.card import Card
from apiloom.wire.settings import WireSettings

_log = logging.getLogger("apiloom.wire")

LEVELS: Final = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
"""Log levels of ``logging/setLevel`` (RFC 5424); we accept one and send no logs."""

LIMITS_KEY: Final = "dev.apiloom/ratelimit"
"""The member of an outcome's meta that a transport may also tell in its own way."""

_NOT_THEIRS: Final = (RESERVED, "progressToken")

_GONE: Final = Rejection(INTERNAL_ERROR, "There is no server here any more")


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request, its revision settled and its caller known."""

    revision: Revision
    method: str
    params: Params
    principal: Principal


@dataclass(slots=True)
class Answer:
    """An encoded result object, and the rate limits that came with it."""

    result: bytes
    limits: Mapping[str, Any] | None = None


class Progress:
    """A call's progress as notifications: only rising values, nothing once it is over (basic/patterns/progress)."""

    __slots__ = ("_emit", "_last", "_token", "over")

    def __init__(self, token: int | str, emit: Callable[[bytes], None]) -> None:
        self._token = token
        self._emit = emit
        self._last = -math.inf
        self.over = False

    def __call__(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell it, unless it does not rise; NaN and infinity have no JSON and are dropped."""
        if self.over or not done > self._last or not math.isfinite(done):
            return
        self._last = done
        told = total if total is not None and math.isfinite(total) else None
        self._emit(notification_frame("notifications/progress", results.progress(self._token, done, told, message)))


def progress_token(params: Params) -> int | str | None:
    """The token a caller wants progress under: a string or an integer."""
    token = params.meta.get("progressToken") if params.meta else None
    return token if isinstance(token, str) or type(token) is int else None


class Dialogue:
    """Answers requests for the endpoint under one key of a Directory."""

    __slots__ = ("_card", "_directory", "_key", "_settings")

    def __init__(self, directory: Directory, settings: WireSettings, key: str = "") -> None:
        self._directory = directory
        self._settings = settings
        self._key = key
        self._card: Card | None = None

    def card(self) -> Card | None:
        """The card of the endpoint now serving, or None when there is none."""
        endpoint = self._directory.get(self._key)
        card = self._card
        if card is not None and card.endpoint is endpoint:
            return card
        self._card = None if endpoint is None else Card(endpoint, self._settings)
        return self._card

    def answer(self, ask: Ask) -> Answer | Rejection:
        """Answer a request that takes no time: all but ``tools/call`` and ``subscriptions/listen``."""
        plain = _PLAIN.get(ask.method)
        if plain is None or ask.method not in ask.revision.methods:
            return unknown_method(ask.method)
        card = self.card()
        return _GONE if card is None else plain(card, ask)

    async def call(self, ask: Ask, progress: Progress | None = None) -> Answer | Rejection:
        """Answer ``tools/call``. Everything the call came to is a result; only an unknown tool is a rejection.

        Cancelling the task that runs this cancels the call.
        """
        card = self.card()
        if card is None:
            return _GONE
        params = ask.params
        name = params.name
        if not isinstance(name, str):
            return Rejection(INVALID_PARAMS, "params.name must be the name of a tool")
        call = Call(
            tool=name,
            arguments=params.arguments if params.arguments is not None else {},
            principal=ask.principal,
            timeout=self._settings.call_timeout,
            meta=_own_meta(params.meta) if params.meta else {},
        )
        if progress is not None:
            call.progress = progress
        try:
            outcome = await _run(card.endpoint, call)
            if isinstance(outcome, Rejection):
                return outcome
            return _encoded(outcome, ask.revision, card)
        except Exception as error:  # noqa: BLE001 - the outer wall
            return _wall(error)
        finally:
            if progress is not None:
                progress.over = True


async def _run(endpoint: Endpoint, call: Call) -> Outcome | Rejection:
    try:
        return await endpoint.run(call)
    except ApiloomError as error:
        if error.code == "call.unknown_tool":
            return Rejection(INVALID_PARAMS, error.sentence())
        if isinstance(error, HouseFault):
            _log.error("a call failed by our fault: %s", error.code)
        return refusal(error)


def _own_meta(meta: dict[str, Any]) -> dict[str, Any]:
    # Which era spoke, and the caller's token for progress, are no business of the rooms below.
    return {key: value for key, value in meta.items() if not key.startswith(_NOT_THEIRS)}


def _encoded(outcome: Outcome, revision: Revision, card: Card) -> Answer:
    content = outcome.content
    first = content[0] if len(content) == 1 else None
    result = results.call_result(
        revision,
        results.text_block(first.text) if isinstance(first, Text) else b",".join(map(_block, content)),
        structured=outcome.structured,
        failed=outcome.failed,
        meta=json.dumps(outcome.meta) if outcome.meta else results.EMPTY,
        signed=card.signatures[revision.name],
    )
    return Answer(result, outcome.meta.get(LIMITS_KEY) if outcome.meta else None)


def _block(content: Text | Blob) -> bytes:
    if isinstance(content, Text):
        return results.text_block(content.text)
    return results.blob_block(content.data, content.mime_type, content.name)


def _wall(error: Exception) -> Rejection:
    """What is left of an exception nobody expected: a number to find it by. Its message may hold anything."""
    number = secrets.token_hex(8)
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    _log.error("a call failed unexpectedly: %s at %s (request %s)", type(error).__name__, where, number)
    sentence = "Something went wrong on our side; quote the request id when you report it"
    return Rejection(INTERNAL_ERROR, sentence, {"dev.apiloom/request_id": number})


def unknown_method(method: str) -> Rejection:
    """``-32601``, naming the method."""
    return Rejection(METHOD_NOT_FOUND, f"Method not found: {method[:80]}")


def _discover(card: Card, ask: Ask) -> Answer | Rejection:
    return Answer(card.discovery(ask.revision))


def _initialize(card: Card, ask: Ask) -> Answer | Rejection:
    asked = ask.params.protocol_version
    if not isinstance(asked, str):
        return Rejection(INVALID_PARAMS, "params.protocolVersion must be a string")
    return Answer(card.initialization(negotiated(asked)))


def _list_tools(card: Card, ask: Ask) -> Answer | Rejection:
    page = card.tools(ask.revision, ask.params.cursor)
    if page is None:
        return Rejection(INVALID_PARAMS, "The cursor is not valid, or the list has changed; list again without one")
    return Answer(page)


def _set_level(card: Card, ask: Ask) -> Answer | Rejection:  # noqa: ARG001 - one shape for all
    if ask.params.level not in LEVELS:
        return Rejection(INVALID_PARAMS, f"params.level must be one of {', '.join(sorted(LEVELS))}")
    return Answer(results.EMPTY)


def _ping(card: Card, ask: Ask) -> Answer | Rejection:  # noqa: ARG001 - one shape for all
    return Answer(results.EMPTY)


_PLAIN: Final[Mapping[str, Callable[[Card, Ask], Answer | Rejection]]] = MappingProxyType(
    {
        "server/discover": _discover,
        "initialize": _initialize,
        "ping": _ping,
        "logging/setLevel": _set_level,
        "tools/list": _list_tools,
    }
)
