"""One worker process from this side: started when needed, fed, listened to, and killed by its number.

Everything that goes through its pipes goes in pieces, so that thirteen megabytes hold up nobody else's call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping

from apiloom.app.workers.bounds import Bounds
from apiloom.app.workers.frames import HEAD_SIZE, Frame, read_sizes, read_text, write_frame
from apiloom.app.workers.messages import error_from_frame, imported_from_frame, job_to_frame
from apiloom.base.errors import ApiloomError, DesignError, HouseFault
from apiloom.flows.ground import Imported, ImportJob

PIECE = 128 * 1024
"""Bytes that go through a pipe between two looks at everything else."""

_MOST_SAID = 1_000
_INHERITED = frozenset(
    {
        "APILOOM_ALLOW_ADDRESSES",
        "APILOOM_CA_FILE",
        "APILOOM_CLIENT_CERTIFICATE",
        "APILOOM_PROXY",
        "LANG",
        "LC_ALL",
        "PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "SYSTEMROOT",
        "all_proxy",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
"""What of our environment a worker has, also in capitals: the way out, and nothing that is secret."""

_FEW_THREADS = {"MALLOC_ARENA_MAX": "2", "TOKIO_WORKER_THREADS": "2"}
"""Threads reserve address space, which is bounded: on a machine of many cores it would be all of it."""


class Worker:
    """A process that is there or not; one job at a time."""

    def __init__(self, bounds: Bounds, environment: Mapping[str, str] = os.environ) -> None:
        self._bounds = bounds
        inherited = {name: value for name, value in environment.items() if _is_inherited(name)}
        self._environment = inherited | _FEW_THREADS
        self._process: Process | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._busy = False

    @property
    def pid(self) -> int | None:
        """The number of the process, if there is one that lives."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        """Run one job; whatever ends it before its time ends the process too.

        Raises:
            ApiloomError: whatever the job raised; ``import.bounds``, ``import.failed``.
        """
        if self._ending is not None:
            self._ending.cancel()
        whole = False
        self._busy = True
        try:
            async with asyncio.timeout(self._bounds.seconds):
                last = await self._asked(job, say)
            imported = _outcome(last, job)
            peak = last.told.get("peak")
            whole = isinstance(peak, int) and peak < self._bounds.retire
        except TimeoutError:
            raise _over_bounds("time") from None
        except ValueError:
            raise _failed("answered what is no answer") from None
        except ApiloomError as error:
            whole = error.code not in ("import.bounds", "import.failed")
            raise
        finally:
            self._busy = False
            if whole:
                self._ending = asyncio.get_running_loop().call_later(self._bounds.idle, self._kill)
            else:
                await self._end()
        return imported

    async def close(self) -> None:
        """End the process, if there is one, and wait until it is gone; a job that it is at fails."""
        if self._busy:
            self._kill()
            if self._process is not None:
                await self._process.wait()
        else:
            await self._end()

    async def _end(self) -> None:
        """Kill the process and read what it had said still, without which its pipes would stay open."""
        if self._ending is not None:
            self._ending.cancel()
        self._kill()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.shield(_gone(process))

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _asked(self, job: ImportJob, say: Callable[[str], None]) -> Frame:
        """The last frame of a job's answer."""
        process = await self._ready()
        try:
            await _send(process, job_to_frame(job))
            for _ in range(_MOST_SAID):
                frame = await _receive(process)
                match frame.told.get("kind"):
                    case "say":
                        say(str(frame.told.get("text"))[:300])
                    case "fault":
                        raise _failed(f"{frame.told.get('type')} at {frame.told.get('place')}"[:200])
                    case _:
                        return frame
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._ended(process) from None
        raise _failed("does not come to an end")

    async def _ready(self) -> Process:
        """A process that is alive and has said that it is ready."""
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        bounds = self._bounds
        words = {"--memory": bounds.memory, "--cpu": bounds.cpu, "--nice": bounds.nice}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "apiloom.app.workers.main"),
            *(str(word) for pair in words.items() for word in pair),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=self._environment,
            cwd=os.sep,
            start_new_session=True,
            limit=2 * PIECE,
        )
        try:
            frame = await _receive(self._process)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._ended(self._process) from None
        if frame.told.get("kind") != "ready":
            raise _failed("does not start")
        return self._process

    async def _ended(self, process: Process) -> ApiloomError:
        """Why a process is gone: ended by a limit, or by a fault of ours."""
        code = await process.wait()
        if code == -getattr(signal, "SIGXCPU", 0):
            return _over_bounds("time")
        return _over_bounds("time or memory") if code < 0 else _failed(f"it ended with {code}")


async def _gone(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(ConnectionError):
        while process.stdout is not None and await process.stdout.read(PIECE):
            pass
    await process.wait()


def _outcome(frame: Frame, job: ImportJob) -> Imported:
    if frame.told.get("kind") == "error":
        raise error_from_frame(frame)
    return imported_from_frame(frame, job)


async def _send(process: Process, frame: Frame) -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    for piece in write_frame(frame):
        view = memoryview(piece)
        for at in range(0, len(view), PIECE):
            process.stdin.write(view[at : at + PIECE])
            await process.stdin.drain()


async def _receive(process: Process) -> Frame:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    sizes = read_sizes(await process.stdout.readexactly(HEAD_SIZE))
    told, lengths = read_text(await _read(process.stdout, sizes.text), sizes)
    return Frame(told=told, parts=tuple([await _read(process.stdout, length) for length in lengths]))


async def _read(source: asyncio.StreamReader, size: int) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left:
        piece = await source.read(min(PIECE, left))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _is_inherited(name: str) -> bool:
    return name in _INHERITED or name.lower() in _INHERITED


def _over_bounds(what: str) -> DesignError:
    return DesignError(
        f"the document needs more {what} than there is for one import",
        code="import.bounds",
        hint="split it or take out what is not needed",
    )


def _failed(why: str) -> HouseFault:
    return HouseFault(
        "the import failed for a reason of our own", code="import.failed", hint="report it with the document", why=why
    )
