"""A source as the console shows it."""

from pathlib import Path

import pytest

from apiloom.app.connectors import Reading
from apiloom.app.showing import read_source
from apiloom.base import json
from apiloom.console.house import Options

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "parameters": [{"name": "kind", "in": "query", "schema": {"const": "dog"}}],
                "responses": {"200": {"description": "them"}},
            }
        }
    },
}


@pytest.mark.parametrize(("profile", "strict"), [("intersection", False), ("full", True)])
def test_a_report_shows_the_schemas_of_the_chosen_profile(tmp_path: Path, profile: str, strict: bool) -> None:
    path = tmp_path / "pets.json"
    path.write_bytes(json.dumps(DOCUMENT))
    connector = read_source(Reading(lambda _: None), str(path), Options(profile=profile, name="My Server"))
    (tool,) = connector.report()["tools"]
    assert ("const" in tool["inputSchema"]["properties"]["kind"]) is strict
    assert tool["inputSchema"] == connector.rendered(tool["name"])["inputSchema"]
    assert connector.slug == "pets"
