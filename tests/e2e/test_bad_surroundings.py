"""A machine that lacks what programs take for granted: each command still says what it has to say, or why not."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.servers import APILOOM, apiloom, clean_environment

DOCUMENT = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers: [{url: "http://127.0.0.1:9"}]
paths: {/pets: {get: {operationId: list_pets, summary: Pets, responses: {"200": {description: ok}}}}}
"""
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'


def run(
    folder: Path, *words: str, before: Callable[[], None] | None = None, stdin: bytes = b"", closed: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """One command; ``closed`` is what a shell writes behind it to close streams, such as ``<&- 2>&-``."""
    (folder / "api.yaml").write_text(DOCUMENT)
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *APILOOM, *words],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env=clean_environment(str(folder)),
        timeout=60,
        check=False,
        preexec_fn=before,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_server_on_closed_streams_ends_in_good_order(closed: str, tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "api.yaml", "--stdio", stdin=PING, closed=closed)
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("words", [("inspect", "api.yaml"), ("inspect", "api.yaml", "--json"), ("--help",)])
def test_a_command_whose_output_nobody_wants_is_no_failure(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *words, closed=">&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_that_nobody_hears_keeps_its_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, "inspect", "nothing.yaml", closed="2>&-").returncode == 1


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_full_disk_is_told_in_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    full = f"> {tmp_path / 'out'}"
    done = run(
        tmp_path,
        "inspect",
        "api.yaml",
        "--no-cache",
        *words,
        closed=full,
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert done.returncode == 1
    assert b"could not be (File too large)" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_folder_that_is_gone_is_no_obstacle_to_a_whole_path(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    script = f'cd "{gone}" && rmdir "{gone}" && exec "$@"'
    for name, code in ((str(tmp_path / "api.yaml"), 0), ("api.yaml", 1)):
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *APILOOM, "inspect", name],
            capture_output=True,
            env=clean_environment(str(tmp_path)),
            timeout=60,
            check=False,
        )
        assert done.returncode == code
        assert b"Traceback" not in done.stderr


def test_a_document_whose_name_is_no_text_is_inspected_and_called(tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff.yaml")
    Path(name).write_text(DOCUMENT)
    assert apiloom("inspect", name, "--json").returncode == 0
    assert apiloom("call", name, "list_pets", "--dry-run").returncode == 0


def test_a_folder_with_links_that_lead_nowhere_is_searched_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a-circle.yaml").symlink_to("a-circle.yaml")
    (tmp_path / "nothing.yaml").symlink_to("gone.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    assert apiloom("inspect", str(tmp_path)).returncode == 0
