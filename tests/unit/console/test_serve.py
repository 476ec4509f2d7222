import pytest

from apiloom.base import json
from apiloom.console.cli.serve import read_address
from apiloom.console.house import Gateway, Listen, Options, Served
from support.fake_house import Desk


def test_serve_hands_on_its_sources_and_listens_on_the_contracts_address(tmp_path, capsys):
    desk = Desk(tmp_path)
    assert desk.run("serve", "a.yaml", "b.yaml") == 0
    assert desk.asked == [
        ("serve", ("a.yaml", "b.yaml"), Options(result_tokens=25_000), Listen(host="127.0.0.1", port=8787))
    ]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "a credential is missing",
        "Bookshop is served with 2 tools at http://127.0.0.1:1/mcp",
        "to add it to a client: apiloom install CLIENT --url http://127.0.0.1:1/mcp",
    ]


def test_a_server_for_other_machines_tells_its_token_and_where_else_it_is(tmp_path, capsys):
    served = Served(title="Shop", url="http://127.0.0.1:1/mcp", tools=1, token="t0ken", everywhere=True)
    assert Desk(tmp_path, ready=served).run("serve", "a.yaml") == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        "Shop is served with 1 tool at http://127.0.0.1:1/mcp and every other address of this machine",
        "callers must send Authorization: Bearer t0ken",
        "to add it to a client: apiloom install CLIENT --url http://127.0.0.1:1/mcp --token-env VARIABLE",
    ]


def test_a_title_cannot_say_a_line_of_its_own(tmp_path, capsys):
    served = Served(title="Shop\ncallers must send\u2028x\x85y\x1b[2J", url="http://127.0.0.1:1/mcp", tools=1)
    assert Desk(tmp_path, ready=served).run("serve", "a.yaml") == 0
    assert capsys.readouterr().err.splitlines()[1:2] == [
        "Shop callers must send x y[2J is served with 1 tool at http://127.0.0.1:1/mcp"
    ]


def test_a_program_is_told_where_the_server_is_on_one_line_of_json(tmp_path, capsys):
    assert Desk(tmp_path).run("serve", "a.yaml", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"title": "Bookshop", "url": "http://127.0.0.1:1/mcp", "tools": 2, "token": None}
    assert out.count("\n") == 1
    assert err == "a credential is missing\n"


def test_what_is_for_one_source_names_it(tmp_path):
    desk = Desk(tmp_path)
    words = "--base-url https://all --base-url pets:http://localhost:1 --server pets:2 --variable region=eu"
    words += " --header pets:X-Version=3 --header shop:X-Version=4 --trust pets:https://files"
    assert desk.run("serve", "a.yaml", *words.split()) == 0
    _, _, options, _ = desk.asked[0]
    assert (options.base_url, options.base_urls) == ("https://all", ("pets:http://localhost:1",))
    assert (options.servers, options.variables) == (("pets:2",), ("region=eu",))
    assert options.headers == ("pets:X-Version=3", "shop:X-Version=4")
    assert options.trusted == ("pets:https://files",)


def test_every_option_reaches_the_house(tmp_path):
    desk = Desk(tmp_path, served=7)
    words = "--http 0.0.0.0:0 --open --public-url https://x.example --base-url http://api --name shop"
    words += " --auth header:X-Key --credentials c.json --timeout 5 --require-descriptions --remote-refs --no-cache"
    assert desk.run("serve", "a.yaml", *words.split(), "--result-tokens", "0", "--mode", "direct") == 7
    _, _, options, listen = desk.asked[0]
    assert listen == Listen(host="0.0.0.0", port=0, public_url="https://x.example", open=True)
    assert options == Options(
        base_url="http://api",
        name="shop",
        auth="header:X-Key",
        credentials="c.json",
        require_descriptions=True,
        remote_refs=True,
        cache=False,
        timeout=5.0,
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("[::1]:80", ("::1", 80)),
        (":9000", ("127.0.0.1", 9000)),
        ("9000", ("127.0.0.1", 9000)),
        ("gateway.example:65535", ("gateway.example", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text, address):
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["nowhere", "1.2.3.4:", "a:b", "a:65536", "::1:80", "a b:1", "http://x:1"])
def test_what_is_no_address_is_refused_in_one_sentence(tmp_path, capsys, text):
    desk = Desk(tmp_path)
    assert desk.run("serve", "a.yaml", "--http", text) == 2
    assert "is no address to listen on: write HOST:PORT" in capsys.readouterr().err
    assert desk.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "a.yaml", "--mode", "search"], "--mode search comes with a later release"),
        (["serve", "a.yaml", "--mode", "code"], "--mode code comes with a later release"),
        (["serve", "mcp:https://x.example/mcp"], "mcp: sources come with a later release"),
        (["serve", "stdio:npx thing"], "stdio: sources come with a later release"),
        (["serve", "--", "npx", "thing"], "command lines after -- come with a later release"),
        (["inspect", "mcp:https://x.example/mcp"], "mcp: sources come with a later release"),
        (["export", "a.yaml", "--to", "python", "d"], "export --to python comes with a later release"),
        (["export", "a.yaml", "--to", "mcpb", "d"], "export --to mcpb comes with a later release"),
    ],
)
def test_known_words_that_are_not_able_yet_say_so(tmp_path, capsys, words, told):
    desk = Desk(tmp_path)
    assert desk.run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert desk.asked == []


