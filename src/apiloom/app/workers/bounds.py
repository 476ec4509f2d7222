"""What one worker may use, and keeping to it from inside.

Limits hold where the system has them (``setrlimit``); elsewhere the wall deadline, kept from outside, is the only one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import resource

_UNKNOWN = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one job may use: seconds on the clock and of a processor, bytes of memory; and how it is scheduled.

    ``memory`` counts address space beyond what the process has when it starts, of which libraries reserve much.
    ``retire`` is the memory in use after which a worker is replaced by a fresh one once its job is done, ``idle`` how
    long one without work is kept. ``nice`` is how far it stands back for other processes (0 to 19).
    """

    seconds: float = 120.0
    cpu: int = 90
    memory: int = 2 * 1024 * 1024 * 1024
    retire: int = 300 * 1024 * 1024
    idle: float = 60.0
    nice: int = 10


def keep_within(memory: int, nice: int) -> None:
    """Bound this process for the rest of its life: memory, no files written, no core; others go first."""
    if sys.platform == "win32":
        return
    _lower(resource.RLIMIT_AS, _address_space() + memory)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    os.nice(nice)


def _address_space() -> int:
    """The address space of this process as it is, in bytes; as much as it may be where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _UNKNOWN
    return pages * os.sysconf("SC_PAGE_SIZE")


def grant_time(seconds: int) -> None:
    """Let this process use the processor for so many more seconds; it is ended when they are over."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def peak_memory() -> int:
    """The most memory this process has had in use, in bytes; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # elsewhere: on Linux this would count what whoever started us had in use at that moment
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _lower(what: int, wanted: int) -> None:
    _, most = resource.getrlimit(what)
    bounded = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(what, (bounded, bounded))
