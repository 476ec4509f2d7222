"""Servers as endpoints: what they show, what they share, and what reaches who answers."""

from __future__ import annotations

import asyncio
import gc
import re
import tracemalloc
from typing import Any

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.values import replace
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.endpoint import Endpoint
from apiloom.catalog.selection import EVERYTHING, Selection
from apiloom.catalog.storage import tool_to_json, trait_from_json
from apiloom.catalog.tool import Tool
from apiloom.catalog.traits import Trait, trait_of, traits_of
from apiloom.compile.artefact import Artefact, pack, unpack
from apiloom.compile.endpoint import PAGE_TOOLS
from apiloom.compile.server import Cut, Manner, Seat, Shelf, build_server, cost_of
from support.catalogs import OK, catalog_of

TEXT = {"type": "string"}


def artefact_of(things: int = 3, title: str = "Things", profile: str = "intersection") -> Artefact:
    paths: dict[str, Any] = {}
    for number in range(things):
        many = [
            {"name": "kind", "in": "query", "schema": TEXT},
            {"name": "limit", "in": "query", "schema": {"type": "integer"}},
        ]
        answer = {
            "200": {"description": "x", "content": {"application/json": {"schema": {"properties": {"id": TEXT}}}}}
        }
        paths[f"/things{number}"] = {
            "get": {"operationId": f"list{number}", "summary": "List.", "parameters": many, "responses": answer},
            "delete": {"operationId": f"clear{number}", "summary": "Clear.", "responses": OK},
        }
    model = catalog_of(paths, info={"title": title, "version": "7", "description": f"All about {title}."})
    return unpack(pack(model, profile))


class Echo:
    """Answers with the arguments it was given."""

    def __init__(self, tool: Tool, who: str = "") -> None:
        self.tool = tool
        self.who = who

    async def answer(self, call: Call) -> Outcome:
        return Outcome(content=(Text(self.who),), structured=json.dumps({self.tool.name: call.arguments}))

    def preview(self, call: Call) -> dict[str, Any]:
        return {"would": call.arguments}


def entries(endpoint: Endpoint, profile: str = "") -> dict[str, Any]:
    listing = endpoint.listed(profile) if profile and endpoint.listed is not None else endpoint.listing
    tools = [tool for page in listing.pages for tool in json.loads(b"[" + page + b"]")]
    assert len(tools) == listing.count
    return {tool["name"]: tool for tool in tools}


def server(artefact: Artefact, cut: Cut, shelf: Shelf | None = None, manner: Manner = Manner()) -> Endpoint:  # noqa: B008
    shelf = shelf or Shelf()
    return build_server("mine", [Seat(edition=shelf.edition("things", artefact, cut), backend=Echo)], shelf, manner)


async def answered(endpoint: Endpoint, tool: str, **arguments: Any) -> Any:
    outcome = await endpoint.run(Call(tool=tool, arguments=arguments))
    if outcome.failed:
        return outcome.content[0].text  # type: ignore[union-attr]
    assert outcome.structured is not None
    return json.loads(outcome.structured)


async def test_a_server_lists_and_answers_what_its_filters_leave_and_nothing_else() -> None:
    endpoint = server(artefact_of(), Cut(selection=Selection(deny=("list1",))))
    assert set(entries(endpoint)) == set(endpoint.routes) == {"list0", "list2"}
    assert await answered(endpoint, "list0", kind="a") == {"list0": {"kind": "a"}}
    for name in ("list1", "clear0", "things_list0"):
        with pytest.raises(CallerError) as caught:
            await endpoint.run(Call(tool=name, arguments={}))
        assert caught.value.code == "call.unknown_tool"


def test_an_alias_of_a_tool_that_is_not_shown_is_not_answered() -> None:
    artefact = artefact_of()
    held = type(artefact)(
        **{name: getattr(artefact, name) for name in artefact.__slots__ if name != "aliases"},
        aliases={"old_list": "list0", "old_clear": "clear0", "list2": "list1", "clear1": "list1"},
    )
    endpoint = server(held, Cut(selection=Selection()))
    assert set(endpoint.routes) == {"list0", "list1", "list2", "old_list"}
    assert set(entries(endpoint)) == {"list0", "list1", "list2"}
    assert endpoint.route("old_list") is not None
    assert set(server(held, Cut(selection=Selection(deny=("old_list",)))).routes) == {"list1", "list2"}
    renamed = server(held, Cut(selection=Selection(), patches=[{"tools": {"old_list": {"rename": "first"}}}]))
    assert set(renamed.routes) == {"first", "list1", "list2", "old_list"}