def test_without_a_source_the_gateway_is_served(tmp_path, capsys):
    desk = Desk(tmp_path, served=3)
    words = "--http :9 --data d --admin-http 127.0.0.1:10 --token-file t --public-url https://x.example"
    assert desk.run("serve", *words.split()) == 3
    _, gateway, listen = desk.asked[0]
    assert gateway == Gateway(data="d", admin=("127.0.0.1", 10), token_file="t")
    assert listen == Listen(port=9, public_url="https://x.example")
    told = capsys.readouterr()
    assert told.out == ""
    assert "served with 2 servers at http://127.0.0.1:9" in told.err
    assert "shown once and good for an hour: ala_token" in told.err


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("https://x.example", "https://x.example"),
        ("HTTPS://X.Example:443/", "https://x.example/"),
        ("http://X.example:80", "http://x.example"),
        ("https://x.example/mcp", "https://x.example/mcp"),
        ("http://[::1]:8787", "http://[::1]:8787"),
    ],
)
def test_a_public_url_is_kept_as_clients_write_it(tmp_path, given, known):
    desk = Desk(tmp_path)
    desk.run("serve", "--public-url", given)
    assert desk.asked[0][2].public_url == known


@pytest.mark.parametrize("given", ["https://x.example/loom", "https://x.example/loom/mcp", "https://x.example//mcp/x/"])
def test_a_gateway_is_known_by_no_url_with_a_path(tmp_path, capsys, given):
    desk = Desk(tmp_path)
    assert desk.run("serve", "--public-url", given) == 2
    assert desk.asked == []
    told = capsys.readouterr().err
    assert "the gateway cannot be known by a URL with a path" in told
    assert told.count("\n") == 1


def test_a_source_may_be_known_by_a_url_with_a_path(tmp_path):
    desk = Desk(tmp_path)
    desk.run("serve", "api.json", "--public-url", "https://x.example:80/loom")
    assert desk.asked[0][3].public_url == "https://x.example:80/loom"


@pytest.mark.parametrize(
    "given", ["https://x.example?a=1", "https://u@x.example", "https://x.example/#a", "https://ä.example"]
)
def test_a_public_url_that_no_token_can_be_bound_to_is_refused(tmp_path, capsys, given):
    desk = Desk(tmp_path)
    assert desk.run("serve", "--public-url", given) == 2
    assert desk.asked == []
    assert "--public-url" in capsys.readouterr().err


def test_a_program_is_told_where_the_gateway_is_and_never_a_token(tmp_path, capsys):
    desk = Desk(tmp_path)
    assert desk.run("serve", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"url": "http://127.0.0.1:9", "data": "/d", "servers": 2, "token_file": None}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("serve --stdio", "the gateway speaks over HTTP"),
        ("serve --open", "the gateway speaks over HTTP"),
        ("serve --base-url http://x", "--base-url says how a SOURCE is served"),
        ("serve --result-tokens 500 --data d", "--result-tokens says how a SOURCE is served"),
        ("serve a.yaml --data d", "--data is for the gateway"),
        ("serve a.yaml --admin-http :1", "--admin-http is for the gateway"),
        ("serve a.yaml --token-file t", "--token-file is for the gateway"),
    ],
)
def test_what_is_for_the_gateway_and_what_is_for_sources_are_told_apart(tmp_path, capsys, words, told):
    desk = Desk(tmp_path)
    assert desk.run(*words.split()) == 2
    assert told in capsys.readouterr().err
    assert desk.asked == []


def test_an_existing_path_wins_over_a_prefix(tmp_path):
    (tmp_path / "mcp:notes.yaml").write_text("openapi: 3.1.0")
    desk = Desk(tmp_path)
    assert desk.run("serve", "mcp:notes.yaml") == 0
    assert desk.asked[0][1] == ("mcp:notes.yaml",)


@pytest.mark.parametrize(
    "words",
    [
        ["--stdio", "--http", "1.2.3.4:5"],
        ["--base-url", "ftp://x"],
        ["--base-url", "api.example"],
        ["--base-url", "http://user:secret@api.example"],
        ["--base-url", "http://api.example:99999"],
        ["--auth", "oauth"],
        ["--auth", "header:"],
        ["--auth", "header:X Y"],
        ["--base-url", "https://a", "--base-url", "https://b"],
        ["--base-url", "pets:ftp://a"],
        ["--header", "X-Version"],
        ["--header", "=1"],
        ["--variable", "region"],
        ["--trust", "files.example"],
        ["--timeout", "0"],
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_starts(tmp_path, capsys, words):
    desk = Desk(tmp_path)
    assert desk.run("serve", "a.yaml", *words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "secret" not in err
    assert desk.asked == []


def test_standard_input_cannot_be_the_document_and_the_client(tmp_path, capsys):
    assert Desk(tmp_path).run("serve", "-", "--stdio") == 2
    assert "standard input" in capsys.readouterr().err


def test_standard_input_is_one_document_at_most(tmp_path, capsys):
    assert Desk(tmp_path).run("serve", "-", "-") == 2
    assert "one source only" in capsys.readouterr().err
