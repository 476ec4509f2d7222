"""What the page says: the same in every language, in the browser's own, and never somebody else's markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from apiloom.console.connect import texts
from apiloom.console.connect.build import build_connect
from apiloom.console.connect.showing import back_to, identity_of
from apiloom.console.connect.texts import LANGUAGES, Say, wanted
from apiloom.console.connect.walls import drop_link, set_link
from apiloom.flows.connect_create import create_session
from apiloom.flows.connect_wanted import LANGUAGES as SPOKEN
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request, Response
from apiloom.store.records import Tenant
from support.connecting import KEYS, notes
from support.grounds import HOST_OWNER, Grounds, add_connector, with_shop

EVIL = '"><script>alert(1)</script><img src=https://evil.example.com/x onerror=a()>'
OPENED = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


async def shown(grounds: Grounds, path: str, headers: list[tuple[str, str]] | None = None) -> Response:
    return await InProcess(build_connect(grounds.ground)).send(
        Request(method="GET", origin="http://localhost", target=path, headers=OPENED if headers is None else headers)
    )


def test_every_language_says_everything_with_the_same_values() -> None:
    assert set(LANGUAGES) == set(SPOKEN)
    own, problems = LANGUAGES["en"]
    for lang, (table, told) in LANGUAGES.items():
        assert set(table) == set(own), lang
        assert set(told) == set(problems), lang
        for key, text in table.items():
            assert values(text) == values(own[key]), (lang, key)
        for key, pair in told.items():
            assert values("".join(pair)) == values("".join(problems[key])), (lang, key)


def values(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_templates_hold_no_text() -> None:
    for page in Path(texts.__file__).with_name("pages").glob("*.html"):
        left = re.sub(r"\{[{%].*?[}%]\}", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        left = re.sub(r"<style.*?</style>|<[^>]*>|[\w-]+=\"[^\"]*\"", " ", left, flags=re.DOTALL)
        assert re.findall(r"[A-Za-z]{3,}", left) == [], page.name


@pytest.mark.parametrize(
    ("accept", "lang"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.4", "de"),
        ("en;q=0.9, de;q=0.1", "en"),
        ("xx", "en"),
        ("de;q=nonsense", "en"),
        ("de;q=0", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_page_speaks_as_the_browser_wishes(accept: str, lang: str) -> None:
    assert wanted(accept) == lang


def test_a_problem_without_a_sentence_of_its_own_is_no_other() -> None:
    assert Say("de").problem("connect.gone")[0].startswith("Dieser Link")
    assert not Say("en").knows("credentials.value")
    with pytest.raises(AttributeError):
        _ = Say("en").nothing


async def test_nothing_that_others_wrote_is_markup() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        house = work.house()
        await house.tenants.add(Tenant(id="evil", name=EVIL))
        await add_connector(house, "notes", notes(KEYS))
        connector = await house.connectors.load("notes")
        assert connector is not None
        await house.connectors.save(replace(connector, title=EVIL), connector.revision)
    wanted_ = {"tenant": "evil", "connector": "notes", "end_user": EVIL, "look": {"name": EVIL[:60]}}
    started = await create_session(grounds.ground, HOST_OWNER, wanted_)
    page = await shown(grounds, started.url.removeprefix("https://loom.example.com"))
    text = page.body.decode()
    assert page.status == 200
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") >= 3


async def test_fields_that_would_be_called_alike_say_what_they_are_for() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        await add_connector(work.house(), "notes", notes([{"Key": [], "Account": [], "Login": [], "Hook": []}]))
    started = await create_session(grounds.ground, HOST_OWNER, {"tenant": "acme", "connector": "notes"})
    text = (await shown(grounds, started.url.removeprefix("https://loom.example.com"))).body.decode()
    assert "Access token (Account)" in text
    assert "Access token (Hook)" in text
    assert "User name (" not in text, "what stands alone needs no such word"


async def test_over_https_the_cookie_is_the_hosts_alone() -> None:
    grounds = await with_shop()
    started = await create_session(grounds.ground, HOST_OWNER, {"tenant": "acme", "connector": "shop"})
    page = await shown(grounds, started.url.removeprefix("https://loom.example.com"))
    cookie = page.header("set-cookie")
    assert cookie.startswith("__Host-apiloom-connect=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    # the link that a browser keeps while somebody signs in is one as well
    for kept in (set_link("cs_a.b", "", secure=True), drop_link("cs_a", secure=True)):
        assert kept.startswith("__Host-apiloom-link-a=")
        assert kept.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    "path",
    [
        "/connect",
        "/connect/",
        "/connect/callback",
        "/connect/callback/x",
        "/connect/callback?state=a&state=b",
        "/connect/cs_" + "a" * 20,
        "/connect/cs_" + "a" * 20 + "." + "b" * 43 + "/nothing",
        "/connect/cs_" + "a" * 20 + "." + "b" * 43 + "/embed",
        "/connect/%00",
        "/connect/" + "x" * 5000,
        "/connect/..%2f..%2fapi",
    ],
)
async def test_what_is_no_link_is_refused_quietly(path: str) -> None:
    grounds = await with_shop()
    page = await shown(grounds, path)
    assert page.status in (400, 404)
    assert page.header("content-type").startswith("text/html")
    assert page.header("set-cookie") == ""


def test_the_way_back_keeps_what_the_vendors_url_had() -> None:
    assert back_to("", "cs_1", "c") == ""
    assert back_to("https://a.example.com/b", "cs_1", "c.d") == (
        "https://a.example.com/b?connect_session=cs_1&connect_code=c.d"
    )
    assert back_to("https://a.example.com/b?x=%20y", "cs_1", "") == (
        "https://a.example.com/b?x=%20y&connect_session=cs_1"
    )


def test_an_identity_is_one_short_line() -> None:
    assert identity_of({"sub": "1", "email": "a@b", "name": "N"}) == "a@b"
    assert identity_of({"sub": 7}) == "7"
    assert identity_of({"name": {"first": "x"}}) == ""
    assert len(identity_of({"name": "x" * 1000})) == 160
    assert "\u202e" not in identity_of({"name": "a\u202eb c"})
