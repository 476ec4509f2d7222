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
from types import MappingProxyType
from typing import Any, Final

from apiloom.base import json
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.base.values import Value
from apiloom.calls.call import Blob, Call, Outcome, Text, Visit, refusal
from apiloom.calls.endpoint import Directory
from apiloom.identity.principal import Principal
from apiloom.protocol import results
from apiloom.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, Rejection
from apiloom.protocol.frames import Params, notification_frame, result_frame
from apiloom.protocol.headers import CAPABILITIES_KEY, RESERVED, VERSION_KEY
from apiloom.protocol.revisions import Revision, negotiated
from apiloom.protocol.visits import asking, opens_pages, required
from apiloom.wire import resources
from apiloom.wire.card import Card
from apiloom.wire.settings import WireSettings
from apiloom.wire.visits import MOST_ASKED, Visits, named

_log = logging.getLogger("apiloom.wire")

LEVELS: Final = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
"""Log levels of ``logging/setLevel`` (RFC 5424); we accept one and send no logs."""

LIMITS_KEY: Final = "dev.apiloom/ratelimit"
"""The member of an outcome's meta that a transport may also tell in its own way."""

_NOT_THEIRS: Final = (RESERVED, "progressToken")
_USUAL: Final = frozenset((VERSION_KEY, CAPABILITIES_KEY, RESERVED + "clientInfo", "progressToken"))

GONE: Final = Rejection(INTERNAL_ERROR, "There is no server here")
"""The answer for a key without an endpoint."""


class Ask(Value, kw_only=True):
    """One request, its revision settled and its caller known. ``answer_to`` is its id as JSON.

    ``opens`` says that a legacy client can be asked to open a page; a modern one says so in each request.
    """

    card: Card
    revision: Revision
    method: str
    params: Params
    principal: Principal
    answer_to: bytes
    opens: bool = False


class Answer(Value):
    """An encoded response, and the rate limits that came with it."""

    frame: bytes
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


def progress_token(meta: Mapping[str, Any]) -> int | str | None:
    """The token a caller wants progress under: a string or an integer."""
    token = meta.get("progressToken")
    return token if isinstance(token, str) or type(token) is int else None


class Dialogue:
    """Answers requests for the endpoint under one key of a Directory."""

    __slots__ = ("_card", "_directory", "_key", "_settings", "_visits")

    def __init__(
        self, directory: Directory, settings: WireSettings, key: str = "", visits: Visits | None = None
    ) -> None:
        self._directory = directory
        self._visits = visits or Visits()
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
        """Answer a request that takes no time: all but ``tools/call``, ``resources/read`` and subscriptions."""
        plain = _PLAIN.get(ask.method)
        if plain is None or ask.method not in ask.revision.methods:
            return Rejection(METHOD_NOT_FOUND, f"Method not found: {ask.method[:80]}")
        result = plain(ask)
        return result if isinstance(result, Rejection) else Answer(result_frame(ask.answer_to, result))

    async def call(self, ask: Ask, progress: Progress | None = None) -> Answer | Rejection:
        """Answer ``tools/call``. Everything the call came to is a result; only an unknown tool is a rejection.

        Cancelling the task that runs this cancels the call.
        """
        params = ask.params
        if not isinstance(params.name, str):
            return Rejection(INVALID_PARAMS, "params.name must be the name of a tool")
        asked: tuple[str, ...] = ()
        if params.request_state is not None and ask.revision.visits == "result":
            opened = self._visits.open(params.request_state, self._bound(ask), params.input_responses)
            if isinstance(opened, Rejection):
                return opened
            asked = opened
        # Which era spoke, and the caller's token for progress, are no business of the rooms below.
        meta = params.meta
        own = {} if meta is None or meta.keys() <= _USUAL else _own(meta)
        call = Call(
            tool=params.name,
            arguments=params.arguments if params.arguments is not None else {},
            principal=ask.principal,
            timeout=self._settings.call_timeout,
            meta=own,
        )
        if progress is not None:
            call.progress = progress
        try:
            outcome = await ask.card.endpoint.run(call)
            return (outcome.visit and self._asking(ask, outcome.visit, asked)) or _encoded(ask, outcome)
        except ApiloomError as error:
            return _refused(ask, error)
        except Exception as error:  # noqa: BLE001 - the outer wall
            return _wall(error)
        finally:
            if progress is not None:
                progress.over = True

    def _asking(self, ask: Ask, visit: Visit, asked: tuple[str, ...]) -> Answer | Rejection | None:
        """The client asked to open a page, in its revision's way; None where it cannot be, or was asked already."""
        key = named(visit.key)
        told = (key, visit.url, visit.message)
        if ask.revision.visits == "error":
            return required(told) if ask.opens else None
        bound = self._bound(ask)
        meta = ask.params.meta or {}
        if not (ask.revision.visits and bound and opens_pages(meta.get(CAPABILITIES_KEY))):
            return None
        if key in asked or len(asked) >= MOST_ASKED:
            return None
        return Answer(asking(_imprint(ask), ask.answer_to, told, self._visits.seal(bound, (*asked, key))))

    def _bound(self, ask: Ask) -> bytes:
        return self._visits.bound(ask.principal, ask.params)

    async def read(self, ask: Ask) -> Answer | Rejection:
        """Answer ``resources/read``, which takes a while for what is large."""
        try:
            result = await resources.read(ask.card.endpoint, _imprint(ask), ask.principal, ask.params.uri)
        except Exception as error:  # noqa: BLE001 - the outer wall
            return _wall(error)
        return result if isinstance(result, Rejection) else Answer(result_frame(ask.answer_to, result))


