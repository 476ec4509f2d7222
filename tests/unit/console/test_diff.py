"""``apiloom diff``: two documents, a verdict, and an exit code for those who ask for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.main import main

PETS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://pets.example.com"}],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "summary": "List pets",
                "parameters": [{"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["cat", "dog"]}}],
                "responses": {"200": {"description": "pets"}},
            }
        }
    },
}


@pytest.fixture
def pets(tmp_path: Path) -> tuple[Path, Path]:
    """The same document twice."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for path in (old, new):
        path.write_text(json.dumps(PETS))
    return old, new


def change(path: Path, **of_operation: Any) -> None:
    tree = json.loads(path.read_text())
    tree["paths"]["/pets"]["get"].update(of_operation)
    path.write_text(json.dumps(tree))


def test_the_same_document_twice_has_no_difference(pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *map(str, pets), "--fail-on", "additive"]) == 0
    assert capsys.readouterr().out.startswith("none: 0 added, 0 removed, 0 changed\n")


def test_a_program_is_told_all_of_it_as_json(pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    change(pets[1], parameters=[{"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["cat"]}}])
    assert main(["diff", *map(str, pets), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "breaking"
    assert told["tools"][0]["changes"] == [
        {
            "kind": "enum_narrowed",
            "verdict": "breaking",
            "pointer": "/inputSchema/properties/kind",
            "detail": 'without "dog"',
        }
    ]


@pytest.mark.parametrize(("fail_on", "code"), [("additive", 1), ("review", 1), ("breaking", 0), (None, 0)], ids=str)
def test_the_exit_code_says_no_from_the_verdict_that_was_asked_for(
    pets: tuple[Path, Path], fail_on: str | None, code: int
) -> None:
    change(pets[1], summary="Other words")
    asked = ["--fail-on", fail_on] if fail_on else []
    assert main(["diff", *map(str, pets), *asked]) == code


def test_texts_of_a_trusted_source_are_no_more_than_additive(
    pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change(pets[1], summary="Other words")
    assert main(["diff", *map(str, pets), "--trusted-texts", "--fail-on", "review"]) == 0
    assert capsys.readouterr().out.startswith("additive:")


def test_tools_of_the_new_document_keep_the_names_of_the_old(
    pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change(pets[1], operationId="fetchAllPets")
    assert main(["diff", *map(str, pets), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "none"


def test_a_person_is_shown_the_gravest_first_with_its_reason(
    pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads(pets[1].read_text())
    tree["servers"] = [{"url": "https://elsewhere.example.com"}]
    pets[1].write_text(json.dumps(tree))
    assert main(["diff", *map(str, pets)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("breaking: 0 added, 0 removed, 1 changed\n")
    assert "host (https://pets.example.com to https://elsewhere.example.com)" in shown


def test_a_document_that_cannot_be_read_is_one_sentence(
    pets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", str(pets[0]), str(pets[1].with_name("none.json"))]) == 1
    assert capsys.readouterr().err.count("\n") == 1
