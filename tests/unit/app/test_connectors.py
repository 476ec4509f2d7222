"""What the compiled cache may stand in for: the same files, and the same files missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiloom.app.connectors import Reading
from apiloom.console.house import Options

OPERATION = {"get": {"operationId": "two", "responses": {"200": {"description": "ok"}}}}


def write(folder: Path) -> Path:
    file = folder / "api.json"
    paths = {
        "/one": {"get": {"operationId": "one", "responses": {"200": {"description": "ok"}}}},
        "/two": {"$ref": "two.json"},
    }
    head = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "http://127.0.0.1:1"}]}
    file.write_text(json.dumps({**head, "paths": paths}))
    return file


def served(file: Path) -> tuple[set[str], bool]:
    """The tools of a source, and whether they came from the cache; keeps what did not."""
    loaded = Reading(lambda _: None).connector(str(file), Options())
    loaded.keep()
    return set(loaded.tools), loaded.catalog is None


def test_a_file_that_was_missing_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APILOOM_CACHE", str(tmp_path / "cache"))
    file = write(tmp_path)
    assert served(file) == ({"one"}, False)
    assert served(file) == ({"one"}, True)
    (tmp_path / "two.json").write_text(json.dumps(OPERATION))
    assert served(file) == ({"one", "two"}, False)
    assert served(file) == ({"one", "two"}, True)
    (tmp_path / "two.json").unlink()
    assert served(file) == ({"one"}, False)
