"""A command line whose platform commands reach an admin API in memory, and what each of them printed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiloom.base import json
from apiloom.console.cli.run import run
from apiloom.console.client import Gateway
from apiloom.console.house import House, Reach, Say, Surroundings
from apiloom.net.inprocess import InProcess
from support.admin import AdminHouse


@dataclass(frozen=True)
class Typed:
    """What came of a command line."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


def absent(*_: object) -> Any:
    raise AssertionError


@dataclass
class Shell:
    """Types command lines. ``reached`` is where they went, ``token`` whose they are."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    admin: AdminHouse = field(default_factory=AdminHouse)
    environment: Mapping[str, str] = field(default_factory=dict)
    token: str = "owner"
    reached: list[Reach] = field(default_factory=list)

    def house(self) -> House:
        return House(
            read=absent,
            call=absent,
            preview=absent,
            serve=absent,
            platform=self._platform,
            surroundings=Surroundings(environment=self.environment, home=self.folder, folder=self.folder),
        )

    def _platform(self, reach: Reach, say: Say, work: Callable[[Gateway], Awaitable[Any]]) -> Any:
        self.reached.append(reach)

        async def reached() -> Any:
            async with Gateway("http://gateway", self.token, sender=InProcess(self.admin.app)) as gateway:
                return await work(gateway)

        return asyncio.run(reached())

    def type(self, *words: str, typed: str = "") -> Typed:
        """Run one command line, with something on standard input."""
        self.capsys.readouterr()
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        code = run(self.house(), words)
        out, err = self.capsys.readouterr()
        return Typed(code, out, err)

    def ask(self, *words: str, typed: str = "") -> Any:
        """The JSON that a command line prints, which must succeed."""
        done = self.type(*words, "--json", typed=typed)
        assert done.code == 0, done.err
        assert not done.err
        return done.value

    def refused(self, *words: str, typed: str = "") -> Any:
        """The error of a command line, which must fail without an answer."""
        done = self.type(*words, "--json", typed=typed)
        assert done.code != 0, done.out
        assert not done.out
        return done.error

    def put(self, name: str, text: str, mode: int = 0o644) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with the connector ``pets`` and the tenant ``acme``."""
    made = Shell(tmp_path, capsys, monkeypatch)
    made.ask("tenant", "add", "acme")
    return made
