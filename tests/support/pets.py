"""An endpoint without an API behind it: a few tools that answer, fail, wait and report, for tests of the wire."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError, HouseFault, UpstreamError
from apiloom.calls.call import Blob, Call, Outcome, Text, Visit
from apiloom.calls.endpoint import Directory, Endpoint, Listing, Route
from apiloom.protocol.mirror import mirrors_of

PNG = b"\x89PNG\r\n\x1a\n"
REGIONS = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
    },
}


@dataclass
class Pets:
    """What the tools of :func:`pets` did and wait for."""

    calls: list[Call] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    directory: Directory = field(default_factory=Directory)
    connected: set[str] = field(default_factory=set)

    async def echo(self, call: Call) -> Outcome:
        said = json.dumps(call.arguments)
        return Outcome(content=(Text(said.decode()),), structured=said)

    async def get_pet(self, call: Call) -> Outcome:
        return Outcome(
            content=(Text('Rex\n\u2028 "quoted" é'),), structured=b'{"id":7,"name":"Rex"}', meta={"dev.apiloom/x": 1}
        )

    async def limited(self, call: Call) -> Outcome:
        limits = {"limit": 60, "remaining": 0, "reset": 12, "retry_after": 12}
        return Outcome(content=(Text("slow down"),), failed=True, meta={"dev.apiloom/ratelimit": limits})

    async def adopt(self, call: Call) -> Outcome:
        for need in call.arguments.get("needs", ["home"]):
            if need not in self.connected:
                url = f"https://pets.example/connect/{need}"
                text = f"there is no {need} yet (open {url} and connect it, then try again)"
                visit = Visit(key=need, url=url, message=f"Tell us of your {need}.")
                error = {"code": "account.needs_reconnect", "retryable": False}
                return Outcome(content=(Text(text),), failed=True, meta={"dev.apiloom/error": error}, visit=visit)
        return Outcome(content=(Text("adopted"),), structured=b'{"adopted":true}')

    async def media(self, call: Call) -> Outcome:
        blobs = (Blob(PNG, "image/png"), Blob(b"RIFF", "audio/wav"), Blob(b"%PDF", "application/pdf", "a b.pdf"))
        return Outcome(content=(Text("three"), *blobs, Blob(b"%PDF", "application/pdf")))

    async def nothing(self, call: Call) -> Outcome:
        return Outcome(content=())

    async def refuse(self, call: Call) -> Outcome:
        raise CallerError("that argument is wrong", code="call.arguments", hint="use another")

    async def down(self, call: Call) -> Outcome:
        raise UpstreamError("the API cannot be reached", code="net.refused")

    async def fault(self, call: Call) -> Outcome:
        raise HouseFault("a promise was broken", code="house.broken")

    async def crash(self, call: Call) -> Outcome:
        raise KeyError("token-that-must-not-show")

    async def unencodable(self, call: Call) -> Outcome:
        return Outcome(content=(Text("x"),), meta={"dev.apiloom/x": object()})

    async def wait(self, call: Call) -> Outcome:
        self.started.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Outcome(content=(Text("waited"),))

    async def steps(self, call: Call) -> Outcome:
        for done, total, message in ((1.0, 3.0, "one"), (1.0, 3.0, "again"), (0.5, 3.0, "back"), (2.0, None, "")):
            call.progress(done, total, message)
        call.progress(float("nan"), None, "")
        call.progress(float("inf"), None, "")
        await asyncio.sleep(0)
        return Outcome(content=(Text("done"),))

    async def steps_then_wait(self, call: Call) -> Outcome:
        call.progress(1, None, "begun")
        return await self.wait(call)

    async def steps_then_crash(self, call: Call) -> Outcome:
        call.progress(1, None, "begun")
        raise KeyError("token-that-must-not-show")


def tool(name: str) -> dict[str, Any]:
    schema = REGIONS if name == "regions" else {"type": "object"}
    return {"name": name, "title": name.title(), "description": f"Does {name}.", "inputSchema": schema}


def pets(pages: int = 2, etag: str = "one", world: Pets | None = None) -> Pets:
    """The tools above behind one endpoint of a directory, listed in pages."""
    world = world or Pets()
    names = [n for n in vars(Pets) if not n.startswith("_") and inspect.iscoroutinefunction(getattr(Pets, n))]
    routes = {name: Route(run=_noting(world, getattr(world, name)), preview=world.nothing) for name in names}
    routes["regions"] = Route(run=_noting(world, world.echo), preview=world.nothing, mirrored=mirrors_of(REGIONS))
    ordered = sorted(routes)
    size = max(1, -(-len(ordered) // pages)) if pages else 0
    chunks = [ordered[at : at + size] for at in range(0, len(ordered), size)] if pages else []
    rendered = tuple(json.dumps([tool(name) for name in chunk])[1:-1] for chunk in chunks)
    world.directory.put(
        Endpoint(
            name="pets",
            title="Pet shop",
            version="1.2",
            instructions="Ask for pets.",
            listing=Listing(pages=rendered, etag=etag, count=len(ordered)),
            routes=routes,
        )
    )
    return world


def _noting(world: Pets, run: Callable[[Call], Awaitable[Outcome]]) -> Callable[[Call], Awaitable[Outcome]]:
    async def noted(call: Call) -> Outcome:
        world.calls.append(call)
        return await run(call)

    return noted
