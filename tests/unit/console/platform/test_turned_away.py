"""What somebody is told whose token the gateway does not know: where it came from, and what helps there."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform import session
from apiloom.console.cli.platform.session import asked


def turned_away(*_: Any) -> Any:
    raise CallerError("a valid API token is needed", code="api.token", hint="send it")


@pytest.mark.parametrize(
    ("given", "environment", "told"),
    [
        ({"token_file": "t"}, {"APILOOM_TOKEN": "ala_x"}, "the token in this file"),
        ({}, {"APILOOM_TOKEN": "ala_x"}, "the token in APILOOM_TOKEN"),
        ({}, {}, "run apiloom login again"),
    ],
)
def test_the_hint_names_where_the_token_came_from(
    given: dict[str, Any],
    environment: dict[str, str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_reach", lambda *_: None)
    surroundings = SimpleNamespace(environment=environment, folder=tmp_path)
    seat: Any = SimpleNamespace(
        house=SimpleNamespace(platform=turned_away, surroundings=surroundings), progress=lambda: nullcontext(print)
    )
    with pytest.raises(CallerError) as refused:
        asked(seat, given, turned_away)
    assert told in refused.value.hint
