"""Lists that come in pages, walked to their end through the application and a real API: none lost, none twice."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.connectors import Reading
from apiloom.app.quick import build_quick
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.endpoint import Endpoint
from apiloom.catalog.report import build_report
from apiloom.console.house import Options
from apiloom.identity.principal import Principal
from support import paged_api
from support.paged_api import COUNT, IDS, ITEMS, PAGE, WAYS
from support.upstream import Answer, Seen, Upstream, upstream


@asynccontextmanager
async def serving(document: dict[str, Any], folder: Path) -> AsyncIterator[Endpoint]:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    options = Options(cache=False, timeout=10.0)
    quick = build_quick(options, lambda _: None)
    try:
        yield quick.put([Reading(lambda _: None).connector(str(path), options)])
    finally:
        await quick.sender.close()


@pytest.fixture(scope="module")
def api() -> Iterator[Upstream]:
    with upstream(paged_api.answer) as running:
        yield running


@pytest.fixture
async def endpoint(api: Upstream, tmp_path: Path) -> AsyncIterator[Endpoint]:
    api.seen.clear()
    async with serving(paged_api.document(api.url), tmp_path) as running:
        yield running


def tool_of(endpoint: Endpoint, way: str) -> str:
    """The tool of one way of paging, whose name has a verb in front."""
    return next(name for name in endpoint.routes if name.partition("_")[2] == way)


async def ask(endpoint: Endpoint, way: str, **arguments: Any) -> Outcome:
    return await endpoint.run(Call(tool=tool_of(endpoint, way), arguments=arguments))


def structured(outcome: Outcome) -> dict[str, Any]:
    assert not outcome.failed, said(outcome)
    assert outcome.structured is not None
    value: dict[str, Any] = json.loads(outcome.structured)
    return value


def said(outcome: Outcome) -> str:
    return "\n".join(part.text for part in outcome.content if isinstance(part, Text))


def listed(value: Any) -> list[Any]:
    """The one list of things in an answer."""
    found = [each for each in value.values() if isinstance(each, list) and all(isinstance(one, dict) for one in each)]
    inner = [listed(each) for each in value.values() if isinstance(each, dict)]
    return [*(one for each in found for one in each), *(one for each in inner for one in each)]


async def walk(endpoint: Endpoint, way: str, **arguments: Any) -> list[list[str]]:
    """The identifiers on each page, from the first to the last."""
    pages = []
    cursor: dict[str, Any] = {}
    for _ in range(COUNT * 2):
        outcome = await ask(endpoint, way, **arguments, **cursor)
        value = structured(outcome)
        pages.append([item["id"] for item in listed(value)])
        if "next_cursor" not in value:
            assert "next_cursor" not in said(outcome).replace('"next_cursor"', "")
            return pages
        assert value["next_cursor"] in said(outcome)
        cursor = {"cursor": value["next_cursor"]}
    raise AssertionError(f"{way} has no end: {pages}")


@pytest.mark.parametrize("way", WAYS)
async def test_every_item_is_met_once_whatever_the_way_of_paging(way: str, endpoint: Endpoint) -> None:
    pages = await walk(endpoint, way)
    assert [one for page in pages for one in page] == IDS
    assert len(pages) >= COUNT // PAGE
    assert max(map(len, pages)) == PAGE


@pytest.mark.parametrize("way", WAYS)
async def test_gathering_gives_exactly_as_many_items_as_wanted_and_a_cursor_to_the_rest(
    way: str, endpoint: Endpoint
) -> None:
    for most in (2, 7):
        pages = await walk(endpoint, way, max_items=most)
        assert [one for page in pages for one in page] == IDS
        assert [len(page) for page in pages] == [*[most] * (COUNT // most), COUNT % most]


@pytest.mark.parametrize("way", WAYS)
async def test_gathering_all_of_a_list_gives_one_answer_without_a_cursor(way: str, endpoint: Endpoint) -> None:
    value = structured(await ask(endpoint, way, max_items=1000))
    assert [item["id"] for item in listed(value)] == IDS
    assert "next_cursor" not in value


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_of_paging_is_recognised_by_its_own_rule(way: str, tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(paged_api.document("http://127.0.0.1:1")))
    catalog = Reading(lambda _: None).catalog(str(path), Options(cache=False))
    tools = {tool["path"]: tool for tool in build_report(catalog)["tools"]}
    tool = tools[f"/{way}"]
    assert tool["pagination"]["rule"] == WAYS[way].rule
    assert tool["arguments"]["max_items"] == {"in": "control"}
    own = set(WAYS[way].parameters)
    assert {one.get("name", one.get("pointer", "/")[1:]) for one in tool["arguments"].values()} >= own


async def test_items_gathered_from_several_pages_stay_byte_for_byte(endpoint: Endpoint) -> None:
    outcome = await ask(endpoint, "offset_total", max_items=11)
    value = structured(outcome)
    first = outcome.content[0]
    assert isinstance(first, Text)
    assert json.loads(first.text)["data"] == value["data"] == ITEMS[:11]
    assert value["total"] == COUNT


async def test_the_text_of_an_ordinary_page_stays_as_the_api_gave_it(endpoint: Endpoint) -> None:
    first = (await ask(endpoint, "cursor")).content[0]
    assert isinstance(first, Text)
    assert json.loads(first.text) == {"items": ITEMS[:PAGE], "next_cursor": "c5", "has_more": True}


async def test_one_argument_called_cursor_takes_the_apis_own_cursors_too(endpoint: Endpoint, api: Upstream) -> None:
    value = structured(await ask(endpoint, "cursor", cursor="c10"))
    assert [item["id"] for item in value["items"]] == IDS[10:15]
    assert api.last().target == "/api/cursor?cursor=c10"
    then = structured(await ask(endpoint, "cursor", cursor=value["next_cursor"]))
    assert [item["id"] for item in then["items"]] == IDS[15:20]


async def test_a_walk_goes_on_from_a_page_that_was_asked_for_by_its_own_number(endpoint: Endpoint) -> None:
    value = structured(await ask(endpoint, "page", page=3))
    assert [item["id"] for item in value["result"]] == IDS[10:15]
    for arguments in ({"page": 3}, {}):
        then = structured(await ask(endpoint, "page", cursor=value["next_cursor"], **arguments))
        assert [item["id"] for item in then["result"]] == IDS[15:20]


async def refused(endpoint: Endpoint, api: Upstream, way: str, principal: str = "anyone", **arguments: Any) -> None:
    api.seen.clear()
    outcome = await endpoint.run(
        Call(tool=tool_of(endpoint, way), arguments=arguments, principal=Principal(id=principal))
    )
    assert outcome.failed
    assert outcome.meta["dev.apiloom/error"]["code"] == "page.cursor"
    assert "pass next_cursor back unchanged" in said(outcome)
    assert api.seen == []


async def test_a_cursor_of_others_is_refused_and_nothing_is_sent(endpoint: Endpoint, api: Upstream) -> None:
    cursor = structured(await ask(endpoint, "offset", limit=4))["next_cursor"]
    await refused(endpoint, api, "offset", cursor=cursor, limit=5)
    await refused(endpoint, api, "offset", cursor=cursor)
    await refused(endpoint, api, "page", cursor=cursor, per_page=4)
    await refused(endpoint, api, "offset", principal="someone else", cursor=cursor, limit=4)
    await refused(endpoint, api, "offset", cursor=cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), limit=4)
    await refused(endpoint, api, "offset", cursor="c10", limit=4)
    await refused(endpoint, api, "offset", cursor="alc_" + "A" * 1_000_000, limit=4)
    await refused(endpoint, api, "offset", cursor="alc_é", limit=4)
    assert not (await ask(endpoint, "offset", cursor=cursor, limit=4)).failed
    without = structured(await ask(endpoint, "offset"))["next_cursor"]
    await refused(endpoint, api, "offset_alone", cursor=without)


async def test_a_cursor_of_another_process_is_refused(endpoint: Endpoint, api: Upstream, tmp_path: Path) -> None:
    cursor = structured(await ask(endpoint, "offset"))["next_cursor"]
    folder = tmp_path / "other"
    folder.mkdir()
    async with serving(paged_api.document(api.url), folder) as other:
        await refused(other, api, "offset", cursor=cursor)


async def test_progress_is_told_while_pages_are_gathered(endpoint: Endpoint) -> None:
    told: list[tuple[float, float | None, str]] = []
    tool = tool_of(endpoint, "offset_alone")
    await endpoint.run(Call(tool=tool, arguments={"max_items": 12}, progress=lambda *each: told.append(each)))
    assert told == [(5.0, 12.0, "5 items, page 1"), (10.0, 12.0, "10 items, page 2"), (12.0, 12.0, "12 items, page 3")]


Tale = Callable[[Seen], Answer]


@asynccontextmanager
async def telling(tale: Tale, tmp_path: Path, way: str = "url") -> AsyncIterator[tuple[Endpoint, Upstream]]:
    """One way of paging at an API of another mind."""
    with upstream(tale) as api:
        document = paged_api.document(api.url)
        document["paths"] = {f"/{way}": document["paths"][f"/{way}"]}
        document["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "query", "name": "api_key"}}
        document["security"] = [{"key": []}]
        async with serving(document, tmp_path) as endpoint:
            yield endpoint, api


@pytest.fixture(autouse=True)
def a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APILOOM_AUTH_KEY", "s3cret-of-the-house")


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/api/url?from_row=5",
        "//elsewhere.example/api/url",
        "http://127.0.0.1:1/api/url",
        "http://user@127.0.0.1/api/url",
        "/admin/url",
        "/api/../admin",
        "/api/%2e%2e/admin",
        "/api/..%2fadmin",
        "/api/%2e%2e%5cadmin",
        "/apiary/url",
        "file:///etc/passwd",
        "http://[::1",
        "/api/url?" + "x" * 20_000,
    ],
)
@pytest.mark.parametrize("most", [{}, {"max_items": 100}])
async def test_a_next_page_elsewhere_is_told_and_not_followed(
    address: str, most: dict[str, Any], tmp_path: Path
) -> None:
    def tale(_: Seen) -> Answer:
        return Answer({"count": 9, "next": address, "results": ITEMS[:2]})

    async with telling(tale, tmp_path) as (endpoint, api):
        outcome = await ask(endpoint, "url", **most)
        assert "next_cursor" not in structured(outcome)
        assert "there is a next page, which is not followed" in said(outcome)
        assert len(api.seen) == 1


async def test_a_key_in_the_address_of_the_next_page_is_in_no_cursor_and_is_sent_once(tmp_path: Path) -> None:
    def tale(seen: Seen) -> Answer:
        start = int(seen.target.partition("from_row=")[2].partition("&")[0] or 0)
        then = f"http://{seen.headers['host']}/api/url?from_row={start + 5}&api_key=s3cret-of-the-house&API_KEY=again"
        return Answer({"count": 9, "next": then, "results": ITEMS[start : start + 5]})

    async with telling(tale, tmp_path) as (endpoint, api):
        cursor = structured(await ask(endpoint, "url"))["next_cursor"]
        assert b"s3cret" not in base64.urlsafe_b64decode(cursor[4:] + "==")
        assert b"again" not in base64.urlsafe_b64decode(cursor[4:] + "==")
        assert "s3cret" not in said(await ask(endpoint, "url", cursor=cursor))
        assert [seen.target for seen in api.seen] == [
            "/api/url?api_key=s3cret-of-the-house",
            "/api/url?from_row=5&api_key=s3cret-of-the-house",
        ]


@pytest.mark.parametrize("way", ["url", "offset_alone", "cursor", "google"])
async def test_a_list_that_goes_in_circles_ends(way: str, tmp_path: Path) -> None:
    rounds = {"A": "B", "B": "C", "C": "A"}

    def tale(seen: Seen) -> Answer:
        at = next((name for name in rounds if f"={name}" in seen.target), "C")
        items = [{"id": f"{at}{number}"} for number in range(3)]
        if way == "offset_alone":
            return Answer(ITEMS[:5])
        if way == "url":
            return Answer({"next": f"/api/url?at={rounds[at]}", "results": items})
        if way == "google":
            return Answer({"files": items, "nextPageToken": rounds[at]})
        return Answer({"items": items, "next_cursor": rounds[at]})

    async with telling(tale, tmp_path, way) as (endpoint, api):
        assert len(await walk(endpoint, way)) <= 12
        api.seen.clear()
        gathered = listed(structured(await ask(endpoint, way, max_items=10_000)))
        assert len(api.seen) <= 5
        assert way != "offset_alone" or gathered == ITEMS[:5]


async def test_a_list_without_end_is_gathered_within_bounds(tmp_path: Path) -> None:
    def tale(seen: Seen) -> Answer:
        start = int(seen.target.partition("offset=")[2].partition("&")[0] or 0)
        return Answer([{"id": f"n{start + number}"} for number in range(2)])

    async with telling(tale, tmp_path, "offset_alone") as (endpoint, api):
        outcome = await ask(endpoint, "offset_alone", max_items=10_000)
        value = structured(outcome)
        assert len(value["result"]) == 100
        assert len(api.seen) == 50
        assert "as many as one call takes" in said(outcome)
        then = structured(await ask(endpoint, "offset_alone", cursor=value["next_cursor"]))
        assert [item["id"] for item in then["result"]] == ["n100", "n101"]


async def test_a_page_that_fails_gives_what_was_gathered_and_where_to_go_on(tmp_path: Path) -> None:
    failing = [False, False, True, False, False, False, False, False]

    def tale(seen: Seen) -> Answer:
        if failing.pop(0):
            return Answer({"message": "slow down"}, status=429, headers={"Retry-After": "7"})
        return paged_api.answer(seen)

    async with telling(tale, tmp_path, "cursor") as (endpoint, api):
        outcome = await ask(endpoint, "cursor", max_items=100)
        value = structured(outcome)
        assert [item["id"] for item in value["items"]] == IDS[:10]
        assert "slow down" in said(outcome)
        assert outcome.meta["dev.apiloom/error"]["status"] == 429
        assert outcome.meta["dev.apiloom/ratelimit"]["retry_after"] == 7
        rest = structured(await ask(endpoint, "cursor", max_items=100, cursor=value["next_cursor"]))
        assert [item["id"] for item in rest["items"]] == IDS[10:]
        assert len(api.seen) == 6


async def test_a_first_page_that_fails_is_the_failure(tmp_path: Path) -> None:
    async with telling(lambda _: Answer({"message": "no"}, status=403), tmp_path) as (endpoint, _):
        outcome = await ask(endpoint, "url", max_items=100)
        assert outcome.failed
        assert "no" in said(outcome)


@pytest.mark.parametrize(
    "body", [{}, {"results": None}, {"results": {}}, {"next": 7, "results": []}, [], "x", b"<a/>", b""]
)
async def test_answers_of_another_shape_come_through_as_they_are(body: Any, tmp_path: Path) -> None:
    async with telling(lambda _: Answer(body), tmp_path) as (endpoint, _):
        for most in ({}, {"max_items": 5}):
            outcome = await ask(endpoint, "url", **most)
            assert not outcome.failed
            assert "next_cursor" not in json.loads(outcome.structured or b"{}")
