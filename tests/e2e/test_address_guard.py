"""Every road out of a gateway against every form of an address that is not public: nothing is ever connected to.

What an operator allows is one API on one port of this machine. Beside it stands a trap, which no road may touch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.workers.bounds import Bounds
from apiloom.app.workers.pool import Workers
from apiloom.base import json
from apiloom.base.errors import ApiloomError
from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import try_account
from apiloom.flows.ground import ImportJob
from apiloom.net import dial
from apiloom.net.guard import public_guard
from apiloom.net.request import Request
from support import paged_api
from support.catalogs import OK, catalog_of
from support.forms import LITERALS, NAMES, NO_HOSTS, Rebinding, resolve
from support.gateway import SCHEMES, Gateway, ask, call, gateway, http
from support.upstream import Answer, Seen, Upstream, upstream

FORMS = {**LITERALS, **{name: name for name in NAMES}}
NOT_PLAIN = frozenset(
    ("loopback with a dot behind it", "one decimal number", "one hexadecimal number", "one octal number", "two parts")
) | {
    "hexadecimal parts",
    "octal parts",
    "three parts",
    "mixed parts",
    "zero",
    "private in two parts",
    "metadata as a number",
}
"""Forms that are refused as servers, before anybody is asked where they lead."""

REFUSED = "is not at a public address"
WAIT = 60.0


@pytest.fixture
def trap() -> Iterator[int]:
    """A port of this machine, of both families where there are two, that nobody may connect to."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(first.getsockname()[1])
        listening = [first]
        with contextlib.suppress(OSError):  # a machine without IPv6
            second = stack.enter_context(socket.socket(socket.AF_INET6))
            second.bind(("::1", port))
            second.listen()
            listening.append(second)
        yield port
        for each in listening:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.accept()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where this process began connections to."""
    listed: list[tuple[str, int]] = []
    connected = dial._connected

    async def noted(loop: Any, build: Any, to: tuple[str, int], tls: Any) -> Any:
        listed.append(to)
        return await connected(loop, build, to, tls)

    monkeypatch.setattr(dial, "_connected", noted)
    return listed


@contextlib.asynccontextmanager
async def house(folder: Path, allowed: str) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    guard = replace(public_guard([allowed]), resolve=resolve)
    async with gateway(folder, guard=guard) as running, http() as client:
        yield running, client


def document(servers: list[Any]) -> bytes:
    """One tool."""
    paths = {"/things": {"get": {"operationId": "look", "summary": "Look", "responses": OK}}}
    return pack(catalog_of(paths, {}, SCHEMES, security=[{"token": []}], servers=servers))


Refusals = dict[str, str]
"""What came of each form, in words."""

Road = Callable[[Gateway, httpx.AsyncClient, int], Awaitable[Refusals]]
"""Goes one road to a port of every host there is."""


async def made(at: Gateway, slug: str, **account: Any) -> tuple[str, str]:
    """An account's id and the URL of its server."""
    opened = await at.account(slug, "ada-secret", **account)
    return opened.id, at.at(await at.server(accounts=[opened.id]))


async def by_base_url(at: Gateway, client: httpx.AsyncClient, port: int) -> Refusals:
    """The test of an account, and beside it, for some, a call."""
    said: Refusals = {}
    artefact = document([{"url": "https://api.example.com"}])
    for number, (form, host) in enumerate(FORMS.items()):
        slug = f"c{number}"
        await at.connector(slug, f"http://{host}:{port}", artefact)
        try:
            account = await at.account(slug, "ada-secret")
        except ApiloomError as error:
            said[form] = error.message
            continue
        told = await try_account(at.ground, HOST, account.id)
        assert not told["ok"]
        said[form] = str(told["message"])
        if number % 7 == 0:
            url = at.at(await at.server(accounts=[account.id]))
            assert REFUSED in str(await call(client, url, "look"))
    return said


async def by_variable(at: Gateway, client: httpx.AsyncClient, port: int) -> Refusals:
    said: Refusals = {}
    server = {"url": f"https://{{host}}:{port}", "variables": {"host": {"default": "a.example"}}}
    await at.connector("desk", "", document([server]))
    for form, host in FORMS.items():
        try:
            _, url = await made(at, "desk", variables={"host": host})
        except ApiloomError as error:
            said[form] = error.message
            continue
        said[form] = str(await call(client, url, "look"))
    return said


