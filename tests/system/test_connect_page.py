"""The connect page in a real browser: alone and in a vendor's page, with the provider's own pages between."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from apiloom.flows.access import HOST
from apiloom.flows.connecting import redeem
from support.browser import Screen, Site, chromium, screen, site, until
from support.connecting import EITHER, KEYS, REGION, ConnectHouse, connect_house, notes
from support.oidc import authorization_server

pytestmark = pytest.mark.system

PICTURES = os.environ.get("APILOOM_PICTURES", "")
"""A folder to which what is seen is written, for the documentation."""

LOOK = {"name": "Northwind", "colours": {"accent": "#0f766e"}}

EMBEDDING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vendor</title>
<link rel="icon" href="data:,">
<style>body{font:16px system-ui;margin:24px;color:#1c2128}iframe{border:0;width:460px;height:330px}</style></head>
<body><h1>Integrations</h1><iframe src="%s" title="Connect"></iframe>
<script>window.told=[];addEventListener("message",(e)=>{told.push({origin:e.origin,data:e.data})})</script>
</body></html>"""


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"connect-{name}.png"))


@dataclass
class Scene:
    """A gateway, a browser, a site of the vendor's, and somebody before the screen."""

    house: ConnectHouse
    browser: Browser
    vendor: Site
    ann: Screen

    def wrong(self) -> list[str]:
        """What went wrong on the gateway's pages and the vendor's, with what they hold."""
        return self.ann.wrong(self.house.gateway.url, self.vendor.origin())


@asynccontextmanager
async def scene(folder: Path, artefact: bytes, base_url: str = "https://notes.example.com") -> AsyncIterator[Scene]:
    async with connect_house(folder, artefact, base_url, running=True) as house, chromium() as browser:
        with site() as vendor:
            async with house.gateway.ground.store.writing() as work:
                rows = work.house().tenants
                tenant = await rows.load("acme")
                assert tenant is not None
                await rows.save(replace(tenant, metadata={"connect_origins": [vendor.origin()]}), tenant.revision)
            async with screen(browser) as ann:
                yield Scene(house, browser, vendor, ann)


async def sign_in(page: Page, login: str) -> None:
    """What the provider's own pages ask for."""
    await page.get_by_placeholder("Enter any login").fill(login)
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def test_a_key_is_typed_with_the_keyboard_alone(tmp_path: Path) -> None:
    async with scene(tmp_path, notes(KEYS, REGION), "") as at:
        started = await at.house.start(connector="notes", end_user="ann@northwind.example", look=LOOK)
        page = await at.ann.open(started.url)
        assert await page.title() == "Connect notes"
        assert await page.evaluate("document.activeElement.name") == "v:region", "where typing begins"
        await picture(page, "key")
        await page.keyboard.type("eu")
        await page.keyboard.press("Tab")
        await page.keyboard.type("s3cret")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Connected").wait_for()
        await picture(page, "done")
        assert at.wrong() == []
        assert {url.split("/")[2] for url in at.ann.asked} == {at.house.gateway.url.split("/")[2]}
        (account,) = await at.house.kept("accounts")
        assert account.schemes == ("Key",)


async def test_what_is_wrong_is_announced_and_marked(tmp_path: Path) -> None:
    async with scene(tmp_path, notes(KEYS, REGION), "") as at:
        started = await at.house.start(connector="notes", look={"language": "de"})
        async with screen(
            at.browser, viewport={"width": 360, "height": 740}, color_scheme="dark", java_script_enabled=False
        ) as narrow:
            page = await narrow.open(started.url)
            assert await page.locator("html").get_attribute("lang") == "de"
            await page.get_by_label("Region").fill("eu/../x")
            await page.get_by_label("API-Schlüssel (X-Key)").fill("k")
            await page.get_by_role("button", name="Verbinden").click()
            alert = page.get_by_role("alert")
            await alert.wait_for()
            assert "Die Adresse wird nicht angenommen." in await alert.inner_text()
            await picture(page, "narrow")


