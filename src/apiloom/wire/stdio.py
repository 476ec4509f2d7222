"""MCP over a pair of byte streams, one JSON-RPC message per line, both eras on the same channel.

A request that carries the modern metadata is answered statelessly; ``initialize`` opens the legacy era for the rest.
Calls run side by side and are called off by ``notifications/cancelled``. The channel carries frames and nothing else.
Knows two streams; :mod:`apiloom.wire.pipes` knows where a process has them from.
Sources: MCP 2026-07-28, transports "stdio" and versioning; 2025-11-25, transports "stdio".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from apiloom.calls.endpoint import Directory
from apiloom.identity.principal import Principal
from apiloom.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Rejection
from apiloom.protocol.frames import (
    NO_PARAMS,
    Message,
    MessageId,
    Unreadable,
    error_frame,
    id_bytes,
    is_batch,
    read_message,
)
from apiloom.protocol.headers import settle
from apiloom.protocol.revisions import NEWEST_LEGACY, Revision, negotiated
from apiloom.protocol.visits import opens_pages
from apiloom.wire.changes import Listener, Turn
from apiloom.wire.dialogue import GONE, Answer, Ask, Dialogue, Progress, progress_token
from apiloom.wire.leash import Leash
from apiloom.wire.notices import PLAIN, Notices, subscription
from apiloom.wire.pipes import Reader, Writer, open_stdio
from apiloom.wire.running import Running, answer_batch, answer_frame, call_off, rejection_frame, run_call
from apiloom.wire.settings import WireSettings

LOCAL: Final = Principal(id="local")
"""Whoever started us: they hold both ends of the pipes."""

_CHUNK: Final = 64 * 1024
_SLOW: Final = frozenset({"tools/call", "resources/read", "subscriptions/listen"})
"""Requests that others do not wait for."""

_UNOPENED: Final = Rejection(
    INVALID_PARAMS, "A request must carry the protocol version and capabilities in params._meta, or follow initialize"
)


async def serve_standard(directory: Directory, settings: WireSettings, key: str = "") -> None:
    """Serve whoever started this process, on its standard input and output."""
    async with open_stdio() as (reader, writer):
        await serve_stdio(directory, settings, reader, writer, key)


async def serve_stdio(
    directory: Directory, settings: WireSettings, reader: Reader, writer: Writer, key: str = ""
) -> None:
    """Serve one client until its stream ends; then calls get ``settings.drain`` seconds to finish."""
    peer = _Peer(directory, settings, writer, key)
    try:
        async for line in read_lines(reader, settings.max_body):
            await peer.hear(line)
        await peer.finish()
    except ConnectionError:
        # Nobody reads what we say any more.
        return
    finally:
        await peer.stop()


async def read_lines(reader: Reader, most: int) -> AsyncIterator[bytes | None]:
    """Lines without their ends, None for one longer than ``most`` bytes. What stands before the end is a line too."""
    parts: list[bytes] = []
    size = 0
    while chunk := await reader.read(_CHUNK):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            yield b"".join([*parts, part]) if size + len(part) <= most else None
            parts, size = [], 0
        size += len(rest)
        # An endless line is counted, not kept.
        parts = [*parts, rest] if size <= most else []
    if size:
        yield b"".join(parts) if size <= most else None


class _Outlet:
    """The way out: whole frames, one per line."""

    __slots__ = ("_flushing", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._flushing: asyncio.Future[None] | None = None

    async def say(self, frame: bytes) -> None:
        """Write a frame and wait until there is room for another."""
        if frame:
            self._writer.write(frame + b"\n")
            await self._writer.drain()

    def offer(self, frame: bytes) -> None:
        """Write a frame that may be lost, unless the reader has fallen behind."""
        if self._flushing is None or self._flushing.done():
            self._writer.write(frame + b"\n")
            self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def close(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)


class _Peer:
    """One client at the other end of the streams."""

    __slots__ = (
        "_closing",
        "_dialogue",
        "_directory",
        "_key",
        "_opens",
        "_outlet",
        "_revision",
        "_running",
        "_settings",
        "_tasks",
        "_told",
    )

    def __init__(self, directory: Directory, settings: WireSettings, writer: Writer, key: str) -> None:
        self._directory = directory
        self._key = key
        self._settings = settings
        self._dialogue = Dialogue(directory, settings, key)
        self._outlet = _Outlet(writer)
        self._revision: Revision | None = None
        self._opens = False
        self._running: Running = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = False
        self._closing = asyncio.Event()

    async def hear(self, line: bytes | None) -> None:
        """Take one line: answer it, or begin to."""
        if line is None:
            rejection = Rejection(INVALID_REQUEST, f"The message is larger than {self._settings.max_body} bytes")
            await self._outlet.say(error_frame(None, rejection))
        elif not line.strip():
            return
        elif is_batch(line):
            await self._hear_batch(line)
        else:
            await self._hear_one(read_message(line))

    async def _hear_one(self, message: Message | Unreadable) -> None:
        if isinstance(message, Message) and message.method in _SLOW:
            self._spawn(self._work(message))
            # Let the call start before the next line is read: its cancellation may be that line.
            await asyncio.sleep(0)
        else:
            await self._outlet.say(await self._answer(message))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, message: Message | Unreadable) -> None:
        with contextlib.suppress(ConnectionError):
            await self._outlet.say(await self._answer(message))

    async def _answer(self, message: Message | Unreadable) -> bytes:
        """The response to a message; empty for what gets none."""
        if isinstance(message, Unreadable):
            return rejection_frame(message) if message.owed else b""
        if not message.method:
            return b""
        key = message.id
        if not isinstance(key, int | str):
            self._note(message)
            return b""
        answer_to = id_bytes(key)
        revision = self._settle(message)
        if isinstance(revision, Rejection):
            return error_frame(answer_to, revision)
        card = self._dialogue.card()
        if card is None:
            return error_frame(answer_to, GONE)
        ask = Ask(
            card=card,
            revision=revision,
            method=message.method,
            params=message.params or NO_PARAMS,
            principal=LOCAL,
            answer_to=answer_to,
            opens=self._opens,
        )
        if ask.method == "tools/call":
            return await self._call(ask, key)
        if ask.method == "resources/read":
            return answer_frame(answer_to, await self._dialogue.read(ask))
        if ask.method == "subscriptions/listen" and revision.modern:
            return await self._listen(ask, key)
        answer = self._dialogue.answer(ask)
        if ask.method == "initialize" and isinstance(answer, Answer):
            self._revision = negotiated(str(ask.params.protocol_version))
            self._opens = opens_pages(ask.params.capabilities)
        return answer_frame(answer_to, answer)

    def _settle(self, message: Message) -> Revision | Rejection:
        revision = settle(message, None)
        if isinstance(revision, Rejection) or revision.modern or message.method == "initialize":
            return revision
        if self._revision is None:
            # A ping may come before anything is agreed on (2025-11-25, lifecycle).
            return NEWEST_LEGACY if message.method == "ping" else _UNOPENED
        return self._revision

    def _busy(self, key: MessageId) -> Rejection | None:
        if key in self._running:
            return Rejection(INVALID_REQUEST, "A request under this id is still being answered")
        if len(self._running) >= self._settings.max_in_flight:
            return Rejection(INTERNAL_ERROR, "Too many requests at once; wait for one of them to be answered")
        return None

    async def _call(self, ask: Ask, key: MessageId) -> bytes:
        busy = self._busy(key)
        if busy is not None:
            return error_frame(ask.answer_to, busy)
        token = progress_token(ask.params.meta or {})
        progress = None if token is None else Progress(token, self._outlet.offer)
        with Leash() as leash:
            answer = await run_call(self._dialogue, ask, progress, leash=leash, running=self._running, key=key)
        return b"" if leash.gone else answer_frame(ask.answer_to, answer)

    async def _listen(self, ask: Ask, key: MessageId) -> bytes:
        notices = self._busy(key) or subscription(ask.params, ask.answer_to, ask.revision, ask.card)
        if isinstance(notices, Rejection):
            return error_frame(ask.answer_to, notices)
        leash = self._running[key] = Leash()
        try:
            with leash:
                await self._tell(notices, self._listener())
                return notices.ending
            return b""
        finally:
            del self._running[key]

    def _listener(self) -> Listener:
        return Listener(self._directory, self._key, self._closing)

    async def _tell(self, notices: Notices, listening: Listener) -> None:
        with contextlib.suppress(ConnectionError):
            async with listening as listener:
                await self._outlet.say(notices.opening)
                while (turn := await listener.turn(self._settings.keep_alive)) is not Turn.ENDED:
                    if turn is Turn.CHANGED:
                        await self._outlet.say(notices.change)

    def _note(self, message: Message) -> None:
        if message.method == "notifications/cancelled" and message.params is not None:
            call_off(self._running, message.params.request_id)
        elif message.method == "notifications/initialized" and self._revision is not None and not self._told:
            self._told = True
            # Made now, not when the task first runs: what changes in between must not be missed.
            self._spawn(self._tell(PLAIN, self._listener()))

    async def _hear_batch(self, line: bytes) -> None:
        if self._revision is None or not self._revision.batches:
            rejection = Rejection(INVALID_REQUEST, "A line must hold one JSON object; this revision has no batches")
            return await self._outlet.say(error_frame(None, rejection))
        self._spawn(self._work_batch(line))
        return await asyncio.sleep(0)

    async def _work_batch(self, line: bytes) -> None:
        answered = await answer_batch(line, self._settings.max_batch, self._answer)
        with contextlib.suppress(ConnectionError):
            await self._outlet.say(error_frame(None, answered) if isinstance(answered, Rejection) else answered)

    async def finish(self) -> None:
        """The client says no more: end subscriptions, and let calls finish for a moment."""
        self._closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain)

    async def stop(self) -> None:
        """Cancel whatever still runs."""
        self._closing.set()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._outlet.close()
