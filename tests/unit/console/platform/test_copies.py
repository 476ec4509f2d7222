"""``apiloom db`` and ``apiloom doctor`` as they are typed: what is asked for, what is told, and what needs a yes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from apiloom.base import json
from apiloom.console.cli.run import run
from apiloom.console.house import CopyAsk, House, Surroundings
from support.shell import Typed, absent

PLAN = {
    "place": "/data",
    "dormant": "it was restored from a backup",
    "journal": False,
    "entries": 0,
    "marked": 3,
    "claimed": False,
}
DONE: Mapping[str, Mapping[str, Any]] = {
    "backup": {"file": "/b", "rows": 1234, "bytes": 56789, "seq": 7},
    "restore": {
        "place": "/data",
        "made_at": "2027-01-01T00:00:00Z",
        "journal": True,
        "ended": 5,
        "stale": 2,
        "dropped": "2027-01-01T00:00:00Z",
        "forged": 1,
        "saved": "/data/apiloom.db.before-x",
    },
    "upgrade": {"place": "/data", "from": 1, "to": 2},
}


@pytest.fixture
def typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Typed, list[CopyAsk]]]:
    def type_(answer: Callable[[CopyAsk], Any], *words: str) -> tuple[Typed, list[CopyAsk]]:
        asked: list[CopyAsk] = []

        def copies(ask: CopyAsk, _: Any) -> Any:
            asked.append(ask)
            return answer(ask)

        around = Surroundings(environment={}, home=tmp_path, folder=tmp_path)
        house = House(read=absent, call=absent, preview=absent, serve=absent, copies=copies, surroundings=around)
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        capsys.readouterr()
        code = run(house, words)
        out, err = capsys.readouterr()
        return Typed(code, out, err), asked

    return type_


def told(ask: CopyAsk) -> Mapping[str, Any]:
    return DONE[ask.word]


def test_files_and_folders_are_those_of_where_it_is_typed(typed: Any, tmp_path: Path) -> None:
    done, asked = typed(told, "db", "backup", "b", "--data", "d")
    assert (done.code, asked) == (0, [CopyAsk(word="backup", data="d", file=str(tmp_path / "b"))])
    assert "1,234 rows" in done.out
    assert "keep the key apart" in done.err
    done, asked = typed(told, "db", "restore", "b", "--force", "--journal", "j", "--json")
    assert asked == [CopyAsk(word="restore", file=str(tmp_path / "b"), journals=(str(tmp_path / "j"),), sure=True)]
    assert json.loads(done.out) == DONE["restore"]
    done, _ = typed(told, "db", "restore", "b")
    assert "5 things were ended again, 2 accounts" in done.out
    assert "1 lines of the journal" in done.err
    assert "what ended until 2027-01-01T00:00:00Z may be missing" in done.err
    assert "db claim" in done.err
    assert "from schema 1 to 2" in typed(told, "db", "upgrade")[0].out


def test_a_claim_says_what_it_does_and_is_done_only_with_a_yes(typed: Any) -> None:
    def claimed(ask: CopyAsk) -> Any:
        return {**PLAN, "claimed": ask.sure, "number": 2, "ended": 0}

    done, asked = typed(claimed, "db", "claim")
    assert (done.code, [ask.sure for ask in asked]) == (2, [False])
    assert "3 accounts will need to be connected anew" in done.err
    assert "there is no journal" in done.err
    done, asked = typed(claimed, "db", "claim", "--yes", "--keep-grants")
    assert (done.code, [(ask.sure, ask.keep_grants) for ask in asked]) == (0, [(False, True), (True, True)])
    assert "/data acts from now on" in done.out
    done, asked = typed(lambda _: {**PLAN, "dormant": ""}, "db", "claim")
    assert (done.code, len(asked), "acts already" in done.out) == (0, 1, True)


@pytest.mark.parametrize("fine", [True, False])
def test_doctor_ends_with_one_where_something_is_wrong(typed: Any, fine: bool) -> None:
    line = {"check": "key", "how": "ok" if fine else "wrong", "told": "it opens", "hint": "look"}
    answer = {"ok": fine, "checks": [line]}
    done, asked = typed(lambda _: answer, "doctor", "--deep", "--public-url", "https://x.example")
    assert (done.code, asked[0].deep, asked[0].public_url) == (0 if fine else 1, True, "https://x.example")
    assert "it opens" in done.out
    assert ("key: look" in done.err) is not fine
    done, _ = typed(lambda _: answer, "doctor", "--json")
    assert (done.code, json.loads(done.out)) == (0 if fine else 1, answer)


def test_doctor_looks_at_no_public_url_that_a_gateway_cannot_have(typed: Any) -> None:
    done, asked = typed(lambda _: {"ok": True, "checks": []}, "doctor", "--public-url", "https://x.example/loom")
    assert (done.code, asked) == (2, [])
    assert "the gateway cannot be known by a URL with a path" in done.err
