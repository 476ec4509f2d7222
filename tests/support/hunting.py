"""A gateway full of canaries, and the roads that lead out of every one: what each gave is kept until it is searched."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import pytest

from apiloom.net.request import Request, Response
from support.gateway import Gateway
from support.harvest import Harvest
from support.leaks import Canaries, Leak, files, leaks, objects
from support.servers import APILOOM, clean_environment

KINDS = (
    "tenants connectors accounts oauth-clients connect-sessions servers toolsets overlays api-tokens events audit "
    "health state grants sign-ins catalogue openapi.json whoami"
)
LISTED = ("audit", "events", "catalogue")
"""Kinds whose items say nothing more than their lists do, or come with the package."""

COMMANDS: tuple[Sequence[str], ...] = (
    ("doctor", "--json"),
    ("pull",),
    ("account", "list", "--json"),
    ("oauth-client", "list"),
)


@dataclass(repr=False)
class Hunt:
    """A gateway, what is looked for, and what came out of it so far, by road."""

    house: Gateway
    client: httpx.AsyncClient
    canaries: Canaries
    harvest: Harvest | None = None
    owner: str = ""
    surroundings: dict[str, str] = field(default_factory=dict)
    """What commands are told besides; nothing in it is a secret."""
    haul: dict[str, list[bytes]] = field(default_factory=dict)
    _held: set[bytes] = field(default_factory=set)

    def take(self, road: str, *content: bytes | str) -> None:
        """Keep what a road gave. What was there before, line by line, is not kept again."""
        for one in content:
            raw = one.encode("utf-8", "surrogateescape") if isinstance(one, str) else one
            lines = raw.split(b"\n") if len(raw) > 10_000 and not road.startswith("file ") else [raw]
            fresh = [line for line in lines if line not in self._held]
            self._held.update(line for line in fresh if len(line) < 10_000)
            self.haul.setdefault(road, []).append(b"\n".join(fresh))

    def took(self, road: str, reply: httpx.Response) -> httpx.Response:
        """Keep an answer, with its headers."""
        self.take(road, repr(reply.headers.raw), reply.content)
        return reply

    def size(self, road: str) -> int:
        return sum(len(part) for part in self.haul.get(road, ()))

    def found(self) -> list[Leak]:
        """Everything that came out."""
        return leaks(self.canaries, {road: b"\n".join(parts) for road, parts in self.haul.items()})

    def clear(self) -> None:
        """Forget what came out so far."""
        self.haul.clear()
        self._held.clear()

    # roads

    async def admin(self) -> None:
        """All that the admin API and the node tell, to the one who may read everything."""
        await self.house.node.flush()
        heads = {"authorization": f"Bearer {self.owner}"}
        for kind in KINDS.split():
            reply = self.took("admin", await self.client.get(f"{self.house.url}/api/v1/{kind}", headers=heads))
            assert reply.status_code < 500, (kind, reply.text)
            items = reply.json().get("items", []) if reply.status_code == 200 and kind not in LISTED else []
            for one in items:
                name = one.get("id") or one.get("slug")
                for below in ("", "/servers", "/versions", "/tokens", "/health", "/explain"):
                    path = f"{self.house.url}/api/v1/{kind}/{name}{below}"
                    self.took("admin", await self.client.get(path, headers=heads))
        for path in ("/healthz", "/readyz", "/metrics", "/", "/.well-known/oauth-protected-resource"):
            self.took("health", await self.client.get(self.house.url + path))
        self.take("state", repr(await self.house.node.state()))

    async def commands(self, *more: Sequence[str]) -> None:
        """What the command line says of a gateway's data, the backup that it writes, and what others see of it."""
        place = self.house.grounds.place
        assert place.folder is not None
        env = {"APILOOM_KEY_FILE": str(place.key_file()), "APILOOM_DATA": str(place.folder)}
        around = clean_environment(str(place.folder.parent), {**env, **self.surroundings})
        backup = place.folder.parent / "backup.out"
        backup.unlink(missing_ok=True)
        for words in (("db", "backup", str(backup)), *COMMANDS, *more):
            said, seen = await asyncio.to_thread(run, words, around)
            self.take(f"command {words[0]}", *said)
            self.take("processes", *seen)
        assert backup.stat().st_size > 10_000, "there was no backup to search"
        self.take("file backup", backup.read_bytes())

    def objects(self) -> None:
        """What every living object of the process shows, and every task."""
        self.take("objects", objects())
        for task in asyncio.all_tasks():
            self.take("tasks", repr(task), *(repr(frame) for frame in task.get_stack()))

    def files(self, folder: Path, *but: Path) -> None:
        """All that lies in a folder, but for the key file and others that are there to hold a secret."""
        for name, content in files(folder, but=[self.house.grounds.place.key_file(), *but]).items():
            self.take(name, content)


def run(words: Sequence[str], around: dict[str, str]) -> tuple[list[bytes], list[bytes]]:
    """What a command says, and what the system shows of it and of those it starts, meanwhile."""
    with subprocess.Popen([*APILOOM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=around) as process:
        seen: list[bytes] = []
        while True:
            seen += family(process.pid)
            try:
                out, err = process.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            return [out, err], seen


def family(pid: int) -> list[bytes]:
    """What the system shows of a process and of all below it: their words, and what was handed down to them."""
    told = []
    for one in sorted({pid, *below(pid)}):
        for what in ("cmdline", "environ", "comm"):
            try:
                told.append(Path("/proc", str(one), what).read_bytes().replace(b"\0", b"\n"))
            except OSError:
                continue  # it has ended
    return told


def below(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that these did."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, listed):
        yield child
        yield from below(child)


@contextmanager
def own_temporary_files(folder: Path) -> Iterator[Path]:
    """Temporary files of this process lie in a folder that can be searched."""
    place = folder / "tmp"
    place.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        patch.setitem(os.environ, "TMPDIR", str(place))
        yield place


@contextmanager
def broken_way_out(hunt: Hunt, at: str, *rooms: str) -> Iterator[None]:
    """What is sent to a path breaks as nobody expected; what the frames of some rooms hold then is kept, as a dump
    has it.
    """
    way = type(hunt.house.grounds.sender)
    sent, before = way.send, hunt.size("crash")

    async def send(self: object, request: Request) -> Response:
        if not request.target.startswith(at):
            return await sent(self, request)
        hunt.take("crash", repr(request), held_by(*rooms))
        raise RuntimeError("it broke")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way, "send", send)
        yield
    assert hunt.size("crash") > before + 500, "nothing broke"


def held_by(*rooms: str) -> str:
    """The functions of some rooms that are at work now, with all that each holds."""
    frames = traceback.walk_stack(sys._getframe(1))
    within = (one for one in frames if str(one[0].f_globals.get("__name__", "")).startswith(rooms))
    return "".join(traceback.StackSummary.extract(within, capture_locals=True).format())
