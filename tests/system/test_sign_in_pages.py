"""The gateway's own sign-in in a real browser, with a real issuer's pages between: consent, and a device's code."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from playwright.async_api import Browser, Page

from support.browser import Screen, Site, chromium, screen, site, until
from support.devices import GRANT, GRANTS
from support.gateway import READS, Gateway, desk, gateway, http, names
from support.issuer import received
from support.oidc import authorization_server
from support.signing_in import App

pytestmark = pytest.mark.system

PICTURES = os.environ.get("APILOOM_PICTURES", "")
"""A folder to which what is seen is written, for the documentation."""

RULES = [{"when": {"email": ["alice@example.com"]}, "tenant": "default", "end_user": "{sub}"}]
BACK = '<!doctype html><html lang="en"><title>Back</title><link rel="icon" href="data:,"><h1>Welcome back</h1></html>'


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"sign-in-{name}.png"))


@dataclass
class Scene:
    """A gateway whose people have an issuer or an API token, a client, a browser, and somebody before the screen."""

    house: Gateway
    http: httpx.AsyncClient
    app: App
    browser: Browser
    client: Site
    ann: Screen

    def wrong(self) -> list[str]:
        """What the gateway's own pages complained of."""
        return self.ann.wrong(self.house.url)


@asynccontextmanager
async def scene(folder: Path, *, issuer: bool = True) -> AsyncIterator[Scene]:
    claims = {"alice": {"email_verified": True}}
    with (
        desk() as upstream,
        authorization_server(claims=claims, extra_claims=["email_verified"]) as server,
        site() as client,
    ):
        async with gateway(folder, running=True) as house, http() as asking, chromium() as browser:
            house.clock.now = time.time()
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            await house.server(accounts=[account.id], name="notes")
            server.allow(f"{house.url}/oauth/callback")
            at_issuer = {
                "issuer": server.issuer,
                "client_id": "web",
                "client_secret": "env:SIGN_IN_SECRET",
                "scopes": ["openid", "email"],
                "principals": RULES,
            }
            facade = {"devices": "all", **(at_issuer if issuer else {})}
            received(house, folder, {"facade": facade}, environment={"SIGN_IN_SECRET": server.secret})
            client.pages["/callback"] = BACK
            app = App(house, asking, redirect_uri=f"http://127.0.0.1:{client.port}/callback")
            grants = ["authorization_code", *GRANTS]
            assert "client_id" in await app.register(grant_types=grants, client_name="Northwind Notes")
            async with screen(browser) as ann:
                yield Scene(house, asking, app, browser, client, ann)


async def sign_in(page: Page, login: str = "alice") -> None:
    """What the issuer's own pages ask for."""
    await page.get_by_placeholder("Enter any login").fill(login)
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def begun(at: Scene) -> dict[str, str]:
    form = {"client_id": at.app.id, "resource": f"{at.house.url}/mcp"}
    reply = await at.http.post(f"{at.house.url}/oauth/device_authorization", data=form)
    assert reply.status_code == 200, reply.text
    told: dict[str, str] = reply.json()
    return told


async def redeemed(at: Scene, told: dict[str, str]) -> httpx.Response:
    return await at.app.post({"grant_type": GRANT, "client_id": at.app.id, "device_code": told["device_code"]})


async def sound(page: Page) -> None:
    """What every page has: a language, a title that is its one heading, a name for each field, and no script."""
    assert await page.locator("html").get_attribute("lang") == "en"
    assert await page.get_by_role("heading", level=1).all_inner_texts() == [await page.title()]
    assert await page.get_by_role("main").count() == 1
    for field in await page.locator("input:not([type=hidden])").all():
        assert await page.locator(f"label[for={await field.get_attribute('id')}]").count() == 1
    assert await page.locator("script").count() == 0


async def test_somebody_signs_in_at_the_issuer_and_agrees_with_the_keyboard_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        page = await at.ann.open(at.app.url())
        await sign_in(page)
        await page.get_by_role("heading", name="Allow access?").wait_for()
        await sound(page)
        told = await page.inner_text("main")
        for word in ("Northwind Notes", "this computer", "alice@example.com", "default", "notes"):
            assert word in told
        await picture(page, "consent")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.value") == "allow"
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.value") == "deny"
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Welcome back").wait_for()
        came = at.app.came(page.url)
        assert (came["state"], came["iss"]) == (at.app.state, at.house.url)
        token = (await at.app.redeem(came["code"])).json()["access_token"]
        assert await names(at.http, f"{at.house.url}/mcp", token) == [f"desk_{name}" for name in READS]
        assert [each["name"] for each in await at.ann.context.cookies() if each["name"].startswith("sign-in")] == []
        assert at.wrong() == []


