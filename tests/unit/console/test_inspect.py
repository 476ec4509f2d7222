import pytest

from apiloom.base import json
from apiloom.base.values import replace
from apiloom.model.api import SecurityScheme
from support.fake_house import Desk, catalog, report, tool


def test_a_program_gets_the_report_unchanged_on_one_line(tmp_path, capsys):
    desk = Desk(tmp_path)
    assert desk.run("inspect", "x.yaml", "--json") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == report(desk.catalog)


def test_a_person_gets_title_ledger_tools_cost_and_score(tmp_path, capsys):
    assert Desk(tmp_path).run("inspect", "x.yaml") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Bookshop 1.2 (OpenAPI 3.1)",
        "1 operation: 1 exposed, 0 gated, 0 quarantined",
        "",
        "tool      method  path    class  args  tokens",
        "add_book  POST    /books  write    10     132",
        "",
        "tools/list costs about 1,234 tokens, the largest tool 99",
        "score: 97.5 of 100 (descriptions 95, size 100)",
        "",
        "credentials:",
        "  APILOOM_AUTH_SHOP_KEY  Shop Key, a key in header X-Key, 1 tool",
    ]


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        (SecurityScheme(id="s", kind="apiKey", place="query", name="k"), "a key in query k"),
        (SecurityScheme(id="s", kind="http", scheme="basic"), "user:password"),
        (SecurityScheme(id="s", kind="http", scheme="bearer"), "a bearer token"),
        (SecurityScheme(id="s", kind="http", scheme="hmac"), "what follows Hmac in Authorization"),
        (
            SecurityScheme(id="s", kind="oauth2"),
            "an access token; with a client in a credentials file it is got and renewed for you",
        ),
        (
            SecurityScheme(id="s", kind="apiKey", place="header", name="Authorization"),
            "a key in header Authorization, the whole value, such as Bearer …",
        ),
        (SecurityScheme(id="s", kind="mutualTLS"), "the PEM file of a client certificate"),
    ],
)
def test_what_each_kind_of_scheme_wants_is_told(tmp_path, capsys, scheme, told):
    one = replace(tool(), binding=replace(tool().binding, security=((("s", ()),), ())))
    desk = Desk(tmp_path, catalog=replace(catalog(one), schemes={"s": scheme, "unused": scheme}))
    assert desk.run("inspect", "x.yaml") == 0
    variable = "APILOOM_CLIENT_CERTIFICATE" if scheme.kind == "mutualTLS" else "APILOOM_AUTH_S"
    assert capsys.readouterr().out.endswith(f"\ncredentials:\n  {variable}  s, {told}, 1 tool\n")


def test_each_tool_is_shown_with_its_cost_and_of_many_the_costliest_are_named(tmp_path, capsys):
    cat = catalog(*(tool(f"add_{number:03}") for number in range(12)))
    tools = [{**entry, "tokens": 2000 + number} for number, entry in enumerate(report(cat)["tools"])]
    tokens = {"list": 24_066, "largest": 2011, "costliest": [{"tool": "add_011", "tokens": 2011}]}
    assert Desk(tmp_path, catalog=cat, changes={"tools": tools, "tokens": tokens}).run("inspect", "x.yaml") == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("add_")]
    assert [row[-1] for row in rows] == [f"{2000 + number:,}" for number in range(12)]
    assert "\ntools/list costs about 24,066 tokens, the largest tool 2,011\nmost of all cost add_011 2,011\n" in out


def test_what_was_left_out_is_told_with_its_reason(tmp_path, capsys):
    lines = [
        {"key": "GET /a", "method": "GET", "path": "/a", "status": "gated", "tool": "", "reason": "no description"},
        {"key": "GET /b", "method": "GET", "path": "/b", "status": "quarantined", "tool": "", "reason": "bad path"},
    ]
    assert Desk(tmp_path, changes={"operations": lines, "tools": []}).run("inspect", "x.yaml") == 0
    out = capsys.readouterr().out
    assert "\ngated:\n  GET /a  no description\n" in out
    assert "\nquarantined:\n  GET /b  bad path\n" in out


def test_findings_are_grouped_with_the_most_serious_first(tmp_path, capsys):
    findings = [
        {"level": "note", "code": "webhook", "message": "a webhook", "pointer": "/webhooks/x"},
        {"level": "warning", "code": "guess", "message": "guessed a", "pointer": "/a"},
        {"level": "warning", "code": "guess", "message": "guessed b", "pointer": "/b"},
        {"level": "error", "code": "lost", "message": "lost it", "pointer": ""},
    ]
    desk = Desk(tmp_path, changes={"findings": findings})
    desk.run("inspect", "x.yaml")
    out = capsys.readouterr().out
    assert out.index("findings: 1 error, 2 warnings, 1 note") < out.index("error lost: lost it\n")
    assert "  warning guess (2 times): guessed a  at /a\n" in out
    assert "guessed b" not in out
    desk.run("inspect", "x.yaml", "--all")
    assert "  warning guess: guessed b  at /b\n" in capsys.readouterr().out


def test_a_long_list_is_cut_and_says_how_to_see_the_rest(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(*(tool(f"tool_{number:03}") for number in range(50))))
    desk.run("inspect", "x.yaml")
    out = capsys.readouterr().out
    assert "tool_039" in out
    assert "tool_040" not in out
    assert "… and 10 tools more, shown by --all" in out
    desk.run("inspect", "x.yaml", "--all")
    assert "tool_049" in capsys.readouterr().out


def test_brackets_and_control_characters_of_a_path_are_only_text(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(tool(path="/[red]a[/red]/\x1b[31m")))
    desk.run("inspect", "x.yaml")
    assert "/[red]a[/red]/[31m" in capsys.readouterr().out