async def by_own_server(at: Gateway, client: httpx.AsyncClient, port: int) -> Refusals:
    paths = {
        f"/{number}": {
            "get": {"operationId": f"look{number}", "summary": "Look", "responses": OK},
            "servers": [{"url": f"http://{host}:{port}"}],
        }
        for number, host in enumerate(FORMS.values())
    }
    await at.connector("desk", "", pack(catalog_of(paths, {}, SCHEMES, security=[{"token": []}])))
    _, url = await made(at, "desk")
    return {form: str(await call(client, url, f"look{number}")) for number, form in enumerate(FORMS)}


async def by_sender(at: Gateway, _: httpx.AsyncClient, port: int) -> Refusals:
    """As tokens, discovery documents and keys are fetched."""
    said: Refusals = {}
    for form, host in FORMS.items():
        request = Request(method="POST", origin=f"https://{host}:{port}", target="/token", body=b"grant")
        with pytest.raises(ApiloomError) as caught:
            await at.grounds.sender.send(request)
        assert caught.value.code == "net.address"
        said[form] = caught.value.message
    return said


ROADS: dict[str, Road] = {
    "base URL and account test": by_base_url,
    "server variable": by_variable,
    "an operation's own server": by_own_server,
    "token endpoint": by_sender,
}


@pytest.mark.parametrize("road", ROADS)
async def test_no_road_leads_to_an_address_that_is_not_public(
    road: str, tmp_path: Path, trap: int, begun: list[tuple[str, int]]
) -> None:
    async with house(tmp_path, "127.0.0.1:1") as (at, client):
        said = await ROADS[road](at, client, trap)
    assert list(said) == list(FORMS)
    for form, words in said.items():
        early = form in NOT_PLAIN and "numeric host that is no IPv4 address" in words
        assert early or REFUSED in words, form
        assert "ada-secret" not in words
    assert begun == []


@pytest.mark.parametrize("form", NO_HOSTS)
async def test_what_is_no_host_leads_nowhere_as_a_variable(
    form: str, tmp_path: Path, trap: int, begun: list[tuple[str, int]]
) -> None:
    async with house(tmp_path, "127.0.0.1:1") as (at, client):
        said = ""
        server = {"url": f"https://{{host}}:{trap}", "variables": {"host": {"default": "a.example"}}}
        await at.connector("desk", "", document([server]))
        with contextlib.suppress(ApiloomError):  # some are refused when the account is made
            _, url = await made(at, "desk", variables={"host": NO_HOSTS[form]})
            said = str(await call(client, url, "look"))
        assert "secret" not in said
    assert begun == []


async def test_a_name_that_turns_to_this_machine_after_it_was_looked_at_is_not_followed_there(
    tmp_path: Path, trap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, int]] = []

    async def refuse(_loop: object, _build: object, to: tuple[str, int], _tls: object) -> object:
        tried.append(to)
        raise ConnectionRefusedError

    monkeypatch.setattr(dial, "_connected", refuse)
    rebinding = Rebinding()
    guard = replace(public_guard(), resolve=rebinding)
    async with gateway(tmp_path, guard=guard) as at, http() as client:
        await at.connector("desk", f"http://rebinding.example:{trap}", document([{"url": "https://a.example"}]))
        _, url = await made(at, "desk")
        assert "refused the connection" in await call(client, url, "look")
        assert REFUSED in await call(client, url, "look")
    assert tried == [("93.184.215.14", trap)]
    assert rebinding.asked == 2


async def test_what_is_allowed_answers_and_its_redirects_are_only_told(
    tmp_path: Path, trap: int, begun: list[tuple[str, int]]
) -> None:
    def answer(_: Seen) -> Answer:
        return Answer(None, status=302, headers={"Location": f"http://127.0.0.1:{trap}/inside"})

    with upstream(answer) as api:
        port = int(api.url.rpartition(":")[2])
        async with house(tmp_path, f"127.0.0.1:{port}") as (at, client):
            await at.connector("desk", api.url, document([{"url": "https://a.example"}]))
            _, url = await made(at, "desk")
            reply = await ask(client, url, "tools/call", {"name": "look", "arguments": {}})
            assert f"http://127.0.0.1:{trap}/inside" in reply.text
    assert len(api.seen) == 1
    assert set(begun) == {("127.0.0.1", port)}


