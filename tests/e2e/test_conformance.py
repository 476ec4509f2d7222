"""The official conformance suite in both eras: what passes, and for all that does not a reason that still holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.conformance import DOCUMENT, EXPECTED, PARTLY, answer, failures, run_suite, scenarios
from support.servers import serving
from support.upstream import upstream


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_suite_passes_but_for_what_an_api_description_cannot_have(revision: str, tmp_path: Path) -> None:
    known = scenarios(revision)
    assert known <= set(EXPECTED), "the suite has scenarios that the table does not know"
    source = tmp_path / "api.json"
    source.write_text(json.dumps(DOCUMENT))
    with upstream(answer) as api, serving(str(source), "--base-url", api.url) as server:
        results = run_suite(server.url, revision, tmp_path / "results")
        assert server.alive()
        assert "Traceback" not in server.said()

    assert set(results) == known
    failed = {name: failures(checks) for name, checks in results.items() if failures(checks)}
    assert set(failed) == {name for name in known if EXPECTED[name]}, failed
    for name, checks in PARTLY.items():
        if name in known:
            assert failed[name] == checks
            assert any(check.status == "SUCCESS" for check in results[name])
