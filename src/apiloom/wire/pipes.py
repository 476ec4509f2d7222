"""This process's standard streams as a pair of asynchronous ones, kept clean for frames.

While they are open, whatever else is written to standard output goes to standard error, so that a stray ``print`` of
some library cannot break the protocol. Pipes and sockets are read by the event loop; files and terminals by a thread,
because making them non-blocking would change them for every other process that shares them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import stat
import sys
import threading
from collections.abc import AsyncIterator
from typing import Final, Protocol

_LIMIT: Final = 1024 * 1024


class Reader(Protocol):
    """Bytes in; none at the end."""

    async def read(self, n: int, /) -> bytes: ...


class Writer(Protocol):
    """Bytes out. ``drain`` returns when there is room for more."""

    def write(self, data: bytes, /) -> None: ...

    async def drain(self) -> None: ...


@contextlib.asynccontextmanager
async def open_stdio(source: int = 0, target: int = 1) -> AsyncIterator[tuple[Reader, Writer]]:
    """Standard input and output (or two other file descriptors) as reader and writer."""
    sys.stdout.flush()
    kept = os.dup(target)
    os.dup2(2, target)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(_restore, kept, target)
        yield await _reader(source, stack), await _writer(kept, stack)


def _restore(kept: int, target: int) -> None:
    sys.stdout.flush()
    os.dup2(kept, target)
    os.close(kept)


def _waits(descriptor: int) -> bool:
    """Whether the event loop can wait for it without changing it for others."""
    mode = os.fstat(descriptor).st_mode
    return os.name == "posix" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


async def _reader(descriptor: int, stack: contextlib.AsyncExitStack) -> Reader:
    if not _waits(descriptor):
        return _ThreadReader(descriptor)
    reader = asyncio.StreamReader(limit=_LIMIT)
    file = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    stack.callback(transport.close)
    return reader


async def _writer(descriptor: int, stack: contextlib.AsyncExitStack) -> Writer:
    file = os.fdopen(os.dup(descriptor), "wb", buffering=0)
    if not _waits(descriptor):
        stack.callback(file.close)
        return _PlainWriter(file.fileno())
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.streams.FlowControlMixin(loop=loop), file)
    stack.callback(transport.close)
    return asyncio.StreamWriter(transport, protocol, None, loop)


class _ThreadReader:
    """Reads a descriptor in a thread of its own, one read for each one asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._asked: queue.SimpleQueue[tuple[int, asyncio.Future[bytes]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="apiloom-stdin", daemon=True).start()

    async def read(self, n: int, /) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.put((n, future))
        return await future

    def _work(self) -> None:
        chunk = b"begin"
        while chunk:
            count, future = self._asked.get()
            try:
                chunk = os.read(self._descriptor, count)
            except OSError:
                chunk = b""
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_settle, future, chunk)


def _settle(future: asyncio.Future[bytes], chunk: bytes) -> None:
    if not future.done():
        future.set_result(chunk)


class _PlainWriter:
    """Writes a file or a terminal at once; neither makes us wait for long."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    async def drain(self) -> None:
        """Nothing is ever held back."""
