"""Files that change under a running server: none is missed, whenever it is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from apiloom.app.sources import MISSING
from apiloom.app.watch import Watched, outrun


def connector(**reads: str) -> Any:
    return SimpleNamespace(reads=reads, source="-", location="-")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_written_while_it_was_read_is_found_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "api.yaml"
    file.write_text("old")
    served = connector(**{str(file): digest("old"), "https://x.com/a.yaml": digest("far")})
    assert not outrun([served])
    file.write_text("new")
    assert outrun([served])
    file.unlink()
    assert outrun([served])


def test_a_file_that_was_missing_is_watched_and_found_when_it_comes(tmp_path: Path) -> None:
    file = tmp_path / "pet.yaml"
    served = connector(**{str(file): MISSING})
    watched = Watched.of([served])
    assert watched.files == (file,)
    assert not outrun([served])
    file.write_text("{}")
    assert outrun([served])
    assert Watched.of([served]).state != watched.state
