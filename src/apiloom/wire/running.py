"""Calls that can be called off by the id of their request while they run; the same on every transport.

Also the frames that answers, rejections and batches become.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from apiloom.protocol.errors import Rejection
from apiloom.protocol.frames import Message, MessageId, Unreadable, error_frame, id_bytes, read_batch
from apiloom.wire.dialogue import Answer, Ask, Dialogue, Progress
from apiloom.wire.leash import Leash

Running = dict[MessageId, Leash]
"""Calls now running, by the id of their request."""


async def run_call(
    dialogue: Dialogue, ask: Ask, progress: Progress | None, *, leash: Leash, running: Running, key: MessageId
) -> Answer | Rejection:
    """Answer a call whose leash others may pull under its id.

    A second request under an id that is already running cannot be called off; the first keeps its place.
    """
    running.setdefault(key, leash)
    try:
        return await dialogue.call(ask, progress)
    finally:
        if running.get(key) is leash:
            del running[key]


def call_off(running: Running, key: MessageId | None) -> None:
    """Cancel the call under an id, if one is running; unknown ids are ignored (basic/patterns/cancellation)."""
    leash = running.get(key) if key is not None else None
    if leash is not None:
        leash.pull()


async def answer_batch(
    text: bytes, most: int, answer_one: Callable[[Message | Unreadable], Awaitable[bytes]]
) -> bytes | Rejection:
    """Answer the messages of a batch side by side, in one array; empty when none of them is owed an answer."""
    entries = read_batch(text, most)
    if isinstance(entries, Rejection):
        return entries
    frames = [frame for frame in await asyncio.gather(*map(answer_one, entries)) if frame]
    return b"[" + b",".join(frames) + b"]" if frames else b""


def answer_frame(answer_to: bytes, answer: Answer | Rejection) -> bytes:
    """An answer as a response."""
    return error_frame(answer_to, answer) if isinstance(answer, Rejection) else answer.frame


def rejection_frame(unreadable: Unreadable) -> bytes:
    """What is sent back for bytes that were no message."""
    answer_to = None if unreadable.id is None else id_bytes(unreadable.id)
    return error_frame(answer_to, unreadable.rejection)
