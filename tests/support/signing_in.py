"""A person who signs in at a gateway, and a client that asks them to: a browser without a screen, step by step."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2 as httpx

from support.gateway import Gateway

CALLBACK = "http://127.0.0.1:9/callback"
WEB = "https://client.example/callback"

FORM = re.compile(r"<form[^>]*?action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
_TAG = re.compile(r"<(?:input|button)[^>]*>")
_ATTRIBUTE = re.compile(r"(\w+)=\"([^\"]*)\"")


@dataclass
class Person:
    """Somebody with a browser. ``token`` is what they paste where one is asked for; ``seen`` are the pages."""

    login: str = "alice"
    token: str = ""
    decision: str = "allow"
    seen: list[str] = field(default_factory=list)
    last: httpx.Response | None = None
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=20))

    async def open(self, url: str, until: tuple[str, ...] = (CALLBACK, WEB)) -> str:
        """Go to a URL and do what the pages want; the URL of the client that one ends at, which is not opened.

        Empty where a page sends nobody anywhere.
        """
        reply = await self.client.get(url)
        for _ in range(20):
            self.last = reply
            if reply.is_redirect:
                target = urljoin(str(reply.request.url), reply.headers["location"])
                if target.startswith(until):
                    return target
                reply = await self.client.get(target)
                continue
            self.seen.append(reply.text)
            found = FORM.search(reply.text)
            if found is None or (reply.status_code >= 400 and "<form" not in reply.text):
                return ""
            reply = await self.send(reply, found)
        raise AssertionError(f"no end; the last page was {self.seen[-1][:500]}")

    async def send(self, reply: httpx.Response, found: re.Match[str]) -> httpx.Response:
        """Send a form."""
        fields: dict[str, str] = {}
        for tag in _TAG.findall(found[2]):
            told = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
            if "name" in told and told["name"] != "decision":
                fields[told["name"]] = told.get("value", "")
        known = {"login": self.login, "password": "x", "token": self.token}
        fields = {name: known.get(name, value) for name, value in fields.items()}
        if "csrf" in fields and "token" not in fields:
            fields["decision"] = self.decision
        return await self.client.post(urljoin(str(reply.request.url), html.unescape(found[1])), data=fields)


@dataclass
class App:
    """An MCP client that knows a gateway's URL alone."""

    house: Gateway
    http: httpx.AsyncClient
    id: str = ""
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = "a state & more"

    async def register(self, **more: Any) -> dict[str, Any]:
        told = {"client_name": "The app", "redirect_uris": [self.redirect_uri], **more}
        reply = await self.http.post(f"{self.house.url}/oauth/register", json=told)
        value: dict[str, Any] = reply.json()
        self.id = value.get("client_id", "")
        return value

    def url(self, **more: str | None) -> str:
        """Where to send a person."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": self.state,
            "resource": f"{self.house.url}/mcp",
            "scope": "mcp",
            **more,
        }
        return f"{self.house.url}/oauth/authorize?" + urlencode({k: v for k, v in asked.items() if v is not None})

    def came(self, url: str) -> dict[str, str]:
        """What somebody brought back."""
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    async def redeem(self, code: str, /, **more: str | None) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.id,
            "code_verifier": self.verifier,
            "resource": f"{self.house.url}/mcp",
            **more,
        }
        return await self.post({name: value for name, value in form.items() if value is not None})

    async def refresh(self, token: str, **more: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.id, **more}
        return await self.post(form)

    async def post(self, form: dict[str, str]) -> httpx.Response:
        reply = await self.http.post(f"{self.house.url}/oauth/token", data=form)
        await self.house.settle()
        return reply

    async def sign_in(self, person: Person, **more: str | None) -> dict[str, Any]:
        """The tokens that a person gives."""
        came = self.came(await person.open(self.url(**more)))
        assert came["state"] == self.state
        assert came["iss"] == self.house.url
        reply = await self.redeem(came["code"], **({"resource": more["resource"]} if "resource" in more else {}))
        assert reply.status_code == 200, reply.text
        value: dict[str, Any] = reply.json()
        return value
