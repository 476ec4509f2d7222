"""The worker process: ``python -m apiloom.app.workers.main``. Frames come in on its standard input, answers go out.

It runs one job at a time and ends when its input ends, whatever it is doing: whoever started it is gone then. What goes
wrong inside a job is answered; whatever else goes wrong ends the process, and it is replaced.
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO

from apiloom.app.outbound import read_guard
from apiloom.app.workers.bounds import grant_time, keep_within, peak_memory
from apiloom.app.workers.frames import HEAD_SIZE, Frame, read_sizes, read_text, write_frame
from apiloom.app.workers.importing import import_document
from apiloom.app.workers.messages import error_to_frame, imported_to_frame, job_from_frame
from apiloom.base.errors import ApiloomError, DesignError

_LONGEST_SAID = 300


def main(argv: Sequence[str]) -> int:
    """Run jobs until the input ends; the exit code."""
    words = argparse.ArgumentParser()
    words.add_argument("--memory", type=int, required=True)
    words.add_argument("--cpu", type=int, required=True)
    words.add_argument("--nice", type=int, required=True)
    given = words.parse_args(argv)
    source, target = _own_pipes()
    keep_within(given.memory, given.nice)
    answer = Answering(target)
    sys.excepthook = answer.tell_fault
    waiting: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(source, waiting), daemon=True).start()
    answer.send(Frame(told={"kind": "ready"}))
    while True:
        frame = waiting.get()
        grant_time(given.cpu)
        answer.send(_answered(frame, answer))


def _answered(frame: Frame, answer: Answering) -> Frame:
    try:
        job = job_from_frame(frame)
        del frame
        # A job makes a million small values that all stay until it ends: looking for garbage among them only costs.
        gc.disable()
        imported = import_document(job, answer.say, read_guard(os.environ))
        return imported_to_frame(imported, sent=bool(job.document), peak=peak_memory())
    except ApiloomError as error:
        return error_to_frame(error)
    except (MemoryError, RecursionError):
        return error_to_frame(
            DesignError(
                "the document needs more memory than there is for one import",
                code="import.bounds",
                hint="split it or take out what is not needed",
            )
        )
    finally:
        gc.enable()
        gc.collect()


class Answering:
    """The way back to whoever started us."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def send(self, frame: Frame) -> None:
        """Write one frame. Raises ``OSError`` when nobody reads any more, which ends the process."""
        for piece in write_frame(frame):
            self._target.write(piece)
        self._target.flush()

    def say(self, text: str) -> None:
        """Tell how far a job is."""
        self.send(Frame(told={"kind": "say", "text": text[:_LONGEST_SAID]}))

    def tell_fault(self, kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
        """Tell what ended this process and where it arose; not its words, which may hold what was being read."""
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119 - a name in a trace is no path to go to
        self.send(Frame(told={"kind": "fault", "type": kind.__name__, "place": place}))


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of reach of whatever prints or reads."""
    source, target = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return os.fdopen(source, "rb"), os.fdopen(target, "wb")


def _receive(source: BinaryIO, waiting: queue.SimpleQueue[Frame]) -> None:
    """Hand on what comes in; at the end of it end the process, in the middle of a job too."""
    try:
        while head := source.read(HEAD_SIZE):
            sizes = read_sizes(head)
            told, lengths = read_text(source.read(sizes.text), sizes)
            waiting.put(Frame(told=told, parts=tuple(source.read(length) for length in lengths)))
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
