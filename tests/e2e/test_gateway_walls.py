"""What is taken away stays away, whichever way somebody asks for it: filters, names, ids and sessions from outside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway.sealing import VaultSealing
from apiloom.app.gateway.shaping import cut_of
from apiloom.catalog.selection import EVERYTHING, Selection
from apiloom.compile.artefact import Artefact, unpack
from apiloom.compile.server import Shelf
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from apiloom.flows.asking import Removal
from apiloom.flows.connectors import patch_connector
from apiloom.flows.overlays import create_overlay
from apiloom.flows.servers import patch_server, show_server, switch_toolset
from apiloom.flows.toolsets import create_toolset
from apiloom.store.records import Toolset
from apiloom.vault.custody import derived_custody, parse_keys
from support.gateway import READS, ask, call, desk, document, gateway, http, names
from support.memory_store import MemoryStore

ALL = ["read", "write", "custom"]


async def refused(client: httpx.AsyncClient, url: str, tool: str, token: str = "") -> bool:
    """Whether a tool is answered as one that is not there."""
    reply = await ask(client, url, "tools/call", {"name": tool, "arguments": {"id": "1"}}, token)
    return bool(reply.json().get("error", {}).get("code") == -32602)


async def test_a_tool_that_is_taken_away_answers_to_none_of_its_names(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            chosen = {"connector": "desk", "name": "risky", "select": {"tags": ["admin"]}}
            await house.done(create_toolset(house.ground, HOST, chosen))

            async def server(config: dict[str, Any]) -> tuple[str, str]:
                opened = await house.server(accounts=[account.id], config={"methods": ALL, **config})
                return house.at(opened), opened.server.id

            denied, one = await server({"tools": {"deny": ["delete_note"]}})
            bywild, two = await server({"tools": {"deny": ["delete_*"]}})
            off, three = await server({})
            hidden, four = await server({})
            await house.done(switch_toolset(house.ground, HOST, three, "risky", on=False))
            for target in (one, two, three, four):
                edit = {"rename": "tidy_up", "hide": target == four}
                wanted = {"layer": "server", "connector": "desk", "target": target}
                patch = {"tools": {"delete_note": edit}}
                await house.done(create_overlay(house.ground, HOST, {**wanted, "patch": patch}))
            for url in (denied, bywild, off, hidden):
                shown = await names(client, url)
                assert not {"delete_note", "tidy_up"} & {*shown}
                for name in (
                    "delete_note",
                    "tidy_up",
                    "desk_delete_note",
                    "desk_tidy_up",
                    "Delete_Note",
                    "delete_note*",
                ):
                    assert await refused(client, url, name), (url, name)
            assert upstream.api.seen == []


async def test_what_is_denied_behind_a_prefix_stays_denied_when_the_prefix_goes(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            await house.connector("shelf", upstream.api.url)
            one, two = await house.account("desk", "ada-secret"), await house.account("shelf", "bob-secret")
            config = {"methods": ALL, "tools": {"deny": ["desk_delete_note", "desk_add_*"]}}
            opened = await house.server(accounts=[one.id, two.id], config=config)
            url = house.at(opened)
            both = await names(client, url)
            assert "shelf_delete_note" in both
            assert not {"desk_delete_note", "desk_add_note"} & {*both}

            await house.done(patch_connector(house.ground, HOST, "shelf", {"enabled": False}))

            assert await names(client, url) == READS
            assert await refused(client, url, "delete_note")
            shown = await show_server(house.ground, HOST, opened.server.id)
            assert (shown.shown.tools, shown.shown.unknown) == (len(READS), None)
            await house.done(patch_server(house.ground, HOST, opened.server.id, {"config": {"profile": "full"}}))
            assert await names(client, url) == READS


async def test_two_accounts_of_one_connector_are_served_beside_each_other(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            one, two = [await house.account("desk", f"{who}-secret", label=who) for who in ("ada", "bob")]
            opened = await house.server(accounts=[one.id, two.id], connectors=["desk"])
            url = house.at(opened)
            assert await names(client, url) == sorted(f"{slug}_{name}" for slug in ("desk", "desk2") for name in READS)
            assert (await call(client, url, "desk_list_notes"))["whose"] == "ada"
            assert (await call(client, url, "desk2_list_notes"))["whose"] == "bob"
            assert opened.shown.tools == 2 * len(READS)


async def test_a_server_may_be_named_like_anothers_id_and_is_found_all_the_same(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.tenant("other")
            await house.connector("desk", upstream.api.url)
            theirs = await house.account("desk", "eve-secret", tenant="other")
            mine = await house.account("desk", "ada-secret")
            foreign = await house.server(tenant="other", accounts=[theirs.id])
            await house.server(name=foreign.server.id, accounts=[mine.id])
            url = f"{house.url}/mcp/s/{foreign.server.id}"
            assert (await call(client, url, "list_notes", token=await house.api_token()))["whose"] == "ada"
            token = await house.api_token(tenant="other")
            assert (await call(client, url, "list_notes", token=token))["whose"] == "eve"


async def test_a_session_is_worth_nothing_at_another_server_or_to_another_caller(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            one, two = [await house.server(accounts=[account.id]) for _ in range(2)]
            tokens = [await house.api_token() for _ in range(2)]
            head = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}

            async def say(url: str, method: str, token: str, session: str = "") -> httpx.Response:
                params = {} if session else hello
                message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                own = {"authorization": f"Bearer {token}"} if token else {}
                own |= {"mcp-session-id": session} if session else {}
                return await client.post(url, json=message, headers={**head, **own})

            url = f"{house.url}/mcp/s/{one.server.id}"
            session = (await say(url, "initialize", tokens[0])).headers["mcp-session-id"]
            assert (await say(url, "ping", tokens[0], session)).status_code == 200
            unknown = await say(url, "ping", tokens[0], "x" * len(session))
            assert unknown.status_code == 404
            for place, token in (
                (url, tokens[1]),
                (f"{house.url}/mcp/s/{two.server.id}", tokens[0]),
                (f"{house.url}/mcp", tokens[0]),
                (house.at(one), ""),
            ):
                reply = await say(place, "ping", token, session)
                assert (reply.status_code, reply.content) == (404, unknown.content), place


async def test_a_cursor_of_one_account_opens_nothing_with_another(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house:
            await house.connector("desk", upstream.api.url)
            one, two = await house.account("desk", "ada-secret"), await house.account("desk", "bob-secret")
            connections = house.grounds.connections
            first, second = await connections.connect(one), await connections.connect(two)
            sealed = first.sealer.seal("cursor", b"page 2")
            assert first.sealer.unseal("cursor", sealed) == b"page 2"
            assert second.sealer.unseal("cursor", sealed) is None


async def test_a_tenant_is_told_no_numbers_of_the_whole_house(tmp_path: Path) -> None:
    async with gateway(tmp_path) as house, http() as client:

        async def health(token: str) -> Any:
            head = {"authorization": f"Bearer {token}"}
            return (await client.get(f"{house.url}/api/v1/health", headers=head)).json()

        told = await health(await house.api_token())
        assert (told["store"], told["node"]) == ({"reachable": True, "change_seq": None}, {"ready": True})
        whole = await health(await house.api_token("auditor"))
        assert whole["store"]["change_seq"] > 0
        assert {"servers", "resident"} <= {*whole["node"]}


@pytest.mark.parametrize("place", ["first", "added"])
async def test_of_two_first_secrets_of_a_tenant_both_are_sealed(place: str) -> None:
    store = MemoryStore()
    sealing = VaultSealing(derived_custody(parse_keys(base64.b64encode(bytes(range(32))).decode())[0]))
    async with store.writing() as work:
        scope = work.tenant("default")

        class Slow:
            """Keys of which the first look finds none: somebody else adds one in between."""

            def __init__(self) -> None:
                self.looks = 0

            async def every(self, where: Any) -> Any:
                self.looks += 1
                if self.looks == 1 and place == "added":
                    await sealing.seal(scope, "default", "acc_other", b"theirs")
                    return []
                return await scope.tenant_keys.every(where)

            async def add(self, record: Any) -> Any:
                return await scope.tenant_keys.add(record)

        class Racing:
            tenant_keys = Slow()

        sealed = await sealing.seal(Racing(), "default", "acc_mine", b"mine")  # type: ignore[arg-type]
        assert await sealing.open(scope, "default", "acc_mine", sealed) == b"mine"
        assert await scope.tenant_keys.count() == 1


def test_a_toolset_holds_a_tool_that_still_answers_to_the_name_it_knows() -> None:
    artefact: Artefact = unpack(document())
    merged = _Merged(artefact, {"erase_note": "delete_note"})
    off = Toolset(id="desk/off", connector="desk", name="off", select={"tools": ["erase_note"]})
    selection = Selection(methods=EVERYTHING.methods, toolsets_off=("off",))
    cut = cut_of(merged, selection, (), [off], prefix="")  # type: ignore[arg-type]
    edition = Shelf().edition("desk", merged, cut)  # type: ignore[arg-type]
    assert "delete_note" not in edition.names
    assert "erase_note" not in edition.aliases


class _Merged:
    """An artefact in which one operation became another and left its name behind."""

    def __init__(self, artefact: Artefact, aliases: dict[str, str]) -> None:
        self._artefact = artefact
        self.aliases = aliases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._artefact, name)


async def test_a_server_that_asks_for_more_leaves_the_callers_view_at_once(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            token, url = await house.api_token(), f"{house.url}/mcp"
            for patch in (
                {"config": {"require_api_token_auth": True}},
                {"config": {"allowed_addresses": ["127.0.0.0/8"]}},
                {"enabled": False},
                {"config": {"tools": {"deny": ["*"]}}},
            ):
                opened = await house.server(accounts=[account.id])
                await house.settle()
                assert await names(client, url, token) == [f"desk_{name}" for name in READS]
                assert (await call(client, url, "desk_list_notes", token=token))["whose"] == "ada"
                await house.done(patch_server(house.ground, HOST, opened.server.id, patch))
                assert await names(client, url, token) == [], patch
                assert await refused(client, url, "desk_list_notes", token)
            opened = await house.server(accounts=[account.id], expires_at=house.clock() + 60)
            assert len(await names(client, url, token)) == len(READS)
            house.clock.now += 60
            house.node.tick()
            assert await refused(client, url, "desk_list_notes", token)


async def test_a_connector_that_is_taken_from_a_tenant_is_gone_from_all_its_roads(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.tenant("other")
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            named = await house.server(accounts=[account.id])
            open_ = await house.server(connectors=["desk"])
            token = await house.api_token()
            roads = [(house.at(named), "", ""), (house.at(open_), "", ""), (f"{house.url}/mcp", token, "desk_")]
            roads += [(f"{house.url}/mcp/s/{opened.server.id}", token, "") for opened in (named, open_)]
            for url, shown, prefix in roads:
                tools = await names(client, url, shown)
                assert f"{prefix}list_notes" in tools or f"{prefix}2_list_notes" in tools
            await house.done(patch_connector(house.ground, HOST, "desk", {"tenants": ["other"]}, Removal(cascade=True)))
            for url, shown, prefix in roads:
                assert await names(client, url, shown) == []
                assert await refused(client, url, f"{prefix}list_notes", shown)


async def test_an_account_that_is_shared_no_longer_serves_nobody_else(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True, end_user="ada")
            url = house.at(await house.server(connectors=["desk"]))
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            await house.done(patch_account(house.ground, HOST, account.id, {"shared": False}))
            assert "none is shared" in await call(client, url, "list_notes")


async def test_nothing_is_moved_to_another_tenant_and_no_version_is_pinned_that_was_never_served(
    tmp_path: Path,
) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.tenant("other")
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            owner = {"authorization": f"Bearer {await house.api_token('owner')}"}

            async def patched(path: str, body: Any) -> httpx.Response:
                return await client.patch(f"{house.url}/api/v1{path}", json=body, headers=owner)

            for path in (f"/accounts/{account.id}", f"/servers/{opened.server.id}"):
                for moved in ({"tenant": "other"}, {"id": "x"}, {"created_by": "x"}, {"revision": 9}, {"sealed": "x"}):
                    reply = await patched(path, moved)
                    assert (reply.status_code, reply.json()["code"]) == (422, "field.unknown"), (path, moved)
            for pin in (2, 0, -1, True, "1", 1.5, {"desk": 2}, {"shelf": 1}, {"desk": True}):
                reply = await patched(f"/servers/{opened.server.id}", {"config": {"pin_version": pin}})
                assert reply.status_code in (404, 409, 422), (pin, reply.text)
            assert await names(client, house.at(opened)) == READS
