"""``policy.results``: what is within the budget passes untouched, what is not is cut, told, kept and linked."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.base.errors import CallerError
from apiloom.calls.call import Blob, Call, Content, Link, Outcome, Text
from apiloom.calls.policies.results import LARGEST_FILE, LARGEST_PICTURE, TRUNCATED, UNKNOWN_FIELDS, Budget, fit_results
from apiloom.calls.resources import MOST_READ, kept_for, read_resource
from apiloom.identity.principal import ANYONE, Principal
from apiloom.store.kept import Bounds, KeptFiles

ADA, EVE = Principal(id="ada"), Principal(id="eve")
ITEMS = [{"id": n, "name": f"item {n}", "note": "n" * 40} for n in range(3_000)]


async def answered(
    outcome: Outcome,
    *,
    tokens: int = 1_000,
    keeper: KeptFiles | None = None,
    fields: Any = None,
    principal: Principal = ADA,
) -> Outcome:
    """An outcome as it is behind the policy."""

    async def proceed(_call: Call) -> Outcome:
        return outcome

    arguments = {} if fields is None else {"fields": fields}
    policy = fit_results(Budget(tokens=tokens, keeper=keeper), "fields")
    return await policy(proceed)(Call(tool="t", arguments=arguments, principal=principal))


def good(value: Any, *more: Content, cursor: str = "") -> Outcome:
    """A good answer in JSON, as a backend gives it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    whole = dict(value) if isinstance(value, dict) else {"result": value}
    if cursor:
        whole["next_cursor"] = cursor
    structured = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    return Outcome(content=(Text(text), *more), structured=structured)


def texts(outcome: Outcome) -> list[str]:
    return [part.text for part in outcome.content if isinstance(part, Text)]


def link_of(outcome: Outcome) -> Link:
    [link] = [part for part in outcome.content if isinstance(part, Link)]
    return link


async def read(keeper: KeptFiles, uri: str, principal: Principal = ADA, tokens: int = 1_000) -> Any:
    return (await read_resource(keeper, principal, uri, tokens))[0].content


async def test_an_answer_within_the_budget_is_the_same_object() -> None:
    small = good({"id": 1})
    assert await answered(small) is small
    exact = good({"t": "é" * 1_990})
    assert await answered(exact) is exact


async def test_a_budget_of_zero_is_off() -> None:
    large = good(ITEMS, Blob(b"x" * 9_000_000, "application/zip"))
    assert await answered(large, tokens=0, keeper=KeptFiles()) is large


async def test_what_is_cut_is_told_in_the_text_and_in_the_meta_and_both_forms_say_the_same() -> None:
    keeper = KeptFiles()
    outcome = await answered(good({"items": ITEMS, "total": 3_000}), keeper=keeper)
    shown, note = texts(outcome)
    assert json.loads(shown) == json.loads(outcome.structured or b"")
    meta = outcome.meta[TRUNCATED]
    [cut] = meta["cut"]
    assert (cut["pointer"], cut["kind"], cut["of"]) == ("/items", "items", 3_000)
    assert json.loads(shown)["items"][: cut["kept"]] == ITEMS[: cut["kept"]]
    assert json.loads(shown)["total"] == 3_000
    assert (meta["limit"], meta["uri"]) == (1_000, link_of(outcome).uri)
    assert meta["tokens"] > 40_000
    assert f"/items: {cut['kept']} of 3,000 items" in note
    assert cut["next"] in note
    assert sum(len(text.encode()) for text in texts(outcome)) <= 4_000


async def test_the_rest_of_a_list_is_read_chunk_by_chunk_until_nothing_is_missing() -> None:
    keeper = KeptFiles()
    outcome = await answered(good({"items": ITEMS}), keeper=keeper)
    [cut] = outcome.meta[TRUNCATED]["cut"]
    seen = json.loads(texts(outcome)[0])["items"][: cut["kept"]]
    following = cut["next"]
    while following:
        text = await read(keeper, following)
        assert len(text.encode()) <= 4_000
        chunk = json.loads(text)
        assert chunk["from"] == len(seen)
        seen += chunk["items"]
        following = chunk.get("next")
    assert seen == ITEMS


async def test_the_rest_of_a_string_and_of_an_object_is_read_in_the_same_way() -> None:
    keeper = KeptFiles()
    value = {"text": "é\\\n" * 9_000, "map": {f"k{n}": n for n in range(4_000)}}
    outcome = await answered(good(value), keeper=keeper)
    whole: dict[str, Any] = {"text": "", "map": {}}
    for name, member in (("text", "text"), ("map", "members")):
        following, gathered = f"{link_of(outcome).uri}?pointer=/{name}", whole[name]
        while following:
            chunk = json.loads(await read(keeper, following))
            gathered = gathered + chunk[member] if isinstance(gathered, str) else {**gathered, **chunk[member]}
            following = chunk.get("next")
        whole[name] = gathered
    assert whole == value