async def test_overlays_reach_the_list_the_call_and_whoever_answers() -> None:
    patch = {
        "tools": {
            "list0": {
                "rename": "first",
                "title": "The first",
                "arguments": {"kind": {"value": "cat"}, "limit": {"default": 5}},
            },
            "list1": {"hide": True},
        },
        "instructions": "Be kind.",
    }
    endpoint = server(artefact_of(), Cut(selection=Selection(), patches=[patch]))
    listed = entries(endpoint)
    assert set(listed) == {"first", "list2"}
    assert (listed["first"]["title"], list(listed["first"]["inputSchema"]["properties"])) == ("The first", ["limit"])
    assert endpoint.instructions == "Be kind.\nThings: All about Things."
    assert await answered(endpoint, "first") == {"first": {"limit": 5, "kind": "cat"}}
    assert await answered(endpoint, "first", limit=7) == {"first": {"limit": 7, "kind": "cat"}}
    told = await answered(endpoint, "first", kind="dog")
    assert "unknown argument 'kind'" in told
    assert "accepted arguments are limit" in told
    assert "is not of type" in await answered(endpoint, "first", limit="x")
    preview = await endpoint.route("first").preview(Call(tool="first", arguments={}))
    assert json.loads(preview.structured or b"") == {"would": {"limit": 5, "kind": "cat"}}
    assert await answered(endpoint, "list2", kind="dog") == {"list2": {"kind": "dog"}}


async def test_a_hidden_argument_is_refused_like_any_that_is_not_there() -> None:
    patch = {"tools": {"list0": {"arguments": {"kind": {"hide": True}}}}}
    endpoint = server(artefact_of(), Cut(selection=Selection(), patches=[patch]))
    assert "unknown argument 'kind'" in await answered(endpoint, "list0", kind="x")
    assert await answered(endpoint, "list0", limit=1) == {"list0": {"limit": 1}}


async def test_a_fixed_value_that_does_not_fit_any_more_is_refused_and_not_sent() -> None:
    patch = {"tools": {"list0": {"arguments": {"limit": {"value": "many"}}}}}
    endpoint = server(artefact_of(), Cut(selection=Selection(), patches=[patch]))
    assert "limit" in await answered(endpoint, "list0")


async def test_several_accounts_of_one_connector_are_told_apart_by_prefix_and_label() -> None:
    artefact, shelf = artefact_of(1), Shelf()
    edition = shelf.edition("things", artefact, Cut(selection=Selection()))
    other = shelf.edition("things2", artefact_of(1, "Others"), Cut(selection=Selection()))
    seats = [
        Seat(edition=edition, backend=lambda tool: Echo(tool, "ann"), label="Ann"),
        Seat(edition=edition, backend=lambda tool: Echo(tool, "bob"), label="Bob"),
        Seat(edition=other, backend=lambda tool: Echo(tool, "other")),
    ]
    endpoint = build_server("all", seats, shelf)
    assert set(entries(endpoint)) == {"things_list0", "things3_list0", "things2_list0"}
    who = {name: (await endpoint.run(Call(tool=name, arguments={}))).content[0].text for name in endpoint.routes}  # type: ignore[union-attr]
    assert who == {"things_list0": "ann", "things3_list0": "bob", "things2_list0": "other"}
    assert (endpoint.title, endpoint.version) == ("all", "")
    assert "Things (Bob, tools begin with things3_): All about Things." in endpoint.instructions
    assert entries(endpoint)["things3_list0"]["inputSchema"] == entries(endpoint)["things_list0"]["inputSchema"]


def test_a_single_account_may_be_prefixed_too_and_the_longest_names_fit() -> None:
    artefact, shelf = artefact_of(1), Shelf()
    patch = {"tools": {"list0": {"rename": "x" * 40}}}
    edition = shelf.edition("abcdefghijkl", artefact, Cut(selection=Selection(), patches=[patch]))
    endpoint = build_server("one", [Seat(edition=edition, backend=Echo)] * 12, shelf, Manner(prefixed=True))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,52}", name) for name in entries(endpoint))
    assert len(endpoint.routes) == 12
    assert set(server(artefact, Cut(selection=Selection()), manner=Manner(prefixed=True)).routes) == {"things_list0"}


