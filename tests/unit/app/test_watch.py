"""Files that change under a running server: none is missed, whenever it is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from apiloom.app.folders import entry_document
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


def folder_source(folder: Path) -> Any:
    entry = entry_document(folder)
    return SimpleNamespace(reads={str(entry): digest(entry.read_text())}, source=str(folder), location=str(entry))


def looks(watched: Watched) -> list[bool]:
    """What three looks in a row find."""
    (folder,) = watched.folders
    return [folder.chosen_anew() for _ in range(3)]


def test_a_better_entry_document_in_a_watched_folder_is_noticed_once_it_has_stopped_changing(tmp_path: Path) -> None:
    (tmp_path / "pets.yaml").write_text("openapi: 3.1.0")
    served = folder_source(tmp_path)
    watched = Watched.of([served])
    assert looks(watched) == [False, False, False]
    (tmp_path / "notes.yaml").write_text("a: 1")
    assert looks(watched) == [False, False, False]
    assert not outrun([served])
    (tmp_path / "openapi.yaml").write_text("openapi: 3.1.0")
    assert looks(watched) == [False, True, False]
    assert outrun([served])
    assert not outrun([folder_source(tmp_path)])


def test_a_choice_that_became_unclear_is_noticed_too(tmp_path: Path) -> None:
    (tmp_path / "pets.yaml").write_text("openapi: 3.1.0")
    watched = Watched.of([folder_source(tmp_path)])
    looks(watched)
    (tmp_path / "cats.yaml").write_text("openapi: 3.1.0")
    assert looks(watched) == [False, True, False]
