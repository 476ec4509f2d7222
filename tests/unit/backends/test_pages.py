"""The bounds of a walk: its time, its bytes, and how long a cursor lasts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from apiloom.backends.http import pages
from apiloom.backends.http.backend import HttpBackend
from apiloom.backends.http.pages import LIFETIME, PagedBackend, Ways
from apiloom.base.errors import CallerError
from apiloom.base.seal import Sealer
from apiloom.calls.call import Call, Outcome, Text
from apiloom.catalog.plan import HttpPlan
from apiloom.catalog.tool import Controls, Paging
from apiloom.net.request import Request, Response

HOME = "https://api.example"
PAGING = Paging(style="cursor", argument="at", next="/next", items="/data")


@dataclass
class Api:
    """A sender that answers each request with what ``page`` makes of the cursor in it."""

    page: Callable[[str], Any]
    asked: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        said = self.page(request.target.partition("at=")[2])
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return Response(status=200, headers=[("content-type", "application/json")], body=body)

    async def close(self) -> None:
        """Nothing is open."""


def planned(arguments: Mapping[str, Any]) -> HttpPlan:
    query = "".join(f"?{name}={value}" for name, value in arguments.items())
    return HttpPlan(method="GET", origin=HOME, target=f"/things{query}", headers=[])


def numbers(at: str) -> Any:
    """Endless pages of two numbers each."""
    start = int(at or 1)
    return {"data": [start, start + 1], "next": str(start + 2)}


def paged(api: Api, paging: Paging = PAGING, **more: Any) -> PagedBackend:
    ways = Ways(
        paging=paging,
        controls=Controls(cursor="cursor", max_items="max_items"),
        sealer=Sealer(b"k" * 32),
        operation="GET /things",
        in_body=more.pop("in_body", False),
    )
    more.setdefault("clock", lambda: 1000.0)
    more.setdefault("pace", lambda: 0.0)
    return PagedBackend(inner=HttpBackend(planner=planned, sender=api, clock=lambda: 0.0), ways=ways, **more)


def call(**arguments: Any) -> Call:
    return Call(tool="things", arguments=arguments)


def structured(outcome: Outcome) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(outcome.structured or b"{}")
    return value


def said(outcome: Outcome) -> str:
    return "\n".join(part.text for part in outcome.content if isinstance(part, Text))


async def test_a_cursor_lasts_a_day() -> None:
    api = Api(numbers)
    now = 1000.0
    backend = paged(api, clock=lambda: now)
    cursor = structured(await backend.answer(call()))["next_cursor"]
    now += LIFETIME - 1
    assert structured(await backend.answer(call(cursor=cursor)))["data"] == [3, 4]
    now += 2
    refused = await backend.answer(call(cursor=cursor))
    assert refused.meta["dev.apiloom/error"]["code"] == "page.cursor"
    assert len(api.asked) == 2


async def test_gathering_stops_before_the_next_page_would_be_late() -> None:
    moments = iter([0.0, *(2.0 * step for step in range(1, 100))])
    backend = paged(Api(numbers), pace=lambda: next(moments))
    outcome = await backend.answer(Call(tool="things", arguments={"max_items": 1000}, timeout=10.0))
    assert 2 < len(structured(outcome)["data"]) < 12
    assert "as many as one call takes" in said(outcome)
    assert "next_cursor" in structured(outcome)


async def test_each_page_may_take_what_is_left_of_the_calls_time() -> None:
    moments = iter([0.0, 1.0, 1.0, 2.0, 3.0, 4.0])
    api = Api(numbers)
    backend = paged(api, pace=lambda: next(moments))
    await backend.answer(Call(tool="things", arguments={"max_items": 5}, timeout=10.0))
    assert [request.timeout for request in api.asked] == [10.0, 9.0, 7.0]


async def test_gathering_stops_at_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_BYTES", 1000)
    api = Api(lambda at: {"data": ["x" * 300], "next": str(int(at or 0) + 1)})
    outcome = await paged(api).answer(call(max_items=1000))
    assert len(structured(outcome)["data"]) == len(api.asked) == 4


async def test_a_position_too_long_to_be_passed_on_is_told() -> None:
    outcome = await paged(Api(lambda _: {"data": [1], "next": "c" * 20_000})).answer(call())
    assert "next_cursor" not in structured(outcome)
    assert "not followed: its position is too long" in said(outcome)


async def test_a_position_that_is_an_object_belongs_in_a_body() -> None:
    api = Api(lambda _: {"data": [1], "next": {"k": "v"}})
    assert "next_cursor" not in structured(await paged(api).answer(call()))
    assert "next_cursor" in structured(await paged(api, in_body=True).answer(call()))


async def test_only_one_next_cursor_is_left_and_it_is_ours() -> None:
    paging = Paging(style="cursor", argument="at", next="/next_cursor", items="/data")
    first = await paged(Api(lambda _: b'{"next_cursor":"x","data":[1.10,2]}'), paging).answer(call())
    assert first.structured is not None
    assert first.structured.count(b"next_cursor") == 1
    assert structured(first)["next_cursor"].startswith("alc_")
    assert b"1.10" in first.structured
    last = await paged(Api(lambda _: b'{"next_cursor":null,"data":[1]}'), paging).answer(call())
    assert last.structured == b'{"data":[1]}'
    assert said(last) == '{"next_cursor":null,"data":[1]}'


async def test_an_answer_without_its_list_is_not_gathered() -> None:
    api = Api(lambda at: {"note": "nothing yet", "next": f"{at}x"})
    outcome = await paged(api).answer(call(max_items=50))
    assert len(api.asked) == 1
    assert "next_cursor" in structured(outcome)


def test_a_preview_shows_the_page_that_a_cursor_leads_to() -> None:
    backend = paged(Api(numbers))
    cursor = backend._sealed(pages.Position(value="7"), call())
    assert backend.preview(call(cursor=cursor, max_items=3))["url"] == f"{HOME}/things?at=7"
    link = backend._sealed(pages.Position(target="/more?of=it"), call())
    assert backend.preview(call(cursor=link))["url"] == f"{HOME}/more?of=it"
    with pytest.raises(CallerError):
        backend.preview(call(cursor=cursor + "A"))


async def test_a_later_page_that_is_no_json_ends_the_gathering() -> None:
    api = Api(lambda at: numbers(at) if not at else b"<html>sorry</html>")
    outcome = await paged(api).answer(call(max_items=50))
    assert structured(outcome)["data"] == [1, 2]
    assert "2 items were gathered, then a page failed" in said(outcome)
    assert "next_cursor" in structured(outcome)