def test_patterns_and_toolsets_bear_on_renamed_and_prefixed_tools() -> None:
    artefact = artefact_of()
    patch = {"tools": {"list0": {"rename": "first"}}}
    for deny in ("list0", "first", "things_first", "things_list0"):
        cut = Cut(selection=Selection(deny=(deny,)), patches=[patch], prefix="things")
        assert set(server(artefact, cut).routes) == {"list1", "list2"}
    bare = Cut(selection=Selection(allow=("things_list1", "list2")))
    assert set(server(artefact, bare).routes) == {"list2"}
    toolsets = {"some": ("list0", "list1", "clear1", "gone")}
    on = Cut(selection=Selection(toolsets=("some",)), patches=[patch], toolsets=toolsets)
    assert set(server(artefact, on).routes) == {"first", "list1"}
    off = Cut(selection=Selection(toolsets_off=("things/some",)), patches=[patch], toolsets=toolsets)
    assert set(server(artefact, off).routes) == {"list2"}


def test_traits_are_what_the_tools_say_without_reading_them() -> None:
    artefact = artefact_of()
    assert dict(artefact.traits) == traits_of(artefact.tools)
    undescribed = unpack(
        pack(catalog_of({"/a": {"get": {"operationId": "deleteAll", "tags": ["x"], "responses": OK}}}))
    )
    (trait,) = undescribed.traits.values()
    assert trait == Trait(name="delete_all", kind="custom", operation="GET /a", tags=("x",), described=False)
    assert undescribed.tools["delete_all"].described is False
    tool = artefact.tools["list0"]
    unsure = replace(tool, hints=replace(tool.hints, read_only=False))
    assert trait_from_json(tool_to_json(unsure)) == trait_of(unsure) == replace(trait_of(tool), kind="custom")


async def test_a_server_without_a_connector_shows_nothing() -> None:
    endpoint = build_server("empty", [], Shelf())
    assert (entries(endpoint), list(endpoint.routes), endpoint.instructions) == ({}, [], "")
    assert cost_of(endpoint)["tools"] == 0


# -- lists -------------------------------------------------------------------------------------------------------------


def test_a_short_list_from_a_long_catalog_says_what_a_short_list_says() -> None:
    artefact = artefact_of(30)
    assert len(artefact.tools) > 40
    short = entries(server(artefact, Cut(selection=Selection())))
    assert all("outputSchema" in entry for entry in short.values())
    long = entries(server(artefact, Cut(selection=EVERYTHING)))
    assert not any("outputSchema" in entry for entry in long.values())
    shelf = Shelf()
    edition = shelf.edition("things", artefact_of(15), Cut(selection=EVERYTHING))
    both = entries(build_server("two", [Seat(edition=edition, backend=Echo)] * 2, shelf))
    assert not any("outputSchema" in entry for entry in both.values())


@pytest.mark.parametrize("profile", ["openai", "full"])
def test_a_list_comes_in_any_profile_whatever_the_artefact_was_listed_in(profile: str) -> None:
    artefact = artefact_of()
    same = entries(server(artefact_of(profile=profile), Cut(selection=Selection())), "intersection")
    assert same == entries(server(artefact, Cut(selection=Selection())))
    assert entries(server(artefact, Cut(selection=Selection())), profile) == entries(
        server(artefact_of(profile=profile), Cut(selection=Selection()), manner=Manner(profile=profile))
    )


