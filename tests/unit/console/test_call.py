import base64
import io
import sys

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError, UpstreamError
from apiloom.calls.call import Blob, Outcome, Text, refusal
from apiloom.console.house import WARNINGS
from support.fake_house import Desk


def arguments_of(desk: Desk) -> dict:
    return desk.asked[-1][4]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["title=42"], {"title": "42"}),
        (["title=a=b"], {"title": "a=b"}),
        (["title="], {"title": ""}),
        (["copies=3"], {"copies": 3}),
        (["copies=many"], {"copies": "many"}),
        (["copies=1.5"], {"copies": 1.5}),
        (["price=3"], {"price": 3}),
        (["price=9.99"], {"price": 9.99}),
        (["signed=true"], {"signed": True}),
        (["tags=new"], {"tags": ["new"]}),
        (["tags=1", "tags=2"], {"tags": ["1", "2"]}),
        (['tags=["a","b"]'], {"tags": ["a", "b"]}),
        (["numbers=1", "numbers=2"], {"numbers": [1, 2]}),
        (["numbers=7"], {"numbers": [7]}),
        (['author={"name":"Ann"}'], {"author": {"name": "Ann"}}),
        (["either=5"], {"either": 5}),
        (["either=five"], {"either": "five"}),
        (["either=true"], {"either": "true"}),
        (["anything=5"], {"anything": 5}),
        (["anything=five"], {"anything": "five"}),
        (["unknown=5"], {"unknown": 5}),
    ],
)
def test_values_are_read_as_the_tools_schema_means_them(tmp_path, words, arguments):
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", *(part for word in words for part in ("--arg", word))) == 0
    assert arguments_of(desk) == arguments


def test_an_object_of_arguments_needs_no_second_reading_of_the_document(tmp_path, capsys):
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "--json", '{"title":"A","copies":2}') == 0
    assert [asked[0] for asked in desk.asked] == ["call"]
    assert arguments_of(desk) == {"title": "A", "copies": 2}
    assert json.loads(capsys.readouterr().out) == {
        "failed": False,
        "content": [{"type": "text", "text": "done"}],
        "structured": None,
        "meta": {},
    }


def test_single_arguments_win_over_an_object(tmp_path):
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "--arg", "title=B", "--json", '{"title":"A","copies":2}') == 0
    assert arguments_of(desk) == {"title": "B", "copies": 2}


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "x.yaml", "add_book", "--dry-run"],
        ["x.yaml", "--json", "add_book", "--dry-run"],
        ["x.yaml", "add_book", "--dry-run", "--json"],
        ["x.yaml", "add_book", "--json", "--dry-run"],
        ["x.yaml", "add_book", "--json={}", "--dry-run"],
        ["x.yaml", "add_book", "--json", '{"title":"A"}', "--json", "--dry-run"],
    ],
)
def test_json_alone_never_swallows_the_next_word(tmp_path, capsys, words):
    desk = Desk(tmp_path)
    assert desk.run("call", *words) == 0
    assert desk.asked[-1][:2] == ("preview", "x.yaml")
    assert json.loads(capsys.readouterr().out) == {
        "method": "POST",
        "url": "https://shop.example/books",
        "headers": [["X-Key", "***"]],
        "body": {"text": "{}"},
    }


def test_arguments_may_stand_in_a_file_or_come_from_standard_input(tmp_path, monkeypatch):
    (tmp_path / "args.json").write_text('{"title": "Ünï"}', encoding="utf-8")
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "--json", "@args.json") == 0
    assert arguments_of(desk) == {"title": "Ünï"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"title": "B"}')))
    assert desk.run("call", "x.yaml", "add_book", "--json", "@-") == 0
    assert arguments_of(desk) == {"title": "B"}


@pytest.mark.parametrize("text", ["[1]", "{nope}", '{"a":1', "@missing.json"])
def test_what_is_no_object_of_arguments_is_refused_before_anything_is_sent(tmp_path, capsys, text):
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "--json", text) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "cli.arguments"
    assert desk.asked == []


def test_an_argument_without_a_value_is_refused(tmp_path, capsys):
    assert Desk(tmp_path).run("call", "x.yaml", "add_book", "--arg", "title") == 2
    assert "write --arg name=value" in capsys.readouterr().err


def test_a_file_is_read_only_for_an_argument_that_takes_files(tmp_path):
    (tmp_path / "front.png").write_bytes(b"\x89PNG")
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "--arg", "cover=@front.png", "--arg", "title=@front.png") == 0
    assert arguments_of(desk) == {
        "cover": {"data": base64.b64encode(b"\x89PNG").decode(), "type": "image/png", "filename": "front.png"},
        "title": "@front.png",
    }


def test_a_file_that_is_not_there_is_told_in_one_sentence(tmp_path, capsys):
    assert Desk(tmp_path).run("call", "x.yaml", "add_book", "--arg", "cover=@nowhere.png") == 2
    assert "nowhere.png cannot be read" in capsys.readouterr().err