async def test_the_whole_answer_is_read_as_it_was() -> None:
    keeper = KeptFiles()
    outcome = await answered(good(ITEMS), keeper=keeper)
    assert json.loads(await read(keeper, link_of(outcome).uri)) == ITEMS


@pytest.mark.parametrize("principal", [EVE, ANYONE])
async def test_no_other_principal_can_read_or_see_what_was_kept(principal: Principal) -> None:
    keeper = KeptFiles()
    uri = link_of(await answered(good(ITEMS), keeper=keeper)).uri
    for asked in (uri, f"{uri}?pointer=&from=3", f"{uri}?from=0"):
        with pytest.raises(CallerError) as caught:
            await read_resource(keeper, principal, asked, 0)
        assert caught.value.code == "resource.not_found"
    assert kept_for(keeper, principal) == []
    assert [kept.uri for kept in kept_for(keeper, ADA)] == [uri]


async def test_callers_who_showed_nothing_are_not_told_what_others_like_them_keep() -> None:
    keeper = KeptFiles()
    uri = link_of(await answered(good(ITEMS), keeper=keeper, principal=ANYONE)).uri
    assert kept_for(keeper, ANYONE) == []
    assert json.loads(await read(keeper, uri, ANYONE)) == ITEMS


@pytest.mark.parametrize("keeper", [None, KeptFiles(Bounds(memory=10, disk=10))])
async def test_without_room_to_keep_it_the_cut_is_told_all_the_same(keeper: KeptFiles | None) -> None:
    outcome = await answered(good(ITEMS), keeper=keeper)
    assert not [part for part in outcome.content if isinstance(part, Link)]
    assert "could not be kept" in texts(outcome)[-1]
    assert "uri" not in outcome.meta[TRUNCATED]
    assert "3,000 items" in texts(outcome)[-1]


async def test_the_cursor_to_the_next_page_survives_every_cut() -> None:
    told = Text("next_cursor: abc")
    for value in (ITEMS, {"items": ITEMS}):
        outcome = await answered(good(value, told, cursor="abc"), keeper=KeptFiles())
        assert json.loads(outcome.structured or b"")["next_cursor"] == "abc"
        assert told in outcome.content


async def test_lines_of_text_are_cut_at_their_ends_and_the_rest_is_read_by_bytes() -> None:
    keeper = KeptFiles()
    table = "".join(f"{n},änd,{n * n}\n" for n in range(5_000))
    outcome = await answered(Outcome(content=(Text(table),)), keeper=keeper)
    shown, note = texts(outcome)
    assert table.startswith(shown)
    assert shown.endswith("\n")
    [cut] = outcome.meta[TRUNCATED]["cut"]
    assert (cut["kept"], cut["of"]) == (len(shown), len(table))
    assert cut["next"] in note
    whole, following = shown, cut["next"]
    while following:
        pieces = await read_resource(keeper, ADA, following, 1_000)
        whole += str(pieces[0].content)
        following = pieces[1].uri if len(pieces) > 1 else ""
    assert whole == table


async def test_text_that_stands_in_a_structured_result_is_cut_there_too() -> None:
    table = "a,b\n" * 9_000
    structured = json.dumps({"result": table}).encode()
    outcome = await answered(Outcome(content=(Text(table),), structured=structured.replace(b'": "', b'":"')))
    assert json.loads(outcome.structured or b"") == {"result": texts(outcome)[0]}


async def test_an_error_keeps_its_sentence() -> None:
    failed = Outcome(
        content=(Text("GET /x answered 500\n" + "trace\n" * 9_000),), failed=True, meta={"dev.apiloom/error": {}}
    )
    outcome = await answered(failed)
    assert outcome.failed
    assert texts(outcome)[0].startswith("GET /x answered 500\n")
    assert outcome.structured is None
    assert outcome.meta.keys() == {"dev.apiloom/error", TRUNCATED}


