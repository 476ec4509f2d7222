"""What is taken away stays away, whichever way somebody asks for it: filters, names, ids and sessions from outside."""

from __future__ import annotations

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
from apiloom.flows.connectors import patch_connector
from apiloom.flows.overlays import create_overlay
from apiloom.flows.servers import patch_server, show_server, switch_toolset
from apiloom.flows.toolsets import create_toolset
from apiloom.store.records import Toolset
from apiloom.vault.custody import parse_key
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
                    "delete_note ",
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
                own = {"authorization": f"Bearer {token}", **({"mcp-session-id": session} if session else {})}
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
            sealed = first.sealer.seal(b"page 2")
            assert first.sealer.open(sealed) == b"page 2"
            assert second.sealer.open(sealed) is None


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
    sealing = VaultSealing(parse_key(base64.b64encode(bytes(range(32))).decode()))
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