async def test_somebody_does_not_agree_and_nobody_else_can_for_them(tmp_path: Path) -> None:
    async with scene(tmp_path) as at, screen(at.browser) as thief:
        page = await at.ann.open(at.app.url())
        await sign_in(page)
        await page.get_by_role("heading", name="Allow access?").wait_for()
        stolen = await thief.open(page.url)
        assert "began in another browser" in await stolen.get_by_role("alert").inner_text()
        # nor does it show in a page of somebody else, who could have it clicked
        at.client.pages["/"] = f'{BACK}<iframe src="{page.url}" title="x"></iframe>'
        framing = await at.ann.open(f"{at.client.origin('evil')}/")
        await until(lambda: any("frame" in text.lower() for _, text in at.ann.complaints))
        assert "Allow access?" not in "".join([await each.content() for each in framing.frames[1:]])
        at.ann.complaints.clear()
        await page.get_by_role("button", name="Do not allow").click()
        await page.get_by_role("heading", name="Welcome back").wait_for()
        assert at.app.came(page.url)["error"] == "access_denied"
        assert at.wrong() == []


async def test_a_code_is_typed_in_and_the_device_is_let_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        told = await begun(at)
        page = await at.ann.open(told["verification_uri"])
        await sound(page)
        assert await page.evaluate("document.activeElement.name") == "user_code", "where typing begins"
        await picture(page, "device")
        await page.keyboard.type("bcdf-ghjk")
        await page.keyboard.press("Enter")
        alert = page.get_by_role("alert")
        await alert.wait_for()
        assert "not known here" in await alert.inner_text()
        at.ann.complaints.clear()
        await page.get_by_label("Code on the device").fill(told["user_code"].lower())
        await page.keyboard.press("Enter")
        # by a page between, for the answer of a form leads to no other host
        await sign_in(page)
        await page.get_by_role("heading", name="Sign in another device?").wait_for()
        await sound(page)
        shown = await page.inner_text("main")
        for word in ("Northwind Notes", "just now", "127.0.0.1", "alice@example.com", "default", "notes"):
            assert word in shown
        await picture(page, "device-consent")
        assert (await redeemed(at, told)).json()["error"] == "authorization_pending"
        await page.get_by_role("button", name="Allow", exact=True).click()
        await page.get_by_role("status").wait_for()
        await sound(page)
        assert "Go back to your device" in await page.inner_text("main")
        assert at.wrong() == []
        later = await begun(at)
        # whoever signed in at the issuer a moment ago is not asked for that again, but for this they are
        page = await at.ann.open(later["verification_uri_complete"])
        assert await page.get_by_label("Code on the device").input_value() == later["user_code"]
        await picture(page, "device-link")
        await page.get_by_role("button", name="The device shows this code").click()
        await page.get_by_role("button", name="Do not allow").click()
        await page.get_by_role("heading", name="Not allowed").wait_for()
        assert (await redeemed(at, later)).json()["error"] == "access_denied"
        assert at.wrong() == []


async def test_without_an_issuer_a_token_is_shown_without_scripts_in_the_dark_on_a_narrow_screen(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, issuer=False) as at:
        told = await begun(at)
        narrow = {"width": 360, "height": 740}
        async with screen(at.browser, viewport=narrow, color_scheme="dark", java_script_enabled=False) as phone:
            page = await phone.open(told["verification_uri_complete"])
            assert await page.get_by_role("heading", name="Sign in on another device").count() == 1
            await page.get_by_role("button", name="The device shows this code").click()
            await page.get_by_label("API token").fill("ala_wrong")
            await page.get_by_role("button", name="Go on").click()
            assert "no live API token" in await page.get_by_role("alert").inner_text()
            await page.get_by_label("API token").fill(await at.house.api_token(tenant="default"))
            await page.get_by_role("button", name="Go on").click()
            await page.get_by_role("heading", name="Sign in another device?").wait_for()
            await picture(page, "narrow")
            box = await page.locator("main").bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= narrow["width"]
            await page.get_by_role("button", name="Allow", exact=True).click()
            await page.get_by_role("heading", name="You are signed in").wait_for()
        assert (await redeemed(at, told)).status_code == 200


async def test_who_agrees_arrives_at_the_client_wherever_it_listens_and_leads_them_on_to(tmp_path: Path) -> None:
    async with scene(tmp_path, issuer=False) as at:
        token = await at.house.api_token(tenant="default")
        with site({"/callback": BACK}, host="::1") as six:
            at.client.pages["/done"] = BACK
            at.client.moved["/led"] = f"{at.client.origin('another')}/done"
            places = {
                f"http://127.0.0.1:{at.client.port}/callback": "/callback",
                f"http://127.0.0.1:{at.client.port}/led": "/done",
                f"http://[::1]:{six.port}/callback": "/callback",
            }
            for place, path in places.items():
                app = App(at.house, at.http, redirect_uri=place)
                assert "client_id" in await app.register()
                page = await at.ann.open(app.url())
                await page.get_by_label("API token").fill(token)
                await page.get_by_role("button", name="Go on").click()
                await page.get_by_role("button", name="Allow", exact=True).click()
                await page.get_by_role("heading", name="Welcome back").wait_for()
                assert urlsplit(page.url).path == path
        assert at.ann.complaints == []
