"""A served document that is replaced by something worse: the tools stay, until something better stands there."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.servers import Serving, modern, serving


def document(*names: str) -> str:
    paths = {f"/{name}": {"get": {"operationId": name, "responses": {"200": {"description": "ok"}}}} for name in names}
    head = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "http://127.0.0.1:1"}]}
    return json.dumps({**head, "paths": paths})


def told(server: Serving, words: str, times: int) -> None:
    """Wait until the server has said something that often."""
    for _ in range(300):
        if server.said().count(words) >= times:
            return
        time.sleep(0.1)
    raise AssertionError(f"not told {times} times: {server.said()}")


def tools(server: Serving) -> list[str]:
    return [tool["name"] for tool in modern(server.url, "tools/list", {}).value["result"]["tools"]]


def test_a_document_that_breaks_vanishes_and_comes_back_is_served_again(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(document("one"))
    with serving(str(file)) as server:
        file.write_text(document("one", "two")[:-40])
        told(server, "tools stay as they were", 1)
        file.unlink()
        told(server, "tools stay as they were", 2)
        file.mkdir()
        told(server, "tools stay as they were", 3)
        assert tools(server) == ["one"]
        file.rmdir()
        file.write_text(document("one", "two"))
        told(server, "2 tools are served now", 1)
        assert tools(server) == ["one", "two"]
        assert "Traceback" not in server.said()


def test_a_file_that_was_missing_counts_as_soon_as_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    whole = json.loads(document("one"))
    whole["paths"]["/two"] = {"$ref": "two.json"}
    file.write_text(json.dumps(whole))
    with serving(str(file)) as server:
        assert tools(server) == ["one"]
        (tmp_path / "two.json").write_text(json.dumps({"get": {"operationId": "two", "responses": {}}}))
        told(server, "2 tools are served now", 1)
        assert tools(server) == ["one", "two"]


def test_a_better_entry_document_in_a_served_folder_is_served(tmp_path: Path) -> None:
    (tmp_path / "pets.json").write_text(document("one"))
    with serving(str(tmp_path)) as server:
        assert tools(server) == ["one"]
        (tmp_path / "openapi.json").write_text(document("one", "two"))
        told(server, "2 tools are served now", 1)
        (tmp_path / "openapi.json").unlink()
        told(server, "1 tools are served now", 1)


def test_a_document_that_moves_its_api_is_not_served(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(document("one"))
    with serving(str(file)) as server:
        file.write_text(document("one", "two").replace("127.0.0.1:1", "127.0.0.2:1"))
        told(server, "answers at http://127.0.0.2:1, not at http://127.0.0.1:1: start apiloom anew", 1)
        assert tools(server) == ["one"]


def test_a_document_from_standard_input_stays_while_a_file_beside_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(document("one"))
    with serving("-", str(file), stdin=document("piped").replace('"T"', '"Piped"').encode()) as server:
        assert len(tools(server)) == 2
        file.write_text(document("one", "two"))
        told(server, "3 tools are served now", 1)
        assert [name for name in tools(server) if "piped" in name] == ["piped_piped"]


def test_an_operation_that_is_renamed_upstream_is_served_under_its_published_name(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(document("one", "two"))
    with serving(str(file)) as server:
        file.write_text(document("one", "two").replace('"operationId": "one"', '"operationId": "first"'))
        told(server, "2 tools are served now", 1)
        assert tools(server) == ["one", "two"]
        file.write_text(document("one", "two", "three").replace('"operationId": "one"', '"operationId": "uno"'))
        told(server, "3 tools are served now", 1)
        assert tools(server) == ["one", "three", "two"]


def test_the_name_of_an_operation_that_became_another_still_answers(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    both = json.loads(document("old", "new"))
    file.write_text(json.dumps(both))
    with serving(str(file)) as server:
        assert tools(server) == ["new", "old"]
        # the operation called old now stands where the one called new stood, and there is no other
        file.write_text(json.dumps({**both, "paths": {"/new": both["paths"]["/old"]}}))
        told(server, "1 tools are served now", 1)
        assert tools(server) == ["old"]
        answer = modern(server.url, "tools/call", {"name": "new", "arguments": {}})
        assert "no tool named" not in str(answer.value), answer.value
        gone = modern(server.url, "tools/call", {"name": "newer", "arguments": {}})
        assert "no tool named" in str(gone.value)
