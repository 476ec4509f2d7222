"""Secret URLs and tokens from outside: they end to the second, turn over with grace, and tell strangers nothing."""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path

import httpx2 as httpx
import pytest

from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import revoke_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.server_tokens import add_token, revoke_token, rotate_tokens
from apiloom.flows.servers import delete_server, patch_server
from apiloom.flows.sweeper import sweep
from apiloom.identity.tokens import mint
from support.gateway import Desk, Gateway, arrival, ask, call, desk, gateway, http, names, until, words


async def notes(house: Gateway, upstream: Desk, **wanted: object) -> tuple[str, str, str]:
    """A server's URL, its id and its token's id."""
    if "desk" not in house.node.memory.connectors:
        await house.connector("desk", upstream.api.url)
    account = await house.account("desk", "ada-secret")
    opened = await house.server(accounts=[account.id], **wanted)
    return house.at(opened), opened.server.id, opened.issued.token.id


async def status(client: httpx.AsyncClient, url: str, token: str = "") -> int:
    return (await ask(client, url, "tools/list", token=token)).status_code


def same(reply: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer but its date."""
    return reply.status_code, reply.content, [pair for pair in reply.headers.items() if pair[0] != "date"]


async def test_a_server_ends_to_the_second_and_then_its_record_goes(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            url, server, _ = await notes(house, upstream, expires_at=house.clock() + 60)
            house.clock.now += 59.999
            assert await status(client, url) == 200
            house.clock.now += 0.001
            assert await status(client, url) == 404
            assert server in house.node.memory.servers
            assert (await house.done(sweep(house.ground))).servers == 1
            assert server not in house.node.memory.servers
            assert await status(client, url) == 404


async def test_a_session_of_an_ended_server_is_over_as_well(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            url, _, _ = await notes(house, upstream, expires_at=house.clock() + 60)
            head = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
            first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
            session = (await client.post(url, json=first, headers=head)).headers["mcp-session-id"]
            head["mcp-session-id"] = session
            ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            assert (await client.post(url, json=ping, headers=head)).status_code == 200
            house.clock.now += 60
            assert (await client.post(url, json=ping, headers=head)).status_code == 404


async def test_rotation_leaves_the_old_url_its_grace_and_no_more(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            url, server, _ = await notes(house, upstream)
            issued = await house.done(rotate_tokens(house.ground, HOST, server, {"grace_seconds": 30}))
            fresh = f"{house.url}/mcp/{issued.text}"
            assert [await status(client, each) for each in (url, fresh)] == [200, 200]
            house.clock.now += 30
            assert [await status(client, each) for each in (url, fresh)] == [404, 200]
            last = await house.done(rotate_tokens(house.ground, HOST, server, {}))
            assert [await status(client, each) for each in (fresh, f"{house.url}/mcp/{last.text}")] == [404, 200]


@pytest.mark.parametrize("how", ["revoked", "deleted", "disabled", "expired"])
async def test_what_is_open_is_cut_when_its_right_ends(how: str, tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            url, server, token = await notes(house, upstream, expires_at=house.clock() + 60)
            other = await house.done(add_token(house.ground, HOST, server, {"label": "other"}))
            beside = f"{house.url}/mcp/{other.text}"
            running = asyncio.create_task(ask(client, url, "tools/call", {"name": "wait_long"}))
            theirs = asyncio.create_task(ask(client, beside, "tools/call", {"name": "wait_long"}))
            await arrival(upstream)
            await arrival(upstream)
            message, head = words("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            async with client.stream("POST", url, json=message, headers=head) as stream:
                pieces = stream.aiter_text()
                assert "acknowledged" in await anext(pieces)
                if how == "revoked":
                    await house.done(revoke_token(house.ground, HOST, server, token))
                elif how == "deleted":
                    await house.done(delete_server(house.ground, HOST, server, Removal()))
                elif how == "disabled":
                    await house.done(patch_server(house.ground, HOST, server, {"enabled": False}))
                else:
                    house.clock.now += 60
                    await house.settle()
                async with asyncio.timeout(15):
                    async for _ in pieces:
                        pass
                    assert (await running).status_code == 404
            if how == "revoked":
                upstream.go.set()
                assert (await theirs).status_code == 200
                assert await status(client, beside) == 200
            else:
                async with asyncio.timeout(15):
                    assert (await theirs).status_code == 404
            assert await status(client, url) == 404


async def test_a_revoked_api_token_is_cut_everywhere(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            _, server, _ = await notes(house, upstream)
            token = await house.api_token()
            key = house.node.memory.index.get(token, house.clock())
            assert key is not None
            roads = {f"{house.url}/mcp": "desk_wait_long", f"{house.url}/mcp/s/{server}": "wait_long"}
            running = [
                asyncio.create_task(ask(client, url, "tools/call", {"name": tool}, token))
                for url, tool in roads.items()
            ]
            for _ in running:
                await arrival(upstream)
            await house.done(revoke_api_token(house.ground, HOST, key.token, Removal()))
            async with asyncio.timeout(15):
                assert [reply.status_code for reply in await asyncio.gather(*running)] == [404, 404]
            assert await status(client, f"{house.url}/mcp", token) == 401


async def test_a_second_factor_is_asked_for_on_every_road(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            url, server, _ = await notes(house, upstream, config={"require_api_token_auth": True})
            token = await house.api_token()
            await house.tenant("other")
            foreign = await house.api_token(tenant="other")
            limited = await house.api_token(servers=[])
            assert await status(client, url) == 401
            assert await status(client, url, "nonsense") == 401
            assert await status(client, url, foreign) == 401
            assert await status(client, url, limited) == 401
            assert await status(client, url, url.rpartition("/")[2]) == 401
            assert await status(client, url, token) == 200
            assert (await call(client, url, "list_notes", token=token))["whose"] == "ada"
            assert await status(client, f"{house.url}/mcp/s/{server}", token) == 404
            assert await status(client, f"{house.url}/mcp", url.rpartition("/")[2]) == 401
            assert await names(client, f"{house.url}/mcp", token) == []
            key = house.node.memory.index.get(token, house.clock())
            assert key is not None
            running = asyncio.create_task(ask(client, url, "tools/call", {"name": "wait_long"}, token))
            await arrival(upstream)
            await house.done(revoke_api_token(house.ground, HOST, key.token, Removal()))
            async with asyncio.timeout(15):
                assert (await running).status_code == 404
            assert await status(client, url, token) == 401


async def test_wrong_expired_revoked_and_foreign_look_the_same(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            expired, _, _ = await notes(house, upstream, expires_at=house.clock() + 60)
            revoked, server, token = await notes(house, upstream)
            off, server_off, _ = await notes(house, upstream)
            away, _, _ = await notes(house, upstream, config={"allowed_addresses": ["192.0.2.0/24"]})
            await house.done(revoke_token(house.ground, HOST, server, token))
            await house.done(patch_server(house.ground, HOST, server_off, {"enabled": False}))
            house.clock.now += 61
            api = await house.api_token()
            unknown = [f"{house.url}/mcp/{mint('als')}", f"{house.url}/mcp/{api}", f"{house.url}/mcp/nothing"]
            tampered = f"{revoked[:-1]}{'a' if revoked[-1] != 'a' else 'b'}"
            urls = [expired, revoked, off, away, tampered, *unknown]
            answers = [same(await ask(client, url, "tools/list")) for url in urls]
            assert answers[0][0] == 404
            assert all(answer == answers[0] for answer in answers)
            assert dict(answers[0][2])["referrer-policy"] == "no-referrer"
            assert dict(answers[0][2])["cache-control"] == "no-store"

            bearers = [url.rpartition("/")[2] for url in (expired, revoked, off, away, tampered)]
            bearers += [mint("ala"), "x", secrets.token_urlsafe(40)]
            refused = [same(await ask(client, f"{house.url}/mcp", "tools/list", token=one)) for one in bearers]
            assert refused[0][0] == 401
            assert all(answer == refused[0] for answer in refused)
            named = [same(await ask(client, f"{house.url}/mcp/s/x", "tools/list", token=one)) for one in bearers]
            assert all(answer == refused[0] for answer in named)


async def test_an_address_list_lets_in_whom_it_names(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            near, _, _ = await notes(house, upstream, config={"allowed_addresses": ["127.0.0.0/8", "::1/128"]})
            assert await status(client, near) == 200
            assert (await call(client, near, "list_notes"))["whose"] == "ada"


async def test_a_trusted_proxy_says_where_a_request_comes_from(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path, proxies=("127.0.0.1/32",)) as house, http() as client:
            url, _, _ = await notes(house, upstream, config={"allowed_addresses": ["203.0.113.0/24"]})
            message, head = words("tools/list")

            async def behind(*forwarded: str) -> int:
                headers = [*head.items(), *(("x-forwarded-for", value) for value in forwarded)]
                return (await client.post(url, json=message, headers=headers)).status_code

            assert await behind("203.0.113.5") == 200
            assert await behind("198.51.100.1, 203.0.113.5, 127.0.0.1") == 200
            assert await behind("203.0.113.5, 198.51.100.1") == 404
            assert await behind("203.0.113.5", "198.51.100.1") == 404
            assert await behind("198.51.100.1", "203.0.113.5") == 200
            assert await behind("198.51.100.1, 203.0.113.5", "127.0.0.1") == 200
            assert await behind("198.51.100.1", "203.0.113.5:4711") == 200
            assert await behind() == 404


async def test_tokens_stand_in_no_log_and_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with desk() as upstream:
        async with gateway(tmp_path, running=True) as house, http() as client:
            url, server, token = await notes(house, upstream)
            secret = url.rpartition("/")[2]
            api = await house.api_token("owner")
            said = [
                await ask(client, url, "tools/list"),
                await ask(client, url, "tools/call", {"name": "list_notes"}),
                await ask(client, url, "tools/call", {"name": "no_such_tool"}),
                await ask(client, f"{url}/x", "tools/list"),
                await client.post(url, content=b"{", headers={"content-type": "application/json"}),
                await client.get(url),
                await client.get(f"{house.url}/api/v1/servers/{server}", headers={"authorization": f"Bearer {api}"}),
                await client.get(f"{house.url}/api/v1/audit", headers={"authorization": f"Bearer {api}"}),
                await client.get(f"{house.url}/api/v1/nothing/{secret}", headers={"authorization": f"Bearer {secret}"}),
            ]
            await house.done(revoke_token(house.ground, HOST, server, token))
            said.append(await ask(client, url, "tools/list"))
            await until(lambda: server in house.node.memory.servers)
            heard = [record for record in caplog.records if record.name.startswith(("apiloom", "uvicorn", "asyncio"))]
            for text in (secret, api, secret[4:30], api[4:30]):
                assert not any(text in record.getMessage() for record in heard)
                assert not any(text in reply.text for reply in said)
                assert not any(text in value for reply in said for value in reply.headers.values())
