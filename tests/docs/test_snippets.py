"""Every piece of Python on a page is a file that runs, and prints what the page says it prints."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.source import NOT_OURS, ROOT

PAGES = sorted(path for path in ROOT.rglob("*.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))
SNIPPETS = sorted((ROOT / "docs_src").glob("*.py"))
BLOCK = re.compile(r"```(\w+)([^\n]*)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> Iterator[tuple[str, str, str]]:
    """Page, words behind the language, and text of every block in a language."""
    for page in PAGES:
        for found, words, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page.relative_to(ROOT).as_posix(), words.strip(), text


@pytest.mark.parametrize(("page", "words", "text"), list(blocks("python")))
def test_python_on_a_page_is_a_file_that_runs(page: str, words: str, text: str) -> None:
    place = words.removeprefix("file=")
    assert words.startswith("file="), "say which file of docs_src it is: ```python file=docs_src/…"
    assert (ROOT / place).read_text(encoding="utf-8").strip() == text.strip()


def test_every_snippet_stands_on_a_page() -> None:
    shown = {words.removeprefix("file=") for _, words, _ in blocks("python")}
    assert {path.relative_to(ROOT).as_posix() for path in SNIPPETS} == shown


class Pets(http.server.BaseHTTPRequestHandler):
    """The API that snippets call: two pets."""

    PETS = ({"id": 7, "name": "Rex", "kind": "dog"}, {"id": 8, "name": "Mia", "kind": "cat"})

    def do_GET(self) -> None:
        last = self.path.split("?")[0].rsplit("/", 1)[-1]
        found = list(self.PETS) if last == "pets" else next((pet for pet in self.PETS if str(pet["id"]) == last), None)
        body = json.dumps(found if found is not None else {"message": f"there is no pet {last}"}).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def pets() -> Iterator[str]:
    """The address of an API of pets, for as long as a test lasts."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pets)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.name)
def test_a_snippet_prints_what_its_page_says(snippet: Path, pets: str, tmp_path: Path) -> None:
    document = (ROOT / "docs_src/openapi.yaml").read_text(encoding="utf-8")
    (tmp_path / "openapi.yaml").write_text(document.replace("https://pets.example.com", pets))
    said = next((text for _, words, text in blocks("text") if words == f"output=docs_src/{snippet.name}"), "")
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:apiloom", str(snippet)],
        cwd=tmp_path,
        env={**os.environ, "APILOOM_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said.strip()
