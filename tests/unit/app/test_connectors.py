"""What the compiled cache may stand in for: the same files, and the same files missing."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.connectors import LONGEST_FETCH, Reading, fetching
from apiloom.base.errors import UpstreamError
from apiloom.console.house import Options
from support.sockets import peer, silence

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


def test_a_document_is_waited_for_as_long_as_the_options_say() -> None:
    def seconds(timeout: float, source: str = "https://docs.example/a.json") -> tuple[float, str]:
        fetch = fetching(source, Options(timeout=timeout))
        assert isinstance(fetch, partial)
        return fetch.keywords["seconds"], fetch.keywords["home"]

    assert seconds(7) == (7, "https://docs.example")
    assert seconds(90) == (90, "https://docs.example")
    assert seconds(3600)[0] == LONGEST_FETCH
    assert seconds(7, "api.json") == (7, "")


async def test_a_document_that_never_comes_is_given_up_after_that_time() -> None:
    async with peer(silence()) as it:
        with pytest.raises(UpstreamError) as told:
            await asyncio.wait_for(
                asyncio.to_thread(fetching(it.origin, Options(timeout=0.2)), it.origin, lambda _: True), 10
            )
        assert told.value.code == "net.timeout"


def test_what_is_settled_makes_another_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APILOOM_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "api.json"
    keys = [{"name": name, "in": place, "schema": {}} for name, place in (("X-Version", "header"), ("key", "query"))]
    get = {"operationId": "ask", "parameters": keys, "responses": {}}
    file.write_text(
        json.dumps({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": get}}})
    )

    def taken(**options: Any) -> list[str]:
        loaded = Reading(lambda _: None).connector(str(file), Options(**options))
        loaded.keep()
        return [argument.name for argument in loaded.tools["ask"].arguments]

    for _ in range(2):
        assert taken() == ["X-Version", "key"]
        assert taken(headers=("x-version=3",)) == ["key"]
        assert taken(auth="query:key") == ["X-Version"]
        assert taken(auth="query:Key", headers=("other:x-version=3",)) == ["X-Version", "key"]
