"""Who is signed in with which client: seen by those who look after it, and ended at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.fronts import Front, front
from support.gateway import arrival, ask, gateway
from support.issuer import received


async def api(on: Front, token: str, method: str, path: str, **more: Any) -> httpx.Response:
    reply = await on.http.request(
        method, f"{on.house.url}/api/v1{path}", headers={"authorization": f"Bearer {token}", **more.pop("head", {})}
    )
    await on.house.settle()
    return reply


async def test_sign_ins_are_listed_without_anything_that_opens_a_door(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        owner = await on.house.api_token(role="owner")
        reply = await api(on, owner, "GET", "/sign-ins")
        (seen,) = reply.json()["items"]
        assert (seen["tenant"], seen["client"], seen["client_name"]) == ("default", on.app.id, "The app")
        assert (seen["role"], seen["servers"], seen["resource"], seen["scopes"]) == ("agent", None, "/mcp", ["mcp"])
        assert seen["redirect_uri"] == on.app.redirect_uri
        assert seen["api_token"].startswith("key_")
        assert seen["subject"] == f"token:{seen['api_token']}"
        for secret in (given["access_token"], given["refresh_token"], on.person.token):
            assert secret not in reply.text
        one = await api(on, owner, "GET", f"/sign-ins/{seen['id']}")
        assert (one.json(), one.headers["etag"]) == (seen, '"1"')
        for query, count in (("client=x", 0), (f"client={on.app.id}&resource=/mcp", 1), ("subject=x", 0)):
            assert len((await api(on, owner, "GET", f"/sign-ins?{query}")).json()["items"]) == count
        assert (await api(on, owner, "GET", "/sign-ins?role=x")).status_code == 422
        # one that is over is not there, nor is it told from one that never was
        on.house.clock.now += 30 * 86400 - 1
        owner = await on.house.api_token(role="owner")
        assert len((await api(on, owner, "GET", "/sign-ins")).json()["items"]) == 1
        on.house.clock.now += 1
        assert (await api(on, owner, "GET", "/sign-ins")).json()["items"] == []
        assert (await api(on, owner, "GET", f"/sign-ins/{seen['id']}")).json()["code"] == "sign_in.not_found"


async def test_ending_one_cuts_what_is_open_on_every_node(tmp_path: Path) -> None:
    async with front(tmp_path) as on, gateway(tmp_path) as other:
        received(other, tmp_path, {"facade": {}})
        given = await on.app.sign_in(on.person)
        token = given["access_token"]
        admin = await on.house.api_token(role="tenant-admin", tenant="default")
        await other.settle()
        (seen,) = (await api(on, admin, "GET", "/sign-ins")).json()["items"]
        slow = asyncio.create_task(
            ask(on.http, f"{other.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, token)
        )
        await arrival(on.desk)
        at = f"/sign-ins/{seen['id']}"
        planned = (await api(on, admin, "DELETE", f"{at}?plan=true")).json()
        assert (planned["kind"], planned["id"], planned["done"]) == ("sign_in", seen["id"], False)
        assert (await api(on, admin, "DELETE", at, head={"if-match": '"7"'})).status_code == 412
        on.house.clock.now += 1
        assert (await api(on, admin, "DELETE", at)).json()["done"] is True
        await other.settle()
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert await on.status(token) == 401
        assert (await ask(on.http, f"{other.url}/mcp", "tools/list", token=token)).status_code == 401
        assert (await on.app.refresh(given["refresh_token"])).json()["error"] == "invalid_grant"
        for method in ("GET", "DELETE"):
            assert (await api(on, admin, method, at)).status_code == 404
        lines = (await api(on, admin, "GET", f"/audit?target={seen['id']}")).json()["items"]
        assert [line["action"] for line in lines] == ["token_family.revoke", "token_family.create"]
        assert lines[0]["principal"].startswith("token:")


async def test_who_stands_for_one_person_sees_and_ends_that_persons_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        ids = {}
        for name in ("ann", "bob"):
            on.person.token = await on.house.api_token(tenant="default", end_user=name)
            await on.app.sign_in(on.person)
        admin = await on.house.api_token(role="tenant-admin", tenant="default")
        ids = {each["end_user"]: each["id"] for each in (await api(on, admin, "GET", "/sign-ins")).json()["items"]}
        ann = await on.house.api_token(role="tenant-admin", tenant="default", end_user="ann")
        assert [each["id"] for each in (await api(on, ann, "GET", "/sign-ins")).json()["items"]] == [ids["ann"]]
        assert (await api(on, ann, "DELETE", f"/sign-ins/{ids['bob']}")).status_code == 404
        assert (await api(on, ann, "DELETE", f"/sign-ins/{ids['ann']}")).status_code == 200