async def test_a_next_page_is_never_at_another_address(tmp_path: Path, trap: int, begun: list[tuple[str, int]]) -> None:
    hosts = iter(FORMS.values())

    def answer(_: Seen) -> Answer:
        return Answer(
            {"count": 99, "next": f"http://{next(hosts)}:{trap}/api/url?from_row=5", "results": [{"id": "1"}]}
        )

    with upstream(answer) as api:
        port = int(api.url.rpartition(":")[2])
        operation = {**paged_api.WAYS["url"].operation(), "operationId": "listUrl"}
        schemas = {"Item": paged_api.ITEM}
        artefact = pack(catalog_of({"/api/url": {"get": operation}}, schemas, SCHEMES, security=[{"token": []}]))
        async with house(tmp_path, f"127.0.0.1:{port}") as (at, client):
            await at.connector("paged", api.url, artefact)
            _, url = await made(at, "paged")
            for _ in FORMS:
                await call(client, url, "list_url", {"max_items": 50})
    assert len(api.seen) == len(FORMS)
    assert set(begun) == {("127.0.0.1", port)}


# what workers fetch, each in a process of its own


@contextlib.asynccontextmanager
async def workers(allowed: str) -> AsyncIterator[Workers]:
    pool = Workers(2, Bounds(), {**os.environ, "APILOOM_ALLOW_ADDRESSES": allowed})
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), WAIT)


@contextlib.contextmanager
def pages(trap: int) -> Iterator[Upstream]:
    """Documents that lead elsewhere: ``/to/HOST`` by redirect, ``/ref/HOST`` by a reference."""

    def answer(seen: Seen) -> Answer:
        _, way, host = seen.target.split("/", 2)
        elsewhere = f"http://{host}:{trap}/inside.json"
        if way == "to":
            return Answer(None, status=302, headers={"Location": elsewhere})
        return Answer(referring(elsewhere))

    with upstream(answer) as api:
        yield api


def referring(elsewhere: str) -> dict[str, Any]:
    """A document with one operation that is whole and one that is described at another place."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": "https://a.example"}],
        "paths": {
            "/here": {"get": {"operationId": "here", "responses": OK}},
            "/there": {"$ref": f"{elsewhere}#/paths/there"},
        },
    }


def silently(_: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("way", ["url", "redirect", "reference", "reference of a text"])
async def test_a_worker_fetches_nothing_from_an_address_that_is_not_public(way: str, trap: int) -> None:
    forms = {**LITERALS, "a name": "localhost"}
    with pages(trap) as api:
        port = api.url.rpartition(":")[2]
        async with workers(f"127.0.0.1:{port}") as pool:

            async def fetched(host: str) -> str:
                job = {
                    "url": ImportJob(slug="x", url=f"http://{host}:{trap}/inside.json"),
                    "redirect": ImportJob(slug="x", url=f"{api.url}/to/{host}"),
                    "reference": ImportJob(slug="x", url=f"{api.url}/ref/{host}", options={"remote_refs": True}),
                    "reference of a text": ImportJob(
                        slug="x",
                        document=json.dumps(referring(f"http://{host}:{trap}/inside.json")),
                        options={"remote_refs": True},
                    ),
                }[way]
                try:
                    done = await asyncio.wait_for(pool.run(job, silently), WAIT)
                except ApiloomError as error:
                    return error.message
                assert done.tools == 1
                return str(done.findings)

            for form, host in forms.items():
                assert REFUSED in await fetched(host), form


async def test_a_worker_fetches_what_an_operator_allows() -> None:
    with upstream(lambda _: Answer(referring("#/nowhere"))) as api:
        async with workers(f"127.0.0.1:{api.url.rpartition(':')[2]}") as pool:
            done = await asyncio.wait_for(pool.run(ImportJob(slug="x", url=f"{api.url}/a.json"), silently), WAIT)
    assert done.tools == 1
