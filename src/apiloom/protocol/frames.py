"""JSON-RPC messages in and out as bytes: read in one pass, written by splicing, never through dictionaries.

Knows the shape of a message and of the parameters we read; not which method means what. A message is read with its
parameters at once; only a message that fails is looked at again, slowly, to say what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from apiloom.base import json
from apiloom.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, Rejection

MessageId = int | str


class Filter(Struct, frozen=True, rename="camel"):
    """What a subscription asks for; we serve changes of tools only."""

    tools_list_changed: bool | None = None


class Params(Struct, rename="camel"):
    """Every member of ``params`` that we read, whatever the method. Others are ignored."""

    name: str | UnsetType = UNSET
    arguments: dict[str, Any] | None = None
    meta: dict[str, Any] | None = field(default=None, name="_meta")
    cursor: str | None = None
    uri: str | UnsetType = UNSET
    protocol_version: str | UnsetType = UNSET
    client_info: Any = None
    capabilities: Any = None
    level: str | UnsetType = UNSET
    notifications: Filter | UnsetType = UNSET
    request_id: int | str | None = None
    request_state: str | None = None
    input_responses: dict[str, Any] | None = None


NO_PARAMS: Final = Params()


class Message(Struct):
    """One JSON-RPC message: a request (method and id), a notification (method only) or a response (no method)."""

    jsonrpc: str
    id: int | str | UnsetType | None = UNSET
    method: str = ""
    params: Params | None = None
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no message we can act on, with the id to answer to if one could be made out.

    ``owed`` is False for a malformed notification: its sender waits for nothing, and a shared channel stays silent.
    """

    rejection: Rejection
    id: MessageId | None = None
    owed: bool = True


_message = msgspec.json.Decoder(Message)
_entries = msgspec.json.Decoder(list[Raw])


def read_message(text: bytes) -> Message | Unreadable:
    """Decode one message.

    A response, a notification and a request all come back as :class:`Message`; anything else says why not: ``-32700``
    for what is not JSON, ``-32600`` for what is not JSON-RPC 2.0, ``-32602`` for parameters of the wrong shape.
    """
    try:
        message = _message.decode(text)
    except (ValueError, RecursionError) as error:
        return _diagnose(text, error)
    if message.jsonrpc != "2.0":
        return Unreadable(Rejection(INVALID_REQUEST, 'The member "jsonrpc" must be "2.0"'), _known(message.id))
    if message.method:
        if message.id is None:
            return Unreadable(Rejection(INVALID_REQUEST, "A request's id must be a string or an integer, not null"))
        return message
    if message.result is UNSET and message.error is UNSET:
        return Unreadable(Rejection(INVALID_REQUEST, 'The member "method" is missing'), _known(message.id))
    return message


def is_batch(text: bytes) -> bool:
    """Whether the bytes begin like a JSON array."""
    return text[:64].lstrip(b" \t\r\n")[:1] == b"["


def read_batch(text: bytes, most: int) -> list[Message | Unreadable] | Rejection:
    """Decode a batch of at most ``most`` messages (2025-03-26, "Batching"; JSON-RPC 2.0 section 6)."""
    try:
        entries = _entries.decode(text)
    except (ValueError, RecursionError):
        return Rejection(PARSE_ERROR, "The body is not valid JSON")
    if not entries:
        return Rejection(INVALID_REQUEST, "A batch must hold at least one message")
    if len(entries) > most:
        return Rejection(INVALID_REQUEST, f"A batch may hold at most {most} messages, this one has {len(entries)}")
    return [read_message(bytes(entry)) for entry in entries]


def _known(value: object) -> MessageId | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _diagnose(text: bytes, error: Exception) -> Unreadable:
    """Say what is wrong with bytes that did not decode, answering to the id when it can be made out."""
    try:
        value = json.loads(text)
    except ValueError:
        return Unreadable(Rejection(PARSE_ERROR, "The body is not valid JSON"))
    if not isinstance(value, dict):
        return Unreadable(Rejection(INVALID_REQUEST, "A message must be one JSON object"))
    known = _known(value.get("id"))
    if "id" in value and known is None:
        return Unreadable(Rejection(INVALID_REQUEST, "A message's id must be a string or an integer"))
    if value.get("jsonrpc") != "2.0" or not isinstance(value.get("method", ""), str):
        return Unreadable(Rejection(INVALID_REQUEST, "This is not a JSON-RPC 2.0 message"), known)
    # Only the parameters are left to blame; msgspec's sentence names the member and the types, never a value.
    where = " ".join(str(error).replace("$.params", "params").split())
    return Unreadable(Rejection(INVALID_PARAMS, where), known, "id" in value)


def id_bytes(value: MessageId) -> bytes:
    """An id as JSON, ready to splice."""
    return json.quoted(value) if isinstance(value, str) else b"%d" % value


def result_frame(answer_to: bytes, result: bytes) -> bytes:
    """A response around an encoded result object."""
    return b'{"jsonrpc":"2.0","id":' + answer_to + b',"result":' + result + b"}"


def error_frame(answer_to: bytes | None, rejection: Rejection) -> bytes:
    """An error response; without ``id`` when none could be read (2026-07-28, "Error Responses")."""
    error: dict[str, Any] = {"code": rejection.code, "message": rejection.message}
    if rejection.data is not None:
        error["data"] = rejection.data
    head = b'{"jsonrpc":"2.0",' if answer_to is None else b'{"jsonrpc":"2.0","id":' + answer_to + b","
    return head + b'"error":' + json.dumps(error) + b"}"


def notification_frame(method: str, params: bytes = b"") -> bytes:
    """A notification around an encoded params object; no params at all when it is empty."""
    tail = b',"params":' + params + b"}" if params else b"}"
    return b'{"jsonrpc":"2.0","method":"' + method.encode() + b'"' + tail