async def test_consent_alone_leads_to_the_provider_and_back_to_the_vendor(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with scene(tmp_path, notes(EITHER)) as at:
            await at.house.client(server)
            at.vendor.pages["/done"] = (
                '<!doctype html><title>Back</title><link rel="icon" href="data:,"><h1>Welcome back</h1>'
            )
            started = await at.house.start(
                connector="notes",
                end_user="ann@northwind.example",
                look=LOOK,
                return_url=f"{at.vendor.origin()}/done?team=7",
            )
            page = await at.ann.open(started.url)
            await page.get_by_text("See your address").wait_for()
            await picture(page, "consent")
            await page.get_by_role("button", name="Continue to 127.0.0.1").click()
            await sign_in(page, "alice")
            await page.get_by_role("heading", name="Connected").wait_for()
            await picture(page, "connected")
            await page.wait_for_url(f"{at.vendor.origin()}/done**")
            query = dict(pair.split("=", 1) for pair in page.url.split("?")[1].split("&"))
            assert query["team"] == "7"
            done = await redeem(at.house.gateway.ground, HOST, {"code": query["connect_code"]})
            assert done.result["identity"]["sub"] == "alice"
            assert at.wrong() == []


async def test_embedded_it_opens_a_window_and_hands_the_vendor_a_code(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with scene(tmp_path, notes(EITHER)) as at:
            await at.house.client(server)
            started = await at.house.start(connector="notes", look=LOOK, allowed_origins=[at.vendor.origin()])
            at.vendor.pages["/"] = EMBEDDING % started.embed_url
            page = await at.ann.open(f"{at.vendor.origin()}/")
            frame = page.frame_locator("iframe")
            await frame.get_by_role("heading", name="Connect notes").wait_for()
            await picture(page, "embedded")
            async with at.ann.context.expect_page() as opening:
                await frame.get_by_role("link", name="Connect").click()
            window = await opening.value
            assert await window.evaluate("window.opener") is None
            await window.get_by_role("button", name="Continue to 127.0.0.1").click()
            await sign_in(window, "alice")
            await window.get_by_role("heading", name="Connected").wait_for()
            await page.wait_for_function("told.length > 0")
            (message,) = await page.evaluate("told")
            assert message["origin"] == at.house.gateway.url
            assert message["data"]["type"] == "apiloom.connect"
            assert message["data"]["session"] == started.session.id
            assert sorted(message["data"]) == ["code", "session", "type"]
            done = await redeem(at.house.gateway.ground, HOST, {"code": message["data"]["code"]})
            assert (done.id, done.result["identity"]["sub"]) == (started.session.id, "alice")
            cookies = await at.ann.context.cookies()
            assert [each["name"] for each in cookies if each["domain"].endswith("localhost")] == []
            assert at.wrong() == []


async def test_a_frame_of_anybody_else_stays_empty(tmp_path: Path) -> None:
    async with scene(tmp_path, notes(KEYS)) as at:
        started = await at.house.start(connector="notes", allowed_origins=[at.vendor.origin()])
        for name, url in (("evil", started.embed_url), ("vendor", started.url), ("evil", started.url)):
            at.vendor.pages["/"] = EMBEDDING % url
            page = await at.ann.open(f"{at.vendor.origin(name)}/")
            await until(lambda: any("frame" in text.lower() for _, text in at.ann.complaints))
            assert "Connect notes" not in await _inside(page)
            at.ann.complaints.clear()
        (session,) = await at.house.kept("connect_sessions")
        assert session.browser == b"", "nothing was used up by it"


async def _inside(page: Page) -> str:
    frames = [frame for frame in page.frames if frame.parent_frame is not None]
    return "".join([await frame.content() for frame in frames])


async def test_a_forged_message_does_nothing_to_the_embedded_page(tmp_path: Path) -> None:
    async with scene(tmp_path, notes(KEYS)) as at:
        started = await at.house.start(connector="notes", allowed_origins=[at.vendor.origin()])
        at.vendor.pages["/"] = EMBEDDING % started.embed_url
        page = await at.ann.open(f"{at.vendor.origin()}/")
        frame = page.frame_locator("iframe")
        await frame.get_by_role("heading", name="Connect notes").wait_for()
        forged: dict[str, Any] = {"type": "apiloom.connect", "session": started.session.id, "code": "forged"}
        await page.evaluate("(m) => document.querySelector('iframe').contentWindow.postMessage(m, '*')", forged)
        async with at.ann.context.expect_page() as opening:
            await frame.get_by_role("link", name="Connect").click()
        window = await opening.value
        await window.get_by_label("API key (X-Key)").fill("k")
        await window.get_by_role("button", name="Connect").click()
        await page.wait_for_function("told.length > 0")
        (message,) = await page.evaluate("told")
        assert message["data"]["code"] != "forged"


async def test_a_link_that_was_opened_is_nothing_to_another_browser(tmp_path: Path) -> None:
    async with scene(tmp_path, notes(KEYS)) as at, screen(at.browser) as thief:
        started = await at.house.start(connector="notes")
        await at.ann.open(started.url)
        page = await thief.open(started.url)
        assert "already opened in another browser" in await page.inner_text("main")
        await picture(page, "refused")
        assert await page.locator("form").count() == 0
