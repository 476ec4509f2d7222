"""The published description of the admin API is current, and does not break those who use it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from apiloom.console.api.build import build_document
from support.source import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("tools", "admin_api.py")


def test_what_is_published_is_what_is_answered(tool: ModuleType) -> None:
    assert tool.PUBLISHED.read_text(encoding="utf-8") == tool.text(), "run tools/admin_api.py"


def an_operation_goes(document: dict[str, Any]) -> None:
    del document["paths"]["/servers"]["get"]


def a_path_moves(document: dict[str, Any]) -> None:
    document["paths"]["/mcp-servers"] = document["paths"].pop("/servers")


def a_member_is_needed(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["NewTenant"]["required"] = ["name"]


def a_word_goes(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["NewApiToken"]["properties"]["role"]["enum"].remove("auditor")


def the_way_in_changes(document: dict[str, Any]) -> None:
    scheme = {"type": "apiKey", "in": "header", "name": "X-Token"}
    document["components"]["securitySchemes"]["ApiToken"] = scheme


@pytest.mark.parametrize(
    "change", [an_operation_goes, a_path_moves, a_member_is_needed, a_word_goes, the_way_in_changes]
)
def test_what_breaks_users_is_refused(
    tool: ModuleType, change: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    changed = copy.deepcopy(build_document())
    change(changed)
    monkeypatch.setattr(tool, "PUBLISHED", tmp_path / "openapi.json")
    tool.PUBLISHED.write_text(json.dumps(build_document()), encoding="utf-8")
    monkeypatch.setattr(tool, "build_document", lambda: changed)
    assert tool.main([]) == 1
    assert json.loads(tool.PUBLISHED.read_text(encoding="utf-8")) != changed
    assert tool.main(["--breaking"]) == 0
    assert json.loads(tool.PUBLISHED.read_text(encoding="utf-8")) == changed


def test_what_only_adds_passes(tool: ModuleType) -> None:
    changed = copy.deepcopy(build_document())
    changed["paths"]["/more"] = {"get": {**changed["paths"]["/whoami"]["get"], "operationId": "read_more"}}
    changed["components"]["schemas"]["NewTenant"]["properties"]["color"] = {"type": "string"}
    assert tool.broken(tool.difference(build_document(), changed)) == []
