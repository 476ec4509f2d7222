"""What cannot be read as an API description gets one clear sentence and the right exit code, in bounded time."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from support.servers import apiloom
from support.shop import DOCUMENT
from support.upstream import Answer, close_at_once, flood, garbage, half_close, hang, misbehaving, upstream

BOUND = 30
"""Seconds that any of these may take before the test fails; each takes well under one."""


def refused(*arguments: str, code: int, stdin: bytes = b"", timeout: float = BOUND) -> str:
    """The one line on standard error of a command that must end with ``code``."""
    done = apiloom(*arguments, timeout=timeout, stdin=stdin)
    assert done.returncode == code, (done.returncode, done.stderr, done.stdout)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("apiloom: ")
    assert len(lines[0]) < 600
    return lines[0]


@pytest.mark.parametrize("command", [["inspect"], ["serve", "--http", "127.0.0.1:0"], ["serve", "--stdio"]])
def test_a_missing_file_is_named_in_one_sentence(command: list[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-file.yaml")
    assert "no-such-file.yaml" in refused(command[0], missing, *command[1:], code=1)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_bytes(b"")
    assert "empty.yaml" in refused("inspect", str(path), code=1)


def test_a_file_that_is_no_yaml_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("openapi: 3.1.0\ninfo: {title: [unclosed\npaths: }\n")
    sentence = refused("inspect", str(path), code=1)
    assert "broken.yaml" in sentence
    assert "line" in sentence


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    assert "picture.yaml" in refused("inspect", str(path), code=1)


def test_a_yaml_bomb_is_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(rows) + "\nopenapi: 3.1.0\npaths: {}\n")
    assert "bomb.yaml" in refused("inspect", str(path), code=1)


def test_a_document_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"openapi": "3.1.0", "x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert "deep.json" in refused("inspect", str(path), code=1)


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert "huge.yaml" in refused("inspect", str(path), code=1)


@pytest.mark.parametrize(
    "text", ['{"name": "left-pad", "version": "1.0.0"}', "just some words", "[1, 2, 3]", '{"openapi": "9.0.0"}']
)
def test_what_is_no_openapi_document_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    assert "other.json" in refused("inspect", str(path), code=1)


def test_a_folder_without_a_document_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    assert tmp_path.name in refused("inspect", str(tmp_path), code=1)


def test_standard_input_that_is_no_document_is_refused() -> None:
    refused("inspect", "-", code=1, stdin=b"hello")


def test_a_url_where_nobody_listens_is_an_upstream_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    sentence = refused("inspect", f"http://127.0.0.1:{port}/openapi.json", code=3)
    assert f"127.0.0.1:{port}" in sentence


@pytest.mark.parametrize("conduct", [close_at_once, flood, garbage, half_close])
def test_a_url_that_answers_nonsense_is_an_upstream_failure(conduct: object) -> None:
    with misbehaving(conduct) as url:  # type: ignore[arg-type]
        assert "127.0.0.1" in refused("inspect", f"{url}/openapi.json", code=3)


def test_a_url_that_never_answers_is_given_up() -> None:
    with misbehaving(hang) as url:
        assert "127.0.0.1" in refused("inspect", f"{url}/openapi.json", "--timeout", "1", code=3)


def test_a_url_that_answers_404_says_so() -> None:
    with upstream(lambda _: Answer({"message": "no"}, 404)) as api:
        assert "404" in refused("inspect", f"{api.url}/openapi.json", code=1)


def test_a_url_that_answers_without_end_is_refused() -> None:
    with misbehaving(flood) as url:
        assert "MB" in refused("inspect", f"{url}/openapi.json", code=3)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(DOCUMENT))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in refused("serve", str(path), "--http", f"127.0.0.1:{port}", code=1)


@pytest.mark.parametrize(
    "arguments", [["serve", "--htpp", "x"], ["frobnicate"], ["serve", "x.json", "--http", "nowhere"], ["inspect"]]
)
def test_a_mistyped_command_line_is_a_usage_error(arguments: list[str]) -> None:
    done = apiloom(*arguments, timeout=BOUND)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_one_bad_operation_does_not_cost_the_others(tmp_path: Path) -> None:
    broken = {**DOCUMENT, "paths": {**DOCUMENT["paths"], "/bad": {"get": {"parameters": [{"$ref": "#/nowhere"}]}}}}
    path = tmp_path / "partly.json"
    path.write_text(json.dumps(broken))
    done = apiloom("inspect", str(path), "--json", timeout=BOUND)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["ledger"]["operations"] == 7
    assert report["ledger"]["exposed"] == 6
    assert report["ledger"]["quarantined"] + report["ledger"]["gated"] == 1
