"""The bundled example: what a newcomer sees first works, and the command line works on it with nothing faked."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from apiloom.app.main import main
from apiloom.base import json
from support.bookshop import DOCUMENT, EXAMPLES, KEY, open_shop

ISBN = "9780141439518"


@pytest.fixture(scope="module")
def shop():
    with open_shop() as url:
        yield url


@pytest.fixture
def apiloom(shop, capfdbinary, monkeypatch, tmp_path):
    monkeypatch.setenv("APILOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("APILOOM_AUTH_SHOPKEY", raising=False)

    def run(command: str, *words: str) -> tuple[int, bytes, str]:
        url = () if command in {"inspect", "export"} else ("--base-url", shop)
        code = main([command, str(DOCUMENT), *words, *url])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return run


def test_the_demo_serves_lists_calls_and_shows_what_to_paste():
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), "--once"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "8 tools:" in done.stdout
    assert '"total": 1' in done.stdout
    assert "claude mcp add --transport http bookshop http://127.0.0.1:" in done.stdout


def test_every_operation_of_the_example_is_exposed_and_only_its_relative_server_is_warned_of(apiloom):
    code, out, err = apiloom("inspect", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["ledger"] == {"operations": 8, "exposed": 8, "gated": 0, "quarantined": 0}
    # the example does not say on which port it will answer; the demo does
    assert [finding["code"] for finding in report["findings"] if finding["level"] != "note"] == ["server.relative"]


def test_answers_depend_on_the_arguments(apiloom):
    _, out, _ = apiloom(
        "call", "list_books", "--arg", "tag=novel", "--arg", "tag=love", "--arg", "sort=price", "--json"
    )
    titles = [book["title"] for book in json.loads(out)["structured"]["items"]]
    assert titles == ["Sense and Sensibility", "Pride and Prejudice"]
    _, out, _ = apiloom("call", "list_books", "--arg", "author=hesse", "--json")
    assert json.loads(out)["structured"]["items"][0]["title"] == "Bäume"


def test_a_nested_book_is_added_changed_and_shown(apiloom):
    book = {"isbn": "1234567890", "title": "42", "author": {"name": "Ann"}, "price": {"amount": 3.5, "currency": "EUR"}}
    assert apiloom("call", "add_book", "--json", json.dumps(book).decode())[0] == 0
    assert apiloom("call", "change_book", "--arg", "isbn=1234567890", "--arg", "stock=5")[0] == 0
    _, out, _ = apiloom("call", "get_book", "--arg", "isbn=1234567890", "--json")
    assert json.loads(out)["structured"] == {**book, "stock": 5, "has_cover": False}


def test_a_file_goes_up_and_comes_down_byte_for_byte(apiloom, tmp_path):
    picture = bytes(range(256)) + b"\r\n--\r\n"
    (tmp_path / "mine.png").write_bytes(picture)
    words = ["--arg", f"isbn={ISBN}", "--arg", f"picture=@{tmp_path / 'mine.png'}", "--arg", "caption=Grüße", "--json"]
    _, out, _ = apiloom("call", "bring_cover", *words)
    assert json.loads(out)["structured"] == {"bytes": len(picture), "filename": "mine.png", "caption": "Grüße"}
    assert apiloom("call", "show_cover", "--arg", f"isbn={ISBN}")[:2] == (0, picture)
    kept = tmp_path / "down.png"
    assert apiloom("call", "show_cover", "--arg", f"isbn={ISBN}", "-o", str(kept))[0] == 0
    assert kept.read_bytes() == picture


def test_an_order_needs_the_key_and_the_key_comes_from_the_environment(apiloom, monkeypatch):
    words = [
        "place_order",
        "--json",
        json.dumps({"customer": {"name": "Z"}, "lines": [{"isbn": ISBN, "copies": 2}]}).decode(),
    ]
    code, out, _ = apiloom("call", *words)
    assert (code, json.loads(out)["failed"]) == (3, True)
    unsigned = "no credentials are sent with this: set APILOOM_AUTH_SHOPKEY where apiloom runs"
    _, out, err = apiloom("call", *words, "--dry-run")
    assert (json.loads(out)["warnings"], err) == ([unsigned], "")
    monkeypatch.setenv("APILOOM_AUTH_SHOPKEY", KEY)
    _, out, _ = apiloom("call", *words, "--dry-run")
    assert ["X-Shop-Key", "***"] in json.loads(out)["headers"]
    assert "warnings" not in json.loads(out)
    code, out, _ = apiloom("call", *words)
    assert (code, json.loads(out)["structured"]["copies"]) == (0, 2)


def test_what_the_shop_refuses_is_its_sentence_and_exit_code_3(apiloom):
    code, out, err = apiloom("call", "get_book", "--arg", "isbn=0000000000")
    assert (code, out) == (3, b"")
    assert "no book has the number 0000000000" in err


def test_wrong_arguments_are_told_before_anything_is_sent(apiloom):
    code, out, err = apiloom("call", "get_book", "--arg", "isbn=no")
    assert (code, out) == (2, b"")
    assert "isbn" in err


@pytest.mark.parametrize(("target", "files"), [("anthropic", 1), ("openai", 2), ("config", 6)])
def test_every_export_of_the_example_is_the_same_twice(apiloom, tmp_path, target, files):
    for name in ("one", "two"):
        assert apiloom("export", "--to", target, str(tmp_path / name))[0] == 0
    one, two = ({path.name: path.read_bytes() for path in Path(tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == files


async def test_what_install_writes_starts_a_server_that_the_official_client_can_use(shop, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert await asyncio.to_thread(main, ["install", "cursor", str(DOCUMENT), "--base-url", shop]) == 0
    capfd.readouterr()
    entry = json.loads((tmp_path / ".cursor" / "mcp.json").read_bytes())["mcpServers"]["bookshop"]
    parameters = StdioServerParameters(command=entry["command"], args=entry["args"], cwd=tmp_path)
    async with asyncio.timeout(60), Client(parameters) as client:
        assert len((await client.list_tools()).tools) == 8
        result = await client.call_tool("get_book", {"isbn": ISBN})
    assert result.structured_content["author"]["name"] == "Jane Austen"
