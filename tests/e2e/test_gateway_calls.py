"""The gateway from outside: secret URLs, named servers and callers' own views list and call what they may."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from apiloom.base import plugins
from apiloom.base.errors import CallerError
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account, try_account
from apiloom.flows.overlays import create_overlay
from apiloom.flows.server_tokens import add_token
from apiloom.flows.servers import patch_server, switch_toolset
from apiloom.store.records import Toolset
from apiloom.store.sql.counting import counting
from support.catalogs import OK
from support.gateway import PATHS, READS, arrival, ask, call, desk, document, gateway, http, names, until
from support.upstream import Answer, Seen
from support.upstream import upstream as api

MORE = {**PATHS, "/news": {"get": {"operationId": "readNews", "tags": ["notes"], "responses": OK}}}


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_an_official_client_lists_and_calls_at_a_secret_url(mode: str, tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id], config={"methods": ["read", "write"], "tags": ["notes"]})
            async with Client(house.at(opened), mode=mode) as client:
                listed = await client.list_tools()
                assert [tool.name for tool in listed.tools] == ["add_note", "get_note", "list_notes"]
                answer = await client.call_tool("get_note", {"id": "7"})
                assert answer.structured_content == {"path": "/notes/7", "method": "GET", "whose": "ada"}


async def test_a_server_shows_what_only_reads_unless_it_says_more(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            assert await names(client, house.at(opened)) == READS
            wanted = {"name": "delete_note", "arguments": {"id": "1"}}
            hidden = await ask(client, house.at(opened), "tools/call", wanted)
            assert hidden.json()["error"]["code"] == -32602
            assert upstream.api.seen == []


async def test_several_connectors_are_told_apart_by_a_prefix(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            await house.connector("shelf", upstream.api.url)
            one = await house.account("desk", "ada-secret")
            two = await house.account("shelf", "bob-secret")
            opened = await house.server(accounts=[one.id, two.id])
            url = house.at(opened)
            assert await names(client, url) == [f"{slug}_{name}" for slug in ("desk", "shelf") for name in READS]
            assert (await call(client, url, "desk_list_notes"))["whose"] == "ada"
            assert (await call(client, url, "shelf_list_notes"))["whose"] == "bob"


async def test_the_account_is_the_callers_own_else_a_shared_one_else_none(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            await house.account("desk", "ada-secret", end_user="ada")
            await house.account("desk", "bob-secret", end_user="bob")
            opened = await house.server(name="notes", connectors=["desk"])
            ada, bob = [await house.api_token(end_user=user) for user in ("ada", "bob")]
            eve = await house.api_token(end_user="eve")
            url = f"{house.url}/mcp/s/notes"
            assert (await call(client, url, "list_notes", token=ada))["whose"] == "ada"
            assert (await call(client, url, "list_notes", token=bob))["whose"] == "bob"
            assert "none is shared" in await call(client, url, "list_notes", token=eve)
            assert "none is shared" in await call(client, house.at(opened), "list_notes")
            await house.account("desk", "team-secret", shared=True)
            assert (await call(client, url, "list_notes", token=eve))["whose"] == "team"
            assert (await call(client, url, "list_notes", token=ada))["whose"] == "ada"


async def test_a_caller_sees_the_servers_of_its_token_together(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.tenant("other")
            await house.connector("desk", upstream.api.url)
            await house.connector("shelf", upstream.api.url)
            one = await house.account("desk", "ada-secret")
            two = await house.account("shelf", "bob-secret")
            elsewhere = await house.account("shelf", "eve-secret", tenant="other")
            first = await house.server(name="a", accounts=[one.id], config={"tools": {"allow": ["list_*"]}})
            second = await house.server(name="b", accounts=[two.id], config={"tools": {"allow": ["get_*"]}})
            foreign = await house.server(name="c", tenant="other", accounts=[elsewhere.id])
            every = await house.api_token()
            only = await house.api_token(servers=[first.server.id])
            assert await names(client, f"{house.url}/mcp", every) == ["desk_list_notes", "shelf_get_note"]
            assert await names(client, f"{house.url}/mcp", only) == ["desk_list_notes"]
            answer = await call(client, f"{house.url}/mcp", "shelf_get_note", {"id": "1"}, every)
            assert answer == {"path": "/notes/1", "method": "GET", "whose": "bob"}
            assert await names(client, f"{house.url}/mcp/s/{second.server.id}", every) == ["get_note"]
            assert await names(client, f"{house.url}/mcp", second.issued.text) == ["get_note"]
            for name in ("b", second.server.id, foreign.server.id, "c", "x"):
                assert (await ask(client, f"{house.url}/mcp/s/{name}", "tools/list", token=only)).status_code == 404


async def test_what_one_caller_keeps_no_other_can_open(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            one = await house.server(accounts=[account.id])
            two = await house.server(accounts=[account.id])
            token = await house.api_token()

            async def read(path: str, shown: str) -> int:
                return (await client.get(house.url + path, headers={"authorization": f"Bearer {shown}"})).status_code

            sent = await client.post(
                f"{house.url}/files", content=b"hello", headers={"authorization": f"Bearer {one.issued.text}"}
            )
            assert sent.status_code == 201
            path = sent.json()["handle"].replace("apiloom://", "/files/")
            assert await read(path, one.issued.text) == 200
            assert await read(path, two.issued.text) == 404
            assert await read(path, token) == 404
            beside = await house.done(add_token(house.ground, HOST, one.server.id, {"label": "somebody else's"}))
            assert await read(path, beside.text) == 404
            assert await read(path, "nobody") == 401


async def test_a_promoted_version_is_served_at_once_and_calls_in_flight_finish_on_the_old_one(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            pinned = house.at(await house.server(accounts=[account.id], config={"pin_version": 1}))
            assert await names(client, url) == READS
            running = asyncio.create_task(call(client, url, "wait_long"))
            await arrival(upstream)
            await house.version("desk", 2, document({path: MORE[path] for path in MORE if path != "/slow"}))
            await house.promote("desk", 2)
            assert await names(client, url) == ["get_note", "list_notes", "read_news"]
            assert await names(client, pinned) == READS
            upstream.go.set()
            assert (await running)["path"] == "/slow"
            assert (await call(client, url, "read_news"))["path"] == "/news"
            await house.promote("desk", 1)
            assert await names(client, url) == READS


async def test_listeners_are_told_of_what_changes_and_of_nothing_else(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            beside = await house.server(accounts=[account.id])
            async with Client(house.at(opened), mode="2026-07-28") as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == READS
                async with client.listen(tools_list_changed=True) as changes:
                    for server, tag in ((beside.server.id, "slow"), (opened.server.id, "notes")):
                        await house.done(patch_server(house.ground, HOST, server, {"config": {"tags": [tag]}}))
                    async with asyncio.timeout(15):
                        await anext(changes)
                assert [tool.name for tool in (await client.list_tools()).tools] == ["get_note", "list_notes"]


async def test_an_overlay_shows_in_the_next_list(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            beside = await house.server(accounts=[account.id])
            assert await names(client, house.at(opened)) == READS
            wanted = {
                "layer": "server",
                "connector": "desk",
                "target": opened.server.id,
                "patch": {"tools": {"wait_long": {"hide": True}, "get_note": {"rename": "open_note"}}},
            }
            await house.done(create_overlay(house.ground, HOST, wanted))
            assert await names(client, house.at(opened)) == ["list_notes", "open_note"]
            assert (await call(client, house.at(opened), "open_note", {"id": "3"}))["path"] == "/notes/3"
            assert await names(client, house.at(beside)) == READS


async def test_changed_credentials_count_from_the_next_call_on(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            patch = {"credentials": {"token": {"token": "eva-secret"}}}
            await house.done(patch_account(house.ground, HOST, account.id, patch))
            assert (await call(client, url, "list_notes"))["whose"] == "eva"
            await house.done(patch_account(house.ground, HOST, account.id, {"enabled": False}))
            assert "switched off" in await call(client, url, "list_notes")


async def test_a_warm_call_asks_the_store_nothing(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            url = house.at(await house.server(accounts=[account.id]))
            by_user = house.at(await house.server(connectors=["desk"]))
            for each in (url, by_user):
                await names(client, each)
                await call(client, each, "list_notes")
            with counting() as counted:
                for each in (url, by_user):
                    await names(client, each)
                    assert (await call(client, each, "list_notes"))["whose"] == "ada"
                    assert (await call(client, each, "get_note", {"id": "5"}))["whose"] == "ada"
            assert counted.trips == 0


async def test_a_caller_is_told_that_an_account_lacks_its_credentials(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Answer:
        return Answer({"message": "who are you?"}, 200 if "authorization" in seen.headers else 401)

    with api(answer) as closed:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", closed.url)
            account = await house.account("desk")
            url = house.at(await house.server(accounts=[account.id]))
            told = await call(client, url, "list_notes")
            assert "no credentials were sent; set token at the account" in told
            assert "APILOOM" not in told


async def test_an_account_is_tried_with_a_tool_that_only_reads(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            assert await try_account(house.ground, HOST, account.id) == {"ok": True, "tool": "list_notes"}
            assert upstream.api.last().headers["authorization"] == "Bearer ada-secret"
            with pytest.raises(CallerError, match="no tool 'delete_note' that only reads"):
                await try_account(house.ground, HOST, account.id, "delete_note")
            assert len(upstream.api.seen) == 1


async def test_every_call_leaves_a_line_without_its_arguments_and_answers(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            url = house.at(opened)
            await call(client, url, "get_note", {"id": "confidential"})
            await call(client, url, "get_note", {"wrong": "confidential"})
            running = asyncio.create_task(call(client, url, "wait_long"))
            await arrival(upstream)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            lines: list[Any] = []

            async def written() -> bool:
                await house.node.journal.flush()
                async with house.ground.store.reading() as work:
                    found = await work.tenant("default").audit.every({"action": "call"})
                lines[:] = sorted(found, key=lambda line: line.outcome)
                return len(lines) == 3

            async with asyncio.timeout(15):
                while not await written():
                    await asyncio.sleep(0.02)
            assert [(line.outcome, line.detail["tool"]) for line in lines] == [
                ("call.cut", "wait_long"),
                ("ok", "get_note"),
                ("policy.arguments.invalid", "get_note"),
            ]
            assert {(line.target, line.principal) for line in lines} == {
                (opened.server.id, f"server:{opened.server.id}")
            }
            assert "confidential" not in repr(lines)
            assert opened.issued.text not in repr(lines)


async def test_the_admin_api_is_served_beside_and_its_changes_are_live(tmp_path: Path) -> None:
    assert plugins.load("apiloom.console.api.build:build_api")
    with desk() as upstream:
        async with gateway(tmp_path, running=True) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            owner = {"authorization": f"Bearer {await house.api_token('owner')}"}
            account = await client.post(
                f"{house.url}/api/v1/accounts",
                json={"connector": "desk", "label": "x", "credentials": {"token": {"token": "ada-secret"}}},
                headers=owner,
            )
            assert account.status_code == 201, account.text
            made = await client.post(
                f"{house.url}/api/v1/accounts/{account.json()['id']}/servers", json={"name": "n"}, headers=owner
            )
            assert made.status_code == 201, made.text
            server = made.json()
            await until(lambda: server["id"] in house.node.memory.servers)
            assert (await call(client, server["url"], "list_notes"))["whose"] == "ada"
            gone = await client.delete(f"{house.url}/api/v1/servers/{server['id']}", headers=owner)
            assert gone.status_code in {200, 204}, gone.text
            await until(lambda: server["id"] not in house.node.memory.servers)
            assert (await ask(client, server["url"], "tools/list")).status_code == 404


async def test_a_toolset_that_is_switched_off_goes_with_its_tools(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            async with house.ground.store.writing() as work:
                select = {"paths": ["/slow"]}
                await work.house().toolsets.add(Toolset(id="desk/slow", connector="desk", name="slow", select=select))
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            assert await names(client, house.at(opened)) == READS
            await house.done(switch_toolset(house.ground, HOST, opened.server.id, "slow", on=False))
            assert await names(client, house.at(opened)) == ["get_note", "list_notes"]
