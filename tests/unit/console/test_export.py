import tomllib

import pytest

from apiloom.base import json
from support.fake_house import SCHEMA, Desk, catalog, tool


def test_anthropic_definitions_are_written_one_a_line(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(tool("a"), tool("b")))
    assert desk.run("export", "x.yaml", "--to", "anthropic", "out") == 0
    path = tmp_path / "out" / "anthropic.json"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_text().count("\n") == 4
    assert json.loads(path.read_text()) == [
        {"name": name, "description": "Adds a book to the shop.", "input_schema": SCHEMA} for name in ("a", "b")
    ]


def test_openai_definitions_are_written_for_both_of_its_apis(tmp_path):
    assert Desk(tmp_path).run("export", "x.yaml", "--to", "openai", "out") == 0
    chat = json.loads((tmp_path / "out" / "openai-chat.json").read_text())
    responses = json.loads((tmp_path / "out" / "openai-responses.json").read_text())
    assert [definition["function"]["name"] for definition in chat] == ["add_book"]
    assert [definition["name"] for definition in responses] == ["add_book"]


def test_what_a_provider_would_refuse_is_told(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(*(tool(f"t{number}") for number in range(129))))
    assert desk.run("export", "x.yaml", "--to", "openai", "out") == 0
    assert "129 tools, and OpenAI takes 128 in one request" in capsys.readouterr().err
    assert desk.run("export", "x.yaml", "--to", "openai", "out", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["tools"] == 129
    assert len(value["warnings"]) == 1
    assert value["files"] == [str(tmp_path / "out" / name) for name in ("openai-chat.json", "openai-responses.json")]


def test_definitions_go_to_standard_output_when_the_folder_is_a_dash(tmp_path, capsys):
    assert Desk(tmp_path).run("export", "x.yaml", "--to", "anthropic", "-") == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "add_book"


def test_what_a_provider_would_refuse_is_told_beside_printed_definitions_too(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(*(tool(f"t{number}") for number in range(129))))
    assert desk.run("export", "x.yaml", "--to", "openai", "-") == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 129
    assert "OpenAI takes 128 in one request" in err


def test_a_configuration_is_written_for_each_client(tmp_path):
    desk = Desk(tmp_path, environment={"APILOOM_AUTH_SHOP_KEY": "s3cret"})
    assert desk.run("export", "x.yaml", "--to", "config", "out") == 0
    files = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == [
        "claude-code.json",
        "claude-code.sh",
        "claude-desktop.json",
        "codex.toml",
        "cursor.json",
        "vscode.json",
    ]
    assert "s3cret" not in "".join(files.values())
    assert list(json.loads(files["vscode.json"])["servers"]) == ["bookshop"]
    assert tomllib.loads(files["codex.toml"])["mcp_servers"]["bookshop"]["env_vars"] == ["APILOOM_AUTH_SHOP_KEY"]
    assert files["claude-code.sh"].startswith(
        "claude mcp add --transport stdio bookshop -- /opt/env/bin/python -m apiloom"
    )


def test_a_configuration_may_point_to_a_running_server(tmp_path):
    assert Desk(tmp_path).run("export", "x.yaml", "--to", "config", "out", "--url", "https://h.example/mcp") == 0
    assert not (tmp_path / "out" / "claude-desktop.json").exists()
    assert (tmp_path / "out" / "claude-code.sh").read_text() == (
        "claude mcp add --transport http bookshop https://h.example/mcp\n"
    )


@pytest.mark.parametrize(
    "words", [["-", "--to", "config", "out"], ["x.yaml", "out"], ["x.yaml", "--to", "soap", "out"]]
)
def test_what_cannot_be_exported_is_refused(tmp_path, capsys, words):
    assert Desk(tmp_path).run("export", *words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert Desk(tmp_path).run("export", "x.yaml", "--to", "openai", "out") == 2
    assert "cannot be written" in capsys.readouterr().err
