"""A gateway in this process, over real HTTP and a real store, with a clock that tests move; and an API to call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2 as httpx

from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.node import Node
from apiloom.app.gateway.place import read_place
from apiloom.app.listen import bind, http_server
from apiloom.compile.artefact import pack, unpack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account
from apiloom.flows.api_tokens import create_api_token
from apiloom.flows.ground import Ground
from apiloom.flows.servers import Opened, create_server
from apiloom.net.guard import Guard
from apiloom.store.records import Account, Connector, Tenant, Version
from apiloom.wire.settings import WireSettings
from support.catalogs import OK, catalog_of
from support.servers import HERE
from support.upstream import Answer, Seen, Upstream, upstream

PATIENCE = 20.0

SCHEMES = {"token": {"type": "http", "scheme": "bearer"}}
PATHS: dict[str, Any] = {
    "/notes": {
        "get": {"operationId": "listNotes", "tags": ["notes"], "summary": "List notes", "responses": OK},
        "post": {
            "operationId": "addNote",
            "tags": ["notes"],
            "summary": "Add a note",
            "requestBody": {
                "content": {
                    "application/json": {"schema": {"type": "object", "properties": {"text": {"type": "string"}}}}
                }
            },
            "responses": OK,
        },
    },
    "/notes/{id}": {
        "get": {
            "operationId": "getNote",
            "tags": ["notes"],
            "summary": "Read a note",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": OK,
        },
        "delete": {
            "operationId": "deleteNote",
            "tags": ["admin"],
            "summary": "Delete a note",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": OK,
        },
    },
    "/slow": {"get": {"operationId": "waitLong", "tags": ["slow"], "summary": "Wait", "responses": OK}},
}
READS = ["get_note", "list_notes", "wait_long"]


@dataclass
class Desk:
    """The upstream: it tells whose token (``ada-…``) it was shown, and ``/slow`` answers once ``go`` is set."""

    api: Upstream
    go: threading.Event
    arrived: threading.Semaphore


@contextmanager
def desk() -> Iterator[Desk]:
    go, arrived = threading.Event(), threading.Semaphore(0)

    def answer(seen: Seen) -> Answer:
        if seen.target == "/slow":
            arrived.release()
            go.wait(PATIENCE)
        whose = seen.headers.get("authorization", "").removeprefix("Bearer ").partition("-")[0]
        return Answer({"path": seen.target, "method": seen.method, "whose": whose})

    with upstream(answer) as api:
        try:
            yield Desk(api, go, arrived)
        finally:
            go.set()


def document(paths: Mapping[str, Any] | None = None) -> bytes:
    """The artefact of the desk's API."""
    return pack(catalog_of(PATHS if paths is None else paths, {}, SCHEMES, security=[{"token": []}]))


@dataclass
class Clock:
    """Seconds since the epoch, which stand still until a test moves them."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Gateway:
    """A running node, its URL, and short ways to set things up as the host."""

    node: Node
    url: str
    clock: Clock
    grounds: Grounds = field(repr=False)

    @property
    def ground(self) -> Ground:
        return self.node.ground

    async def settle(self) -> None:
        """Take in what was committed, and cut what has ended, as the node's own rounds do."""
        self.node.tick()
        await self.node.poll()

    async def tenant(self, id_: str) -> None:
        async with self.ground.store.writing() as work:
            await work.house().tenants.add(Tenant(id=id_))
        await self.settle()

    async def connector(self, slug: str, base_url: str, artefact: bytes | None = None, **more: Any) -> None:
        """A connector with one version, which is served."""
        content = artefact or document()
        async with self.ground.store.writing() as work:
            house = work.house()
            options = {"base_url": base_url}
            await house.connectors.add(
                Connector(id=slug, title=slug, options=options, current=1, created_at=self.clock(), **more)
            )
            await add_version(house, slug, 1, content, options)
        await self.settle()

    async def version(self, slug: str, number: int, artefact: bytes) -> None:
        """A further version, proposed."""
        async with self.ground.store.writing() as work:
            house = work.house()
            connector = await house.connectors.load(slug)
            assert connector is not None
            await add_version(house, slug, number, artefact, connector.options)
        await self.settle()

    async def promote(self, slug: str, number: int) -> None:
        async with self.ground.store.writing() as work:
            house = work.house()
            connector = await house.connectors.load(slug)
            assert connector is not None
            await house.connectors.save(replace(connector, current=number), connector.revision)
        await self.settle()

    async def account(self, connector: str, token: str = "", **more: Any) -> Account:
        credentials = {"token": {"token": token}} if token else {}
        made = await create_account(self.ground, HOST, {"connector": connector, "credentials": credentials, **more})
        await self.settle()
        return made

    async def server(self, **wanted: Any) -> Opened:
        made = await create_server(self.ground, HOST, wanted)
        await self.settle()
        return made

    async def api_token(self, role: str = "agent", **more: Any) -> str:
        made = await create_api_token(self.ground, HOST, {"role": role, "name": "t", **more})
        await self.settle()
        return made.text

    async def done(self, change: Any) -> Any:
        """The result of a flow, once the node has taken it in."""
        result = await change
        await self.settle()
        return result

    def at(self, opened: Opened) -> str:
        """A server's secret URL on this node."""
        return f"{self.url}/mcp/{opened.issued.text}"