def test_what_a_list_costs_is_told_as_inspect_tells_it() -> None:
    endpoint = server(artefact_of(), Cut(selection=Selection()))
    size = len(json.dumps(list(entries(endpoint).values())))
    assert cost_of(endpoint) == {"tools": 3, "tokens": -(-size // 4)}
    none = server(artefact_of(), Cut(selection=Selection(allow=("gone",))))
    assert cost_of(none) == {"tools": 0, "tokens": 1}
    many = server(artefact_of(PAGE_TOOLS), Cut(selection=EVERYTHING))
    assert len(many.listing.pages) > 1
    assert cost_of(many)["tokens"] == -(-len(json.dumps(list(entries(many).values()))) // 4)


def test_nothing_is_rendered_or_read_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = artefact_of()
    read: list[str] = []
    for group in ("tools", "entries", "schemas"):
        held = type(getattr(artefact, group))
        monkeypatch.setattr(held, "__getitem__", _noting(held.__getitem__, artefact, read))
    endpoint = server(artefact, Cut(selection=Selection()))
    assert endpoint.listing.count == 3
    assert endpoint.listing.etag
    assert not endpoint.listing.ready
    assert read == []
    assert endpoint.listing.pages
    assert endpoint.listing.ready
    assert read


def _noting(get: Any, artefact: Artefact, read: list[str]) -> Any:
    def noted(self: Any, name: str) -> Any:
        if self is not artefact.traits:
            read.append(name)
        return get(self, name)

    return noted


def test_the_etag_follows_what_is_shown_and_nothing_else() -> None:
    artefact = artefact_of()
    first = server(artefact, Cut(selection=Selection())).listing.etag
    assert server(artefact_of(), Cut(selection=Selection())).listing.etag == first
    unnamed = Cut(selection=Selection(), toolsets={"some": ("list0",)})
    assert server(artefact, unnamed).listing.etag == first
    for cut in (
        Cut(selection=Selection(deny=("list0",))),
        Cut(selection=Selection(), patches=[{"tools": {"list0": {"title": "x"}}}]),
        Cut(selection=Selection(toolsets_off=("some",)), toolsets={"some": ("list0",)}),
    ):
        assert server(artefact, cut).listing.etag != first
    assert server(artefact_of(title="Other"), Cut(selection=Selection())).listing.etag != first


def test_lists_that_were_not_used_for_long_are_rendered_anew() -> None:
    artefact = artefact_of()
    size = sum(map(len, server(artefact, Cut(selection=EVERYTHING)).listing.pages))
    shelf = Shelf(most=size)
    one = server(artefact, Cut(selection=EVERYTHING), shelf)
    two = server(artefact, Cut(selection=Selection()), shelf)
    assert one.listing.pages
    assert one.listing.ready
    assert two.listing.pages
    assert (one.listing.ready, two.listing.ready) == (False, True)
    assert entries(one).keys() == {*entries(two), "clear0", "clear1", "clear2"}


# -- what servers share ------------------------------------------------------------------------------------------------


def test_servers_that_show_the_same_share_lists_and_checks_but_not_who_answers() -> None:
    artefact, shelf = artefact_of(), Shelf()
    one, two = (server(artefact, Cut(selection=Selection()), shelf) for _ in range(2))
    assert one.listing.pages is two.listing.pages
    assert one.listed is not None
    assert two.listed is not None
    assert one.listed("full").pages is two.listed("full").pages
    assert one.route("list0") is not two.route("list0")
    edition = shelf.edition("things", artefact, Cut(selection=Selection()))
    view = shelf.view([Seat(edition=edition, backend=Echo)], prefixed=False)
    assert [place for place in view.policies if place[1] == "list0"]


def test_what_differs_is_not_shared() -> None:
    artefact, shelf = artefact_of(), Shelf()
    some = Selection(toolsets=("some",))
    one, two = (Cut(selection=some, toolsets={"some": (name,)}) for name in ("list0", "list1"))
    held = [server(artefact, cut, shelf) for cut in (one, two)]
    assert [set(endpoint.routes) for endpoint in held] == [{"list0"}, {"list1"}]
    edition = shelf.edition("things", artefact, one)
    seats = [Seat(edition=edition, backend=Echo, label=label) for label in ("Ann", "Bob")]
    bare, prefixed = (build_server("x", seats[:1], shelf, Manner(prefixed=chosen)) for chosen in (False, True))
    assert (set(bare.routes), set(prefixed.routes)) == ({"list0"}, {"things_list0"})
    other = build_server("x", seats[1:], shelf)
    assert ("Ann" in bare.instructions, "Bob" in other.instructions) == (True, True)


def test_what_no_server_shows_any_more_is_forgotten() -> None:
    artefact, shelf = artefact_of(), Shelf()
    endpoint = server(artefact, Cut(selection=Selection()), shelf)
    assert len(shelf._views) == len(shelf._editions) == 1
    del endpoint
    gc.collect()
    assert len(shelf._views) == len(shelf._editions) == len(shelf._overlaid) == 0


def test_an_idle_server_that_shows_what_others_show_costs_no_more_than_two_kilobytes() -> None:
    artefact, shelf = artefact_of(50), Shelf()
    kept = [server(artefact, Cut(selection=Selection()), shelf)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept += [server(artefact, Cut(selection=Selection()), shelf) for _ in range(500)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / 500 < 2_000
    assert len(kept) == 501


async def test_many_who_ask_for_a_list_at_once_render_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    artefact, shelf = artefact_of(), Shelf()
    endpoints = [server(artefact, Cut(selection=EVERYTHING), shelf) for _ in range(8)]
    rendered = []
    held = type(artefact.entries)
    get = held.__getitem__

    def noted(self: Any, name: str) -> Any:
        if self is artefact.entries:
            rendered.append(name)
        return get(self, name)

    monkeypatch.setattr(held, "__getitem__", noted)
    pages = await asyncio.gather(*(asyncio.to_thread(lambda one=one: one.listing.pages) for one in endpoints))
    assert all(each is pages[0] for each in pages)
    assert len(rendered) == 6
