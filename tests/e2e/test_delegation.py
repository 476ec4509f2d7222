"""Callers lend their own credential for a call: it goes to that API alone, word for word, and nobody else's does."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.servers import patch_server
from apiloom.identity.delegation import Delegation
from apiloom.identity.principal import Principal
from support.catalogs import OK
from support.gateway import words
from support.lending import ADA, BOB, ECHO, HEADER, LENT, echoed, lending
from support.upstream import upstream


async def test_each_call_is_signed_with_exactly_what_its_caller_lent(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        for value in (ADA, "Basic YWRhOm9wZW4tc2VzYW1l", "token  odd  spacing-kept", ADA):
            assert (await desk.call(url, (LENT, value))).json()["result"]["isError"] is False
            assert desk.sent()[-1] == value
        assert all(LENT not in seen.headers for seen in desk.api.seen)


async def test_without_anything_lent_no_account_of_anybodys_is_used(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        await desk.house.account("desk", "tenant-shared-secret", shared=True)
        named = await desk.house.account("desk", "named-secret-value")
        for wanted in ({"connectors": ["desk"]}, {"accounts": [named.id]}):
            url = desk.house.at(await desk.house.server(**wanted, config=HEADER))
            said = await desk.said(url)
            assert "your own access" in said
            assert "X-Upstream-Authorization-desk" in said
            assert "own access" in await desk.said(url, (LENT, ""))
        assert desk.api.seen == []


async def test_a_server_may_let_calls_fall_back_to_the_account(tmp_path: Path) -> None:
    config = {"delegation": {"desk": {"mode": "header", "fallback": True}}}
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        url = desk.house.at(await desk.house.server(accounts=[account.id], config=config))
        await desk.call(url)
        await desk.call(url, (LENT, ADA))
        await desk.call(url)
        assert desk.sent() == ["Bearer account-secret-value", ADA, "Bearer account-secret-value"]


async def test_where_nothing_is_configured_the_header_is_ignored_and_goes_nowhere(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        plain = desk.house.at(await desk.house.server(accounts=[account.id]))
        await desk.call(plain, (LENT, ADA))
        other = {"delegation": {"desk": {"mode": "header", "fallback": True}}}
        lent = desk.house.at(await desk.house.server(accounts=[account.id], config=other))
        await desk.call(lent, ("x-upstream-authorization-shop", BOB))
        assert desk.sent() == ["Bearer account-secret-value"] * 2
        assert not [name for seen in desk.api.seen for name in seen.headers if "upstream" in name]
        assert ADA.split()[1] not in str(desk.api.seen)


@pytest.mark.parametrize("second", [ADA, BOB])
async def test_a_header_that_stands_twice_is_refused(second: str, tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        reply = await desk.call(url, (LENT, ADA), (LENT.title(), second))
        assert reply.status_code == 400
        assert "more than once" in reply.text
        assert ADA.split()[1] not in reply.text
        stranger = await desk.call(f"{desk.house.url}/mcp/als_nobody", (LENT, ADA), (LENT, second))
        assert stranger.status_code == 404
        assert desk.api.seen == []


@pytest.mark.parametrize("value", ["Bearer " + "x" * 17_000, "Bearer caf\xe9-\xe9\xe9"])
async def test_what_no_authorization_header_may_hold_is_refused(value: str, tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        message, head = words("tools/call", {"name": "read_echo", "arguments": {}})
        heads = [*((n.encode(), v.encode()) for n, v in head.items()), (LENT.encode(), value.encode("latin-1"))]
        reply = await desk.client.post(url, json=message, headers=heads)
        assert reply.status_code == 400
        assert desk.api.seen == []


async def test_callers_at_one_url_and_on_one_connection_are_never_mixed(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        # the heads have the same length and differ in a few bytes, and each comes again when it is known
        lent = [f"Bearer caller-{number:04d}-{'k' * 20}" for number in range(40)] * 5

        async def one(value: str) -> None:
            reply = await desk.call(url, (LENT, value))
            assert reply.json()["result"]["isError"] is False

        for start in range(0, len(lent), 20):
            await asyncio.gather(*map(one, lent[start : start + 20]))
        assert sorted(str(value) for value in desk.sent()) == sorted(lent)
        assert "own access" in await desk.said(url)
        assert len(desk.api.seen) == len(lent)


async def test_what_an_api_tells_of_a_lent_credential_is_removed(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        for value in (ADA, "Basic YWRhOm9wZW4tc2VzYW1l"):
            text = (await desk.call(url, (LENT, value))).text
            assert "***" in text
            assert value.split()[1] not in text
            assert "open-sesame" not in text


async def test_a_union_lends_to_the_connectors_that_are_configured_for_it(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        opened = await desk.house.server(connectors=["desk"], config=HEADER)
        token = await desk.house.api_token(tenant="default", servers=[opened.server.id])
        for value in (ADA, BOB, ADA):
            reply = await desk.call(f"{desk.house.url}/mcp", (LENT, value), tool="desk_read_echo", token=token)
            if "error" in reply.json():
                reply = await desk.call(f"{desk.house.url}/mcp", (LENT, value), token=token)
            assert reply.json()["result"]["isError"] is False, reply.text
        assert desk.sent() == [ADA, BOB, ADA]


async def test_what_is_kept_for_one_caller_of_a_url_is_no_other_callers(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))

        async def kept(value: str) -> list[Any]:
            message, head = words("resources/list")
            reply = await desk.client.post(url, json=message, headers=[*head.items(), (LENT, value)])
            return list(reply.json()["result"]["resources"])

        reply = await desk.call(url, (LENT, ADA), tool="read_file")
        [link] = reply.json()["result"]["content"]
        assert [one["uri"] for one in await kept(ADA)] == [link["uri"]]
        assert await kept(BOB) == []
        message, head = words("resources/read", {"uri": link["uri"]})
        head["mcp-name"] = link["uri"]
        for value, there in ((BOB, False), (ADA, True)):
            reply = await desk.client.post(url, json=message, headers=[*head.items(), (LENT, value)])
            assert ("result" in reply.json()) is there


async def test_what_is_lent_goes_to_no_server_that_only_an_operation_names(tmp_path: Path) -> None:
    with upstream(echoed) as other:
        away = {"/away": {"servers": [{"url": other.url}], "get": {"operationId": "readAway", "responses": OK}}}
        async with lending(tmp_path, {**ECHO, **away}) as desk:
            url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
            await desk.call(url, (LENT, ADA))
            await desk.call(url, (LENT, ADA), tool="read_away")
            assert desk.sent() == [ADA]
            assert [seen.headers.get("authorization") for seen in other.seen] == [None]
            assert ADA.split()[1] not in str([(seen.target, seen.headers, seen.body) for seen in other.seen])


async def test_switching_it_off_counts_at_once(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        opened = await desk.house.server(accounts=[account.id], config=HEADER)
        url = desk.house.at(opened)
        await desk.call(url, (LENT, ADA))
        await desk.house.done(
            patch_server(desk.house.ground, HOST, opened.server.id, {"config": {"delegation": {"desk": None}}})
        )
        await desk.call(url, (LENT, ADA))
        assert desk.sent() == [ADA, "Bearer account-secret-value"]


async def test_no_audit_line_tells_what_was_lent(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        await desk.call(url, (LENT, ADA))
        await desk.house.node.flush()
        page = await list_audit(desk.house.ground, HOST, Query())
        assert page.items
        assert ADA.split()[1] not in str(page)


def test_what_is_lent_cannot_be_printed_pickled_or_put_into_json() -> None:
    lent = Delegation(headers={"desk": Secret(ADA)}, subject=Secret(BOB))
    who = Principal(id="tok_1", delegation=lent)
    try:
        _fail(who)
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for text in (repr(lent), str(who), f"{who!r:>400}", shown, str(vars(type(lent)))):
        assert "own-token" not in text
    for value in (lent, who):
        with pytest.raises(TypeError):
            pickle.dumps(value)
        with pytest.raises(TypeError):
            json.dumps(value)


def _fail(who: Principal) -> None:
    lent = who.delegation
    raise RuntimeError(f"{who} {lent}")


@pytest.mark.parametrize(
    ("delegation", "pointer"),
    [
        ([], "/config/delegation"),
        ({"desk": "header"}, "/config/delegation/desk"),
        ({"desk": {"mode": "cookie"}}, "/config/delegation/desk/mode"),
        ({"desk": {"mode": "header", "client": "ocl_1"}}, "/config/delegation/desk/client"),
        ({"desk": {"mode": "header", "fallback": "yes"}}, "/config/delegation/desk/fallback"),
        ({"desk": {"mode": "exchange", "scopes": "a b"}}, "/config/delegation/desk/scopes"),
        ({"desk": {"mode": "exchange", "audience": "a\nb"}}, "/config/delegation/desk/audience"),
        ({"desk": {"mode": "header", "fallbak": True}}, "/config/delegation/desk/fallbak"),
        ({"elsewhere": {"mode": "header"}}, "/config/delegation/elsewhere"),
        ({"desk": {"mode": "exchange", "client": "ocl_none"}}, "/config/delegation/desk/client"),
    ],
)
async def test_a_delegation_that_cannot_be_is_refused_where_it_stands(
    delegation: Any, pointer: str, tmp_path: Path
) -> None:
    async with lending(tmp_path) as desk:
        with pytest.raises(CallerError) as caught:
            await desk.house.server(connectors=["desk"], config={"delegation": delegation})
        assert caught.value.facts["pointer"] == pointer
