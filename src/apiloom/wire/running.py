"""One ``tools/call`` on a leash: it can be called off by its id while it runs, whatever transport it came by.

Also the frames that answers and rejections become, the same on every transport.
"""

from __future__ import annotations

from apiloom.protocol.errors import Rejection
from apiloom.protocol.frames import MessageId, Unreadable, error_frame, id_bytes, result_frame
from apiloom.wire.dialogue import Answer, Ask, Dialogue, Progress
from apiloom.wire.leash import Leash

Running = dict[MessageId, Leash]
"""Calls now running, by the id of their request."""


async def run_call(
    dialogue: Dialogue, ask: Ask, leash: Leash, *, progress: Progress | None, running: Running | None, key: MessageId
) -> Answer | Rejection | None:
    """Answer a call, or None when it was called off: then nobody wants to hear of it any more.

    A second request under an id that is already running cannot be called off; the first keeps its place.
    """
    if running is not None:
        running.setdefault(key, leash)
    try:
        with leash:
            answer = await dialogue.call(ask, progress)
            return None if leash.gone else answer
        return None
    finally:
        if running is not None and running.get(key) is leash:
            del running[key]


def call_off(running: Running, key: MessageId | None) -> None:
    """Cancel the call under an id, if one is running; unknown ids are ignored (basic/patterns/cancellation)."""
    leash = running.get(key) if key is not None else None
    if leash is not None:
        leash.pull()


def answer_frame(answer_to: bytes, answer: Answer | Rejection) -> bytes:
    """An answer as a response."""
    return error_frame(answer_to, answer) if isinstance(answer, Rejection) else result_frame(answer_to, answer.result)


def rejection_frame(unreadable: Unreadable) -> bytes:
    """What is sent back for bytes that were no message."""
    answer_to = None if unreadable.id is None else id_bytes(unreadable.id)
    return error_frame(answer_to, unreadable.rejection)