def _imprint(ask: Ask) -> results.Imprint:
    return ask.card.imprints[ask.revision.name]


def _own(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if not key.startswith(_NOT_THEIRS)}


def _refused(ask: Ask, error: ApiloomError) -> Answer | Rejection:
    if error.code == "call.unknown_tool":
        return Rejection(INVALID_PARAMS, error.sentence())
    if isinstance(error, HouseFault):
        _log.error("a call failed by our fault: %s", error.code)
    return _encoded(ask, refusal(error))


def _encoded(ask: Ask, outcome: Outcome) -> Answer:
    pieces: list[bytes] = []
    for content in outcome.content:
        if pieces:
            pieces.append(b",")
        if isinstance(content, Text):
            pieces += (results.TEXT_HEAD, json.quoted(content.text), results.TEXT_TAIL)
        elif isinstance(content, Blob):
            pieces.append(results.blob_block(content.data, content.mime_type, content.name))
        else:
            pieces.append(resources.link(ask.revision, content))
    frame = results.call_frame(
        ask.card.imprints[ask.revision.name],
        ask.answer_to,
        pieces,
        structured=outcome.structured,
        failed=outcome.failed,
        meta=json.dumps(outcome.meta) if outcome.meta else results.EMPTY,
    )
    return Answer(frame, outcome.meta.get(LIMITS_KEY) if outcome.meta else None)


def _wall(error: Exception) -> Rejection:
    """What is left of an exception nobody expected: a number to find it by. Its message may hold anything."""
    number = secrets.token_hex(8)
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    _log.error("a call failed unexpectedly: %s at %s (request %s)", type(error).__name__, where, number)
    sentence = "Something went wrong on our side; quote the request id when you report it"
    return Rejection(INTERNAL_ERROR, sentence, {"dev.apiloom/request_id": number})


def _discover(ask: Ask) -> bytes | Rejection:
    return ask.card.discovery(ask.revision)


def _initialize(ask: Ask) -> bytes | Rejection:
    asked = ask.params.protocol_version
    if not isinstance(asked, str):
        return Rejection(INVALID_PARAMS, "params.protocolVersion must be a string")
    return ask.card.initialization(negotiated(asked))


def _list_tools(ask: Ask) -> bytes | Rejection:
    page = ask.card.tools(ask.revision, ask.params.cursor)
    if page is None:
        return Rejection(INVALID_PARAMS, "The cursor is not valid, or the list has changed; list again without one")
    return page


def _list_resources(ask: Ask) -> bytes | Rejection:
    return resources.list_resources(ask.card.endpoint, _imprint(ask), ask.principal, ask.params.cursor)


def _list_templates(ask: Ask) -> bytes | Rejection:
    return resources.list_templates(_imprint(ask))


def _set_level(ask: Ask) -> bytes | Rejection:
    if ask.params.level not in LEVELS:
        return Rejection(INVALID_PARAMS, f"params.level must be one of {', '.join(sorted(LEVELS))}")
    return results.EMPTY


def _ping(ask: Ask) -> bytes | Rejection:  # noqa: ARG001 - one shape for all
    return results.EMPTY


_PLAIN: Final[Mapping[str, Callable[[Ask], bytes | Rejection]]] = MappingProxyType(
    {
        "server/discover": _discover,
        "initialize": _initialize,
        "ping": _ping,
        "logging/setLevel": _set_level,
        "tools/list": _list_tools,
        "resources/list": _list_resources,
        "resources/templates/list": _list_templates,
    }
)