async def test_large_files_become_links_and_small_ones_stay() -> None:
    keeper = KeptFiles()
    small, large = (
        Blob(b"s" * LARGEST_FILE, "application/pdf"),
        Blob(b"l" * (LARGEST_FILE + 1), "application/pdf", "a.pdf"),
    )
    picture = Blob(b"p" * LARGEST_PICTURE, "image/png")
    outcome = await answered(Outcome(content=(small, large, picture)), keeper=keeper)
    assert (outcome.content[0], outcome.content[2]) == (small, picture)
    link = link_of(outcome)
    assert (link.name, link.mime_type, link.size) == ("a.pdf", "application/pdf", LARGEST_FILE + 1)
    assert await read(keeper, link.uri) == large.data


async def test_a_resource_larger_than_one_reading_is_read_in_ranges() -> None:
    keeper = KeptFiles()
    data = bytes(range(256)) * (MOST_READ // 256 + 8)
    uri = link_of(await answered(Outcome(content=(Blob(data, "video/mp4"),)), keeper=keeper)).uri
    with pytest.raises(CallerError) as caught:
        await read(keeper, uri)
    assert caught.value.code == "resource.too_large"
    assert f"{uri}?from=0" in caught.value.hint
    first = await read(keeper, f"{uri}?from=0&length={MOST_READ}")
    rest = await read(keeper, f"{uri}?from={MOST_READ}&length={MOST_READ}")
    assert first + rest == data


@pytest.mark.parametrize("query", ["from=x", "from=-1", "page=2", "from=" + "9" * 40, "from=1&" * 9])
async def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    keeper = KeptFiles()
    uri = link_of(await answered(good(ITEMS), keeper=keeper)).uri
    with pytest.raises(CallerError) as caught:
        await read(keeper, f"{uri}?{query}")
    assert caught.value.code == "resource.query"


@pytest.mark.parametrize("pointer", ["/no", "x", "/3000", "/-1", "/0/id/x", "/00000000000000"])
async def test_a_pointer_to_nothing_is_refused(pointer: str) -> None:
    keeper = KeptFiles()
    uri = link_of(await answered(good(ITEMS), keeper=keeper)).uri
    with pytest.raises(CallerError) as caught:
        await read(keeper, f"{uri}?pointer={pointer}")
    assert caught.value.code == "resource.pointer"


async def test_fields_come_before_the_budget() -> None:
    outcome = await answered(good({"items": ITEMS[:150], "total": 3}), fields=["items[].id", "total"])
    assert json.loads(outcome.structured or b"") == {"items": [{"id": n} for n in range(150)], "total": 3}
    assert json.loads(texts(outcome)[0]) == json.loads(outcome.structured or b"")
    assert TRUNCATED not in outcome.meta


async def test_fields_that_are_not_there_are_told() -> None:
    outcome = await answered(good({"name": "x", "id": 1}), fields=["nam", "id"])
    assert json.loads(texts(outcome)[0]) == {"id": 1}
    assert "nam" in texts(outcome)[1]
    assert outcome.meta[UNKNOWN_FIELDS] == {"nam": ["name"]}


async def test_where_no_field_is_there_the_whole_answer_comes() -> None:
    outcome = await answered(good({"name": "x"}), fields=["nam"])
    assert json.loads(texts(outcome)[0]) == {"name": "x"}
    assert "whole answer" in texts(outcome)[1]


async def test_fields_of_text_are_told_to_have_no_meaning() -> None:
    outcome = await answered(Outcome(content=(Text("a,b"),), structured=b'{"result":"a,b"}'), fields=["a"])
    assert texts(outcome) == ["a,b", "[fields was not applied: the answer is no JSON]"]


async def test_an_error_is_never_projected() -> None:
    failed = Outcome(content=(Text("404 Not Found"),), failed=True)
    assert await answered(failed, fields=["id"]) is failed


async def test_fields_that_cannot_be_read_are_refused_before_anything_is_sent() -> None:
    async def proceed(_call: Call) -> Outcome:
        raise AssertionError

    policy = fit_results(Budget(), "fields")
    outcome = await policy(proceed)(Call(tool="t", arguments={"fields": ["a..b"]}))
    assert outcome.meta["dev.apiloom/error"]["code"] == "policy.results.fields"


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=40).map(lambda text: text * 30),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=8), inner, max_size=20),
    max_leaves=100,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES, tokens=st.sampled_from([100, 300, 2_000]))
async def test_whatever_the_answer_its_text_is_within_the_budget_and_a_cut_is_told(value: Any, tokens: int) -> None:
    outcome = await answered(good(value), tokens=tokens, keeper=KeptFiles())
    assert sum(len(text.encode()) for text in texts(outcome)) <= tokens * 4
    shown = json.loads(texts(outcome)[0])
    structured = json.loads(outcome.structured or b"")
    assert structured == (shown if isinstance(value, dict) else {"result": shown})
    assert (shown == value) == (TRUNCATED not in outcome.meta)


