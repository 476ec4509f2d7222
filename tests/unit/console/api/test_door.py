"""Who comes in, how much is read, and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from apiloom.base.errors import HouseFault
from apiloom.console.api import door
from apiloom.identity.principal import Principal
from support.admin import AdminHouse
from support.asgi import scope

MEMBERS = ["type", "title", "status", "detail", "code", "hint", "pointer", "request_id"]


def same_but_for_the_number(first: Any, second: Any) -> bool:
    one, other = ({**answer.value, "request_id": ""} for answer in (first, second))
    heads = [{k: v for k, v in answer.headers.items() if k != "x-request-id"} for answer in (first, second)]
    return (first.status, one, heads[0]) == (second.status, other, heads[1])


async def test_no_token_a_wrong_one_and_one_that_cannot_ask_are_refused_alike() -> None:
    house = AdminHouse()
    house.principal("server-token", "")
    missing = await house.ask("GET", "/tenants", token="")
    assert missing.status == 401
    assert missing.headers["www-authenticate"] == "Bearer"
    for token in ("wrong", "server-token", "owner owner", "ala_" + "x" * 49):
        assert same_but_for_the_number(await house.ask("GET", "/tenants", token=token), missing)
    assert same_but_for_the_number(await house.ask("GET", "/nowhere", token="wrong"), missing)
    assert same_but_for_the_number(await house.ask("POST", "/tenants", b"{", token="wrong"), missing)


async def test_a_token_shown_twice_or_in_another_scheme_lets_nobody_in() -> None:
    house = AdminHouse()
    assert (await house.ask("GET", "/whoami", token="", authorization="Basic owner")).status == 401
    assert (await house.ask("GET", "/whoami", token="", authorization="bearer owner")).status == 200
    assert (await house.ask("GET", "/whoami", token="owner", authorization="Bearer owner")).status == 401


async def test_every_refusal_has_the_same_eight_members_and_a_number() -> None:
    house = AdminHouse()
    for answer in (
        await house.ask("GET", "/tenants", token=""),
        await house.ask("GET", "/nowhere"),
        await house.ask("PUT", "/tenants"),
        await house.ask("POST", "/tenants", b"{"),
        await house.ask("POST", "/tenants", {"name": 5}),
        await house.ask("GET", "/tenants/none"),
        await house.ask("GET", "/usage"),
    ):
        assert answer.status >= 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(answer.value) == MEMBERS
        assert answer.value["status"] == answer.status
        assert answer.value["request_id"] == answer.headers["x-request-id"]
        assert answer.value["detail"]


async def test_no_answer_is_kept_by_a_cache() -> None:
    house = AdminHouse()
    for answer in (await house.ask("GET", "/whoami"), await house.ask("GET", "/whoami", token="")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_paths_are_answered_with_and_without_their_prefix() -> None:
    house = AdminHouse()
    assert (await house.ask("GET", "/api/v1/whoami")).value == (await house.ask("GET", "/whoami")).value
    assert (await house.ask("GET", "/api/v1/api/v1/whoami")).status == 404
    assert (await house.ask("GET", "/tenants/")).status == 200


async def test_mounted_below_a_path_of_another_application_it_answers_too() -> None:
    house = AdminHouse()
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    asks = scope("GET", [("authorization", "Bearer owner")], "/gateway/api/v1/whoami") | {
        "root_path": "/gateway/api/v1"
    }
    await house.app(asks, receive, send)
    assert told[0]["status"] == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "api.unreadable"),
        (b'{"name": "\xff"}', {}, 400, "api.unreadable"),
        (b'{"name": NaN}', {}, 400, "api.unreadable"),
        (b'{"name": "\\u0000"}', {}, 400, "api.unreadable"),
        (b'{"metadata": {"\\u0000": 1}}', {}, 400, "api.unreadable"),
        (b"[" * 81 + b"]" * 81, {}, 400, "api.too_deep"),
        (b"[" * 100_000, {}, 400, "api.unreadable"),
        (b"{}", {"content_type": "text/plain"}, 415, "api.media_type"),
        (b"{}", {"content_type": "application/x-www-form-urlencoded"}, 415, "api.media_type"),
        (b"{}", {"content_encoding": "gzip"}, 415, "api.media_type"),
        (b'"' + b"x" * door.MOST + b'"', {}, 413, "api.too_large"),
        (b"[]", {}, 422, "api.invalid"),
        (b"null", {}, 422, "api.invalid"),
        (b"", {"content_type": "application/json"}, 422, "api.invalid"),
    ],
)
async def test_a_body_that_cannot_be_taken_is_refused(
    body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await AdminHouse().ask("POST", "/tenants", body, **headers)
    assert (answer.status, answer.value["code"]) == (status, code)


async def test_a_url_with_a_nul_character_is_refused_before_a_database_sees_it() -> None:
    house = AdminHouse()
    assert (await house.ask("GET", "/tenants/a%00b")).status == 400
    assert (await house.ask("GET", "/tenants?name=a%00b")).status == 400


async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_PIECE_IN", 0.01)
    house = AdminHouse()
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        await house.app(scope("POST", [("authorization", "Bearer owner")], "/tenants"), receive, send)
    assert told[0]["status"] == 408


async def test_large_documents_share_a_bound_and_give_it_back() -> None:
    house = AdminHouse()
    large = b'"' + b"x" * (2 * door.MOST) + b'"'
    house.app._large = door._MOST_AT_ONCE - door.MOST  # type: ignore[attr-defined]
    answer = await house.ask("POST", "/connectors", large)
    assert (answer.status, answer.value["code"], answer.headers["retry-after"]) == (503, "api.busy", "1")
    assert house.app._large == door._MOST_AT_ONCE - door.MOST  # type: ignore[attr-defined]
    house.app._large = 0  # type: ignore[attr-defined]
    assert (await house.ask("POST", "/connectors", large)).status == 422
    assert house.app._large == 0  # type: ignore[attr-defined]


async def test_what_breaks_on_our_side_is_told_without_what_broke(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def reading(self) -> Any:
            raise RuntimeError("the password is hunter2")

    house = AdminHouse(store=Broken())  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG):
        answer = await house.ask("GET", "/tenants")
    assert (answer.status, answer.value["code"]) == (500, "api.failed")
    assert "hunter2" not in answer.body.decode() + caplog.text
    assert answer.value["request_id"] in caplog.text


async def test_a_store_that_does_not_answer_is_said_and_health_still_answers() -> None:
    house = AdminHouse()
    house.store.down = True  # type: ignore[attr-defined]
    answer = await house.ask("GET", "/tenants")
    assert (answer.status, answer.value["code"], answer.headers["retry-after"]) == (503, "store.unreachable", "1")
    health = await house.ask("GET", "/health")
    assert (health.status, health.value["status"]) == (200, "degraded")


async def test_resources_of_later_releases_say_so_in_one_sentence() -> None:
    house = AdminHouse()
    for path in ("/policies", "/workflows/w1", "/runs/r1/cancel", "/forge/jobs", "/webhooks", "/usage"):
        for method in ("GET", "POST", "DELETE"):
            answer = await house.ask(method, path, {} if method == "POST" else None)
            assert (answer.status, answer.value["code"]) == (501, "api.not_yet")
    assert (await house.ask("GET", "/policies", token="")).status == 401


async def test_those_behind_the_door_never_see_the_token() -> None:
    seen: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    house = AdminHouse()
    house._sender._application = door.Door(inside, house.who.get, door.Asked(ground=house.ground))
    await house.ask("GET", "/whoami", cookie="a=b")
    assert "owner" not in str(seen[0]["headers"])
    assert "a=b" not in str(seen[0]["headers"])


async def test_a_node_may_say_how_it_is() -> None:
    house = AdminHouse()

    async def state() -> dict[str, Any]:
        return {"servers": 3}

    house.mount(state=state)
    assert (await house.ask("GET", "/health")).value["node"] == {"servers": 3}


async def test_whoami_says_who_a_token_is() -> None:
    house = AdminHouse()
    house.who["t"] = Principal(
        id="key_1", role="agent", tenant="acme", token="key_1", servers=("srv_1",), end_user="ann", expires_at=1.9e9
    )
    told = (await house.ask("GET", "/whoami", token="t")).value
    assert told == {
        "id": "key_1",
        "token": "key_1",
        "role": "agent",
        "tenant": "acme",
        "servers": ["srv_1"],
        "end_user": "ann",
        "allow_commands": False,
        "expires_at": "2030-03-17T17:46:40Z",
    }


async def test_an_answer_waits_until_what_it_tells_of_is_served() -> None:
    house = AdminHouse()
    served: list[str] = []

    async def settle() -> None:
        async with house.store.reading() as work:
            served.extend(tenant.id for tenant in await work.house().tenants.every())

    house.mount(settle=settle)
    assert (await house.ask("POST", "/tenants", {"id": "acme"})).status == 201
    assert served == ["acme", "default"]
    await house.ask("GET", "/tenants")
    await house.ask("POST", "/tenants", {"id": "acme"})
    assert served == ["acme", "default"], "nothing was changed"


async def test_an_answer_waits_for_no_node_that_cannot_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_SETTLE_IN", 0.01)
    house = AdminHouse()

    async def settle() -> None:
        await asyncio.Event().wait()

    async def broken() -> None:
        raise HouseFault("the store is away", code="store.unreachable")

    for each in (settle, broken):
        house.mount(settle=each)
        assert (await house.ask("POST", "/tenants", {"name": "n"})).status == 201