def test_an_unknown_tool_is_answered_by_the_call_itself(tmp_path, capsys):
    assert Desk(tmp_path).run("call", "x.yaml", "ad_book", "--arg", "title=x") == 2
    assert "there is no tool named 'ad_book': did you mean" in capsys.readouterr().err


def test_a_dry_run_shows_the_request_to_a_person(tmp_path, capsys):
    assert Desk(tmp_path).run("call", "x.yaml", "add_book", "--dry-run") == 0
    assert capsys.readouterr().out == "POST https://shop.example/books\nX-Key: ***\n\n{}\n"


def test_an_answer_is_printed_as_its_text(tmp_path, capsys):
    desk = Desk(tmp_path, outcome=Outcome(content=(Text("one\x1b[2J"), Text("two")), structured=b'{"n":1}'))
    assert desk.run("call", "x.yaml", "add_book") == 0
    assert capsys.readouterr().out == "one[2J\ntwo\n"
    assert desk.run("call", "x.yaml", "add_book", "--json") == 0
    assert json.loads(capsys.readouterr().out)["structured"] == {"n": 1}


def test_what_was_given_and_is_not_used_is_told_beside_the_answer(tmp_path, capsys):
    outcome = Outcome(content=(Text("done"),), meta={WARNINGS: ["APILOOM_AUTH_KYE names no security scheme"]})
    desk = Desk(tmp_path, outcome=outcome)
    assert desk.run("call", "x.yaml", "add_book") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("done\n", "note: APILOOM_AUTH_KYE names no security scheme\n")
    assert desk.run("call", "x.yaml", "add_book", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["warnings"] == ["APILOOM_AUTH_KYE names no security scheme"]
    assert answer["meta"] == {}


def failed(**error: object) -> Outcome:
    return Outcome(content=(Text("it did not work"),), failed=True, meta={"dev.apiloom/error": error})


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (failed(code="upstream.status", status=404), 3),
        (failed(code="anything", status=503), 3),
        (refusal(UpstreamError("it did not work", code="net.timeout")), 3),
        (refusal(CallerError("it did not work", code="policy.arguments.invalid")), 2),
        (failed(code="something.else"), 1),
        (Outcome(content=(Text("it did not work"),), failed=True), 1),
    ],
)
def test_a_failed_call_says_who_must_act_by_its_exit_code(tmp_path, capsys, outcome, code):
    desk = Desk(tmp_path, outcome=outcome)
    assert desk.run("call", "x.yaml", "add_book") == code
    assert capsys.readouterr() == ("", "apiloom: it did not work\n")
    assert desk.run("call", "x.yaml", "add_book", "--json") == code
    assert json.loads(capsys.readouterr().out)["failed"] is True


def test_bytes_go_into_a_pipe_as_they_are(tmp_path, capsysbinary):
    desk = Desk(tmp_path, outcome=Outcome(content=(Blob(b"\x89PNG\r\n\x00", "image/png"),)))
    assert desk.run("call", "x.yaml", "add_book") == 0
    assert capsysbinary.readouterr().out == b"\x89PNG\r\n\x00"


def test_bytes_are_base64_for_a_program(tmp_path, capsys):
    desk = Desk(tmp_path, outcome=Outcome(content=(Blob(b"\x89PNG", "image/png", "c.png"),)))
    desk.run("call", "x.yaml", "add_book", "--json")
    assert json.loads(capsys.readouterr().out)["content"] == [
        {"type": "blob", "mimeType": "image/png", "name": "c.png", "data": "iVBORw=="}
    ]


def test_content_is_written_to_a_file(tmp_path, capsys):
    desk = Desk(tmp_path, outcome=Outcome(content=(Text("a cover"), Blob(b"\x89PNG", "image/png"))))
    assert desk.run("call", "x.yaml", "add_book", "-o", "cover.png") == 0
    assert (tmp_path / "cover.png").read_bytes() == b"\x89PNG"
    assert capsys.readouterr() == ("", "")


def test_a_file_in_no_folder_is_told_before_anything_is_sent(tmp_path, capsys):
    desk = Desk(tmp_path)
    assert desk.run("call", "x.yaml", "add_book", "-o", "no/such/folder.txt") == 2
    assert "no/such/folder.txt cannot be written: its folder does not exist" in capsys.readouterr().err
    assert desk.asked == []


def test_a_file_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    assert Desk(tmp_path).run("call", "x.yaml", "add_book", "-o", "taken") == 2
    assert "taken cannot be written" in capsys.readouterr().err


def test_a_failed_answer_never_overwrites_a_file(tmp_path):
    (tmp_path / "keep.txt").write_text("precious")
    desk = Desk(tmp_path, outcome=failed(code="upstream.status", status=500))
    assert desk.run("call", "x.yaml", "add_book", "-o", "keep.txt") == 3
    assert (tmp_path / "keep.txt").read_text() == "precious"