async def test_bytes_survive_a_link() -> None:
    keeper = KeptFiles()
    data = base64.b64encode(bytes(range(256))) * 4_000
    uri = link_of(await answered(Outcome(content=(Blob(data, "application/octet-stream"),)), keeper=keeper)).uri
    assert await read(keeper, uri) == data


async def test_a_cut_at_a_place_too_long_to_be_named_is_told_and_linked_all_the_same() -> None:
    keeper = KeptFiles()
    outcome = await answered(good({"n" * 400: [{"id": n} for n in range(3_000)]}), keeper=keeper)
    assert link_of(outcome).uri in texts(outcome)[-1]
    assert outcome.meta[TRUNCATED]["further"] == 1


async def test_a_long_string_says_where_the_rest_of_it_is_read() -> None:
    keeper = KeptFiles()
    outcome = await answered(good({"text": "é" * 90_000}), keeper=keeper)
    [cut] = outcome.meta[TRUNCATED]["cut"]
    assert cut["next"] in texts(outcome)[-1]
    chunk = json.loads(await read(keeper, cut["next"]))
    assert (chunk["from"], chunk["text"][:5]) == (cut["kept"], "ééééé")


async def test_of_an_answer_too_dense_to_be_opened_it_is_told_how_far_it_was_looked_at() -> None:
    outcome = await answered(good([0] * 510_000), keeper=KeptFiles())
    assert "Only the first 25,280 of 1,020,001 bytes were looked at." in texts(outcome)[-1]


async def test_members_of_one_name_are_told_of() -> None:
    text = '{"a":"%s","a":1}' % ("x" * 9_000)
    outcome = await answered(Outcome(content=(Text(text),), structured=text.encode()), keeper=KeptFiles())
    assert "Of several members of one name only the last is shown." in texts(outcome)[-1]
    assert link_of(outcome).size == len(text)


@pytest.mark.parametrize(("number", "tokens"), [(3, 1_000), (9, 1_000), (40, 300), (150, 1_000)])
async def test_several_long_texts_give_way_alike_and_each_says_where_its_rest_is(number: int, tokens: int) -> None:
    keeper = KeptFiles()
    parts = [Text(f"{n}\n" + f"{n} é\n" * 2_000) for n in range(number)]
    outcome = await answered(Outcome(content=(Text("short"), *parts)), tokens=tokens, keeper=keeper)
    assert sum(len(text.encode()) for text in texts(outcome)) <= tokens * 4
    assert texts(outcome)[0] == "short"
    meta = outcome.meta[TRUNCATED]
    assert len(meta["cut"]) + meta.get("further", 0) == number
    for cut in meta["cut"]:
        part = parts[cut["part"] - 1].text
        first = str((await read_resource(keeper, ADA, cut["next"], 1_000))[0].content)
        assert part[cut["kept"] :].startswith(first)
    assert f"{number} texts" in texts(outcome)[-1]


async def test_no_chunk_is_larger_than_it_may_be_whatever_is_in_it() -> None:
    keeper = KeptFiles()
    text = f'{{"n":{"9" * 90_000},"{"m" * 90_000}":1,"{"o" * 600}":2}}'
    whole = Outcome(content=(Text(text),), structured=text.encode())
    uri = link_of(await answered(whole, keeper=keeper)).uri
    number = await read(keeper, f"{uri}?pointer=/n")
    named = await read(keeper, f"{uri}?pointer=&from=1")
    assert len(number) < 4_000
    assert len(named) < 4_000
    assert "90,000 digits" in json.loads(number)["value"]
    assert "cut" in json.loads(number)
    assert "cut" in json.loads(named)
    assert json.loads(named)["members"]["o" * 600] == 2


async def test_what_a_short_text_leaves_is_for_the_long_ones() -> None:
    parts = [*(Text("m" * 500) for _ in range(4)), Text("l" * 90_000)]
    outcome = await answered(Outcome(content=tuple(parts)))
    assert outcome.content[:4] == tuple(parts[:4])
    assert 1_000 < len(texts(outcome)[4]) <= 4_000 - 2_000


async def test_of_cuts_at_many_places_the_first_is_read_from_its_beginning() -> None:
    value = {"items": [{"body": "b" * 2_000} for _ in range(10)]}
    outcome = await answered(good(value), tokens=2_000, keeper=KeptFiles())
    [cut] = outcome.meta[TRUNCATED]["cut"]
    assert cut["places"] == 10
    assert cut["next"].endswith("?pointer=/items/0/body&from=0")
