"""A device without a browser that asks somebody to sign in for it elsewhere, and the page where they type its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

from support.fronts import Front
from support.signing_in import FORM, App, Person

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
ALL = {"devices": "all"}
GRANTS = [GRANT, "refresh_token"]


@dataclass
class Device:
    """A client that was told its codes."""

    on: Front
    app: App
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return str(self.told["user_code"])

    async def begin(self, **more: str | None) -> httpx.Response:
        form = {"client_id": self.app.id, "resource": f"{self.on.house.url}/mcp", **more}
        sent = {name: value for name, value in form.items() if value is not None}
        reply = await self.on.http.post(f"{self.on.house.url}/oauth/device_authorization", data=sent)
        self.told = reply.json() if reply.status_code == 200 else {}
        return reply

    async def ask(self, *, wait: float = 5.0, **more: str | None) -> httpx.Response:
        """Ask for tokens, some seconds after the time before."""
        self.on.seconds[0] += wait
        form = {"grant_type": GRANT, "client_id": self.app.id, "device_code": self.told["device_code"], **more}
        return await self.app.post({name: value for name, value in form.items() if value is not None})

    async def says(self, **more: Any) -> str:
        """The error that it is told."""
        return str((await self.ask(**more)).json().get("error", ""))


async def typed(on: Front, code: str, person: Person | None = None, *, complete: str = "") -> httpx.Response:
    """Open the page, type a code in (or confirm the one that the link brought), and stop at what comes next."""
    browser = (person or on.person).client
    page = await browser.get(complete or f"{on.house.url}/oauth/device")
    assert page.status_code == 200, page.text
    return await sent(page, code, browser)


async def sent(page: httpx.Response, code: str, browser: httpx.AsyncClient) -> httpx.Response:
    found = FORM.search(page.text)
    assert found is not None, page.text
    csrf = found[2].split('name="csrf" value="')[1].split('"')[0]
    action = f"{page.request.url.scheme}://{page.request.url.netloc.decode()}/oauth/device"
    return await browser.post(action, data={"csrf": csrf, "user_code": code})


async def decided(on: Front, code: str, decision: str = "allow", person: Person | None = None) -> str:
    """Type a code in, show who one is and decide; the page at the end."""
    somebody = person or on.person
    somebody.decision = decision
    reply = await typed(on, code, somebody)
    assert reply.status_code == 303, reply.text
    await somebody.open(reply.headers["location"])
    return somebody.seen[-1]


async def device(on: Front, **more: str | None) -> Device:
    """A registered client's device, which has begun."""
    app = App(on.house, on.http)
    await app.register(grant_types=GRANTS, redirect_uris=[])
    made = Device(on, app)
    reply = await made.begin(**more)
    assert reply.status_code == 200, reply.text
    return made