async def add_version(house: Any, slug: str, number: int, content: bytes, options: Mapping[str, Any]) -> None:
    await house.versions.add(
        Version(
            id=f"{slug}/{number}",
            connector=slug,
            number=number,
            state="current" if number == 1 else "past",
            hash=unpack(content).hash,
            options=options,
        )
    )
    await house.versions.put_content(f"{slug}/{number}", document=b"{}", artefact=content)


@asynccontextmanager
async def gateway(
    folder: Path,
    *,
    data: str = "",
    running: bool = False,
    residents: int = 100,
    proxies: tuple[str, ...] = (),
    seconds: Callable[[], float] = time.monotonic,
    guard: Guard | None = None,
    surroundings: Mapping[str, str] | None = None,
    public_url: str = "",
) -> AsyncIterator[Gateway]:
    """A node over a store in ``folder``, or at ``data``. Unless ``running``, only tests make it look for changes.

    It reaches this machine, unless a ``guard`` says what it reaches. ``public_url`` is where clients find it, if that
    is elsewhere.
    """
    clock = Clock()
    around = {"APILOOM_KEY_FILE": str(folder / "keys" / "key"), "APILOOM_ALLOW_ADDRESSES": HERE}
    around.update(surroundings or {})
    place = read_place(data or str(folder / "house"), around)
    sock = bind("127.0.0.1", 0)
    host, port = sock.getsockname()
    url = f"http://{host}:{port}"
    grounds = await open_grounds(place, public_url=public_url or url, now=clock, environment=around, guard=guard)
    try:
        served = Node(grounds, WireSettings(), clock=seconds, residents=residents, proxies=proxies)
        await served.start()
        began = asyncio.Event()
        server = http_server(served.front(), began.set, served.close, heeds_signals=False)
        tasks = [asyncio.create_task(server.serve(sockets=[sock]))]
        if running:
            tasks.append(asyncio.create_task(served.run()))
        async with asyncio.timeout(PATIENCE):
            await began.wait()
        try:
            yield Gateway(served, url, clock, grounds)
        finally:
            server.should_exit = True
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await served.flush()
    finally:
        sock.close()
        await grounds.close()


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def words(method: str, params: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """A modern request and its headers."""
    params = {**(params or {}), "_meta": META}
    head = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
    }
    if isinstance(params.get("name"), str):
        head["mcp-name"] = params["name"]
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, head


async def ask(
    client: httpx.AsyncClient, url: str, method: str, params: dict[str, Any] | None = None, token: str = ""
) -> httpx.Response:
    """One modern request."""
    message, head = words(method, params)
    if token:
        head["authorization"] = f"Bearer {token}"
    return await client.post(url, json=message, headers=head)


async def names(client: httpx.AsyncClient, url: str, token: str = "") -> list[str]:
    """The tools that are listed."""
    reply = await ask(client, url, "tools/list", token=token)
    assert reply.status_code == 200, reply.text
    return [tool["name"] for tool in reply.json()["result"]["tools"]]


async def call(
    client: httpx.AsyncClient, url: str, tool: str, arguments: dict[str, Any] | None = None, token: str = ""
) -> Any:
    """What a tool answered: its structured content, or the text of its failure."""
    reply = await ask(client, url, "tools/call", {"name": tool, "arguments": arguments or {}}, token)
    assert reply.status_code == 200, reply.text
    result = reply.json()["result"]
    return result["content"][0]["text"] if result["isError"] else result["structuredContent"]


@asynccontextmanager
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def arrival(upstream_desk: Desk) -> None:
    """Wait until a slow call has reached the API."""
    async with asyncio.timeout(PATIENCE):
        while not upstream_desk.arrived.acquire(blocking=False):
            await asyncio.sleep(0.01)
