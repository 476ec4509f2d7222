"""The quick commands start quickly because of what they do not load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {
        "aiohttp",
        "alembic",
        "anthropic",
        "cryptography",
        "dbos",
        "fastapi",
        "httpx",
        "jinja2",
        "mcp",
        "openai",
        "opentelemetry",
        "pydantic",
        "pydantic_ai",
        "requests",
        "sqlalchemy",
        "sqlite3",
        "starlette",
        "yaml",
    }
)
"""Databases, workflows, web frameworks, model libraries: nothing that a quick command needs."""

DOCUMENT = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers: [{url: "http://127.0.0.1:9"}]
paths:
  /pets/{petId}:
    get:
      operationId: getPet
      parameters: [{name: petId, in: path, required: true, schema: {type: integer}}]
      responses: {"200": {description: a pet}}
"""

# Runs the command as a user would and writes, at the very end, what had been loaded.
DRIVER = """
import atexit, sys
loaded, sys.argv = sys.argv[1], ["apiloom", *sys.argv[2:]]
atexit.register(lambda: open(loaded, "w").write("\\n".join(sys.modules)))
from apiloom.__main__ import main
sys.exit(main())
"""


def loaded_by(tmp_path: Path, *words: str, typed: str = "") -> tuple[set[str], str]:
    """The top-level modules that a command has loaded when it ends, and what it printed."""
    (tmp_path / "pets.yaml").write_text(DOCUMENT)
    report = tmp_path / "modules.txt"
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(report), *words],
        input=typed,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in report.read_text().split()}, done.stdout


@pytest.mark.parametrize("words", [("inspect", "pets.yaml", "--json"), ("inspect", "pets.yaml"), ("--version",)])
def test_inspect_loads_no_heavy_library(tmp_path: Path, words: tuple[str, ...]) -> None:
    loaded, _ = loaded_by(tmp_path, *words)
    assert not loaded & HEAVY


def test_inspect_for_a_program_loads_no_tables_and_no_server(tmp_path: Path) -> None:
    loaded, printed = loaded_by(tmp_path, "inspect", "pets.yaml", "--json")
    assert json.loads(printed)["ledger"]["exposed"] == 1
    assert not loaded & {"rich", "uvicorn"}


def test_serve_loads_no_heavy_library(tmp_path: Path) -> None:
    asked = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    typed = "".join(json.dumps(message) + "\n" for message in asked)
    loaded, printed = loaded_by(tmp_path, "serve", "pets.yaml", "--stdio", typed=typed)
    answers = [json.loads(line) for line in printed.splitlines()]
    assert next(answer for answer in answers if answer.get("id") == 2)["result"]["tools"][0]["name"] == "get_pet"
    assert not loaded & HEAVY
    assert not loaded & {"rich", "uvicorn"}


def test_asking_for_help_loads_no_more_than_working(tmp_path: Path) -> None:
    loaded, printed = loaded_by(tmp_path, "serve", "--help")
    assert "--stdio" in printed
    assert not loaded & (HEAVY | {"rich", "uvicorn", "yaml_rs", "jsonschema_rs"})
