"""Tool calls as model APIs return them, and the reply message each of them wants.

Three forms are understood, as plain dictionaries or as the SDKs' objects: Anthropic ``tool_use`` blocks, OpenAI Chat
Completions ``tool_calls`` members, OpenAI Responses ``function_call`` items. Nothing is executed here: a caller stands
between :func:`read_tool_call` and :func:`render_tool_result`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from apiloom.base import json
from apiloom.base.errors import CallerError

Form = Literal["anthropic", "chat", "responses"]

Part = str | tuple[bytes, str]
"""One piece of an answer: text, or bytes with their media type."""


class Answer(Protocol):
    """What came of a call, by shape only: pieces of ``content`` have ``text``, or ``data`` and ``mime_type``."""

    @property
    def content(self) -> Iterable[object]: ...

    @property
    def failed(self) -> bool: ...


MOST_ARGUMENT_CHARACTERS = 16 * 1024 * 1024
"""Characters of a call's arguments; no model writes more, so more is a mistake."""

_ANTHROPIC_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """What a model asked for. ``id`` ties the reply to it; ``form`` says whose reply it will be."""

    name: str
    arguments: dict[str, Any]
    id: str
    form: Form


def read_tool_call(block: object) -> ToolCall:
    """Understand one returned tool call.

    Raises:
        CallerError: ``tool_call.form`` when the block is none of the three forms, ``tool_call.arguments`` when its
            arguments are no JSON object.
    """
    kind = _member(block, "type")
    if kind == "tool_use":
        return _call(block, _member(block, "input"), _member(block, "id"), "anthropic")
    if kind == "function_call":
        return _call(block, _member(block, "arguments"), _member(block, "call_id"), "responses")
    function = _member(block, "function")
    if kind in {"function", None} and function is not None:
        return _call(function, _member(function, "arguments"), _member(block, "id"), "chat")
    raise CallerError(
        "this is no tool call",
        code="tool_call.form",
        hint="give a tool_use block (Anthropic), a member of tool_calls or a function_call item (OpenAI)",
        type=str(kind)[:80],
    )


def render_tool_result(call: ToolCall, answer: Answer) -> dict[str, Any]:
    """The message part that answers a call.

    Anthropic: a ``tool_result`` block for the content of the next user message. Chat Completions: a whole ``tool``
    message. Responses: a ``function_call_output`` item of the next input. Where a form has no place for some bytes,
    a line of text says what they were; only Anthropic's has a place to say that the call failed.
    """
    parts = [_part(piece) for piece in answer.content]
    if call.form == "anthropic":
        return _anthropic(call, parts, failed=answer.failed)
    return _RENDERERS[call.form](call, parts)


def _part(piece: object) -> Part:
    text = getattr(piece, "text", None)
    return text if isinstance(text, str) else (_member(piece, "data"), _member(piece, "mime_type"))


def _call(named: object, arguments: object, call_id: object, form: Form) -> ToolCall:
    name = _member(named, "name")
    if not isinstance(name, str) or not name:
        raise CallerError("this tool call names no tool", code="tool_call.form", hint="pass the block on unchanged")
    return ToolCall(name=name, arguments=_arguments(name, arguments), id=str(call_id or ""), form=form)


def _arguments(name: str, given: object) -> dict[str, Any]:
    value = given
    if isinstance(given, str):
        if len(given) > MOST_ARGUMENT_CHARACTERS:
            raise CallerError(
                f"the arguments of {name} are over {MOST_ARGUMENT_CHARACTERS} characters",
                code="tool_call.arguments",
                hint="ask the model for less",
            )
        try:
            # Models leave the text empty for a tool without arguments.
            value = json.loads(given) if given.strip() else {}
        except ValueError:
            value = None
    if value is None and not isinstance(given, str):
        value = {}
    if not isinstance(value, Mapping):
        raise CallerError(
            f"the arguments of {name} are no JSON object",
            code="tool_call.arguments",
            hint="tell the model so and let it call again",
        )
    return dict(value)


def _member(block: object, name: str) -> Any:
    return block.get(name) if isinstance(block, Mapping) else getattr(block, name, None)


def _anthropic(call: ToolCall, parts: Sequence[Part], *, failed: bool) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": [_anthropic_part(part) for part in parts],
    }
    if failed:
        block["is_error"] = True
    return block


def _anthropic_part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data, mime_type = part
    if mime_type in _ANTHROPIC_IMAGES:
        return {"type": "image", "source": _base64_source(data, mime_type)}
    if mime_type == "application/pdf":
        return {"type": "document", "source": _base64_source(data, mime_type)}
    return {"type": "text", "text": _told(data, mime_type)}


def _base64_source(data: bytes, mime_type: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": mime_type, "data": base64.b64encode(data).decode()}


def _chat(call: ToolCall, parts: Sequence[Part]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call.id, "content": _text(parts)}


def _responses(call: ToolCall, parts: Sequence[Part]) -> dict[str, Any]:
    output: str | list[dict[str, Any]] = _text(parts)
    if any(not isinstance(part, str) and part[1].startswith("image/") for part in parts):
        output = [_responses_part(part) for part in parts]
    return {"type": "function_call_output", "call_id": call.id, "output": output}


def _responses_part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    data, mime_type = part
    if mime_type.startswith("image/"):
        return {"type": "input_image", "image_url": f"data:{mime_type};base64,{base64.b64encode(data).decode()}"}
    return {"type": "input_text", "text": _told(data, mime_type)}


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part if isinstance(part, str) else _told(*part) for part in parts)


def _told(data: bytes, mime_type: str) -> str:
    return f"[{len(data)} bytes of {mime_type or 'application/octet-stream'}, which cannot be shown here]"


_RENDERERS: dict[Form, Callable[[ToolCall, Sequence[Part]], dict[str, Any]]] = {"chat": _chat, "responses": _responses}
