"""A connector lists its tools in any profile, the same whether it was read afresh or taken from the compiled cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiloom.app.connectors import Loaded, Reading
from apiloom.base.errors import CallerError
from apiloom.catalog.profiles import NAMES
from apiloom.console.house import Options

DOCUMENT = """{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "http://127.0.0.1:1"}],
"paths": {"/a": {"post": {"operationId": "send", "responses": {"200": {"description": "ok", "content": {
  "application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}},
  "requestBody": {"required": true, "content": {
    "application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}}}},
"components": {"schemas": {"Node": {"type": "object", "properties": {
  "rate": {"type": ["number", "null"], "minimum": 1.0, "exclusiveMaximum": 1e3, "multipleOf": 0.10},
  "kind": {"const": "n\\u00f6de"}, "next": {"$ref": "#/components/schemas/Node"}}}}}}"""


def loaded(file: Path, profile: str = "intersection") -> Loaded:
    return Reading(lambda _: None).connector(str(file), Options(profile=profile))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APILOOM_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "api.json"
    file.write_text(DOCUMENT)
    return file


def test_the_cache_and_the_document_give_the_same_list_in_every_profile(file: Path) -> None:
    fresh = loaded(file)
    fresh.keep()
    kept = loaded(file)
    assert fresh.catalog is not None
    assert kept.catalog is None
    for profile in NAMES:
        assert dict(kept.listed(profile)) == dict(fresh.listed(profile))
    assert len({bytes(fresh.listed(profile)["send"]) for profile in NAMES}) > 3


@pytest.mark.parametrize("profile", NAMES)
def test_a_servers_own_profile_is_what_it_lists_when_asked_for_it(file: Path, profile: str) -> None:
    own = loaded(file, profile)
    assert dict(own.entries) == dict(own.listed(profile))
    assert json.loads(own.entries["send"])["name"] == "send"


def test_a_profile_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(CallerError):
        loaded(file).listed("nonsense")
