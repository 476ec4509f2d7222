"""A real authorization server for tests: npm ``oidc-provider`` in a Node.js process of its own, steered while it runs.

It signs in whoever gives a login. Its clients are in ``tests/node/oidc.mjs``; the secret of each that has one is
:data:`SECRET`. It ends with the block, and with the process that started it however that ends.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from typing import Any
from urllib import error, request
from urllib.parse import quote_plus, urlencode, urljoin

import pytest

from support.node import node, node_package
from support.servers import Reading, clean_environment, ended
from support.source import ROOT

SECRET = "a secret, 100% *odd*: it has +&=/? signs"
"""Its signs must survive every way of sending it."""

REDIRECT = "http://127.0.0.1:9/connect/callback"

_FORM = re.compile(r"<form[^>]*?action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
_INPUT = re.compile(r"<input[^>]*>")
_ATTRIBUTE = re.compile(r"(\w+)=\"([^\"]*)\"")
_CANCEL = re.compile(r"<a href=\"([^\"]*/abort)\"")
_MOST_STEPS = 20


@dataclass
class AuthorizationServer:
    """A running server. ``key`` is the private key (PEM) of the clients that prove themselves with one."""

    issuer: str
    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    errors: Reading = field(repr=False)

    # what a person does

    def authorize(self, url: str, login: str = "alice", *, deny: bool = False, jar: CookieJar | None = None) -> str:
        """Sign in, consent (or cancel) and return the URL that the browser is sent back to; it is not fetched."""
        browser = Browser(jar)
        page = browser.get(url)
        for _ in range(_MOST_STEPS):
            if page.left:
                return page.left
            page = browser.cancel(page) if deny else browser.submit(page, {"login": login, "password": "x"})
        raise AssertionError(f"no redirect after {_MOST_STEPS} pages; the last was {page.body[:500]}")

    def approve(self, url: str, login: str = "alice", *, deny: bool = False) -> None:
        """Confirm a device at its ``verification_uri_complete``."""
        browser = Browser()
        page = browser.get(url)
        for _ in range(_MOST_STEPS):
            if "Sign-in Success" in page.body or "The Sign-in request was interrupted" in page.body:
                return
            more = {"login": login, "password": "x"} | ({"abort": "yes"} if deny else {})
            page = browser.submit(page, more)
        raise AssertionError(f"not approved after {_MOST_STEPS} pages; the last was {page.body[:500]}")

    # what an operator does

    def down(self, how: str = "503") -> None:
        """Answer nothing but 503, or with ``close`` drop every connection."""
        self._control("down", how=how)

    def up(self) -> None:
        self._control("up")

    def hold(self) -> None:
        """Let requests of tokens wait until :meth:`release`."""
        self._control("hold")

    def release(self) -> None:
        self._control("release")

    def ttl(self, seconds: float) -> None:
        """How long access tokens live from now on."""
        self._control("ttl", seconds=seconds)

    def skew(self, seconds: float) -> None:
        """Set the server's clock that much ahead (or, negative, behind)."""
        self._control("skew", seconds=seconds)

    def delay(self, seconds: float) -> None:
        """Let requests of tokens take that long."""
        self._control("delay", seconds=seconds)

    def revoke(self, login: str) -> int:
        """Take back everything that was granted by a person; how many things that were."""
        count: int = self._control("revoke", login=login)["revoked"]
        return count

    def allow(self, redirect_uri: str) -> None:
        """Let every client use this redirect URI too."""
        self._control("allow", redirect_uri=redirect_uri)

    def fail(self, body: str, status: int = 200, *, content_type: str = "application/json", times: int = 1) -> None:
        """Answer the next requests of tokens with just this."""
        self._control("fail", body=body, status=status, content_type=content_type, times=times)

    def quirk(self, name: str) -> None:
        """Behave like the provider of this name; empty: by the standard. The rules are in ``tests/node/quirks.mjs``."""
        assert self._control("quirk", name=name)["known"], name

    def rotate_keys(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on; the old ones are published further only if they are kept."""
        self._control("rotate_keys", keep=keep)

    def stats(self) -> dict[str, int]:
        """Requests of tokens by ``"{grant type} {outcome}"`` (``ok``, an error code, ``down``, ``failed``), and others
        by ``"{path} {method}"``.
        """
        counted: dict[str, int] = self._control("stats")["counted"]
        return counted

    def count(self, grant: str, outcome: str = "ok") -> int:
        """How often a grant had an outcome."""
        return self.stats().get(f"{grant} {outcome}", 0)

    def waiting(self) -> int:
        """How many requests of tokens are held."""
        count: int = self._control("stats")["waiting"]
        return count

    def told(self) -> list[dict[str, Any]]:
        """Why requests were refused, in the server's own words."""
        told: list[dict[str, Any]] = self._control("stats")["told"]
        return told

    def reset(self) -> None:
        """Count from zero."""
        self._control("reset")

    # what a resource server does

    def introspect(self, token: str) -> dict[str, Any]:
        """What the server says of a token (RFC 7662), asked as the client ``machine``."""
        return self.post("/token/introspection", {"token": token}, client="machine")

    def post(self, path: str, form: Mapping[str, str], *, client: str = "") -> dict[str, Any]:
        """POST a form, perhaps as a client that has the secret; the JSON of the answer, whatever its status."""
        asked = request.Request(self.url + path, urlencode(form).encode(), method="POST")
        if client:
            pair = f"{quote_plus(client)}:{quote_plus(self.secret)}"  # RFC 6749 section 2.3.1
            asked.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        try:
            with _direct.open(asked, timeout=30) as answer:
                text = answer.read()
        except error.HTTPError as refused:
            with refused:
                text = refused.read()
        value: dict[str, Any] = json.loads(text or b"{}")
        return value

    def _control(self, name: str, /, **given: Any) -> dict[str, Any]:
        asked = request.Request(f"{self.url}/_control/{name}", json.dumps(given).encode(), method="POST")
        with _direct.open(asked, timeout=30) as answer:
            value: dict[str, Any] = json.loads(answer.read())
            return value


@dataclass(frozen=True)
class Page:
    """A page as a browser has it; ``left`` is where it was sent that is no page of the server."""

    url: str
    body: str
    left: str = ""


class Browser:
    """A person's browser without a screen: it follows redirects of one origin, keeps cookies, sends forms."""

    def __init__(self, jar: CookieJar | None = None) -> None:
        self.jar = jar if jar is not None else CookieJar()
        self.opener = request.build_opener(
            request.ProxyHandler({}), request.HTTPCookieProcessor(self.jar), _Unfollowed()
        )

    def get(self, url: str) -> Page:
        return self._open(request.Request(url))

    def submit(self, page: Page, more: Mapping[str, str]) -> Page:
        """Send the first form of a page: its hidden fields, and those of ``more`` that it has or its buttons need."""
        found = _FORM.search(page.body)
        assert found, f"no form on {page.url}: {page.body[:1000]}"
        fields: dict[str, str] = {}
        for tag in _INPUT.findall(found[2]):
            told = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
            if "name" in told:
                fields[told["name"]] = more.get(told["name"], told.get("value", ""))
        fields |= {name: value for name, value in more.items() if name == "abort"}
        target = urljoin(page.url, html.unescape(found[1]))
        return self._open(request.Request(target, urlencode(fields).encode(), method="POST"))

    def cancel(self, page: Page) -> Page:
        """Follow the link that says no."""
        found = _CANCEL.search(page.body)
        assert found, f"nothing to cancel on {page.url}"
        return self.get(urljoin(page.url, html.unescape(found[1])))

    def _open(self, asked: request.Request) -> Page:
        origin = _origin(asked.full_url)
        for _ in range(_MOST_STEPS):
            try:
                with self.opener.open(asked, timeout=30) as answer:
                    return Page(asked.full_url, answer.read().decode())
            except error.HTTPError as answer:
                with answer:
                    body = answer.read().decode()
                place = answer.headers.get("location")
                if not place or answer.code not in (302, 303, 307):
                    raise AssertionError(f"{answer.code} from {asked.full_url}: {body[:1000]}") from None
                target = urljoin(asked.full_url, place)
                if _origin(target) != origin:
                    return Page(asked.full_url, "", target)
                asked = request.Request(target)
        raise AssertionError(f"redirected {_MOST_STEPS} times, last to {asked.full_url}")


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


class _Unfollowed(request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_direct = request.build_opener(request.ProxyHandler({}))


@contextlib.contextmanager
def authorization_server(*, timeout: float = 60, **settings: Any) -> Iterator[AuthorizationServer]:
    """Run an authorization server until the block ends.

    Settings: ``ttl`` of access tokens (3600 s), ``rotate`` refresh tokens (true: each works once, and one that is used
    again ends its whole family), ``pkce`` demanded of every client (true), ``redirect_uris`` (:data:`REDIRECT`),
    ``scopes`` and ``clients`` (metadata as for registration) beside its own, ``claims`` by login or client (in every
    token; name them in ``extra_claims`` for the identity too), ``resources`` (the only ones known), ``host``,
    ``default_resource``, ``device_ttl``, ``refresh_ttl``, ``extra_params``, and ``quirk``: the provider to behave like.
    """
    chosen = {
        "ttl": 3600,
        "refresh_ttl": 14 * 86400,
        "device_ttl": 600,
        "rotate": True,
        "pkce": True,
        "host": "127.0.0.1",
        "redirect_uris": [REDIRECT],
        "secret": SECRET,
        **settings,
    }
    node_package("oidc-provider")
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        process = subprocess.Popen(
            [str(node()), str(ROOT / "tests" / "node" / "oidc.mjs"), json.dumps(chosen)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(folder),
            start_new_session=True,
        )
        out, errors = Reading(process.stdout), Reading(process.stderr)
        try:
            assert out.told.wait(timeout), f"no authorization server within {timeout} s: {errors.text()}"
            assert out.url, f"the authorization server ended: {errors.text()}"
            said = json.loads(out.lines[0])
            url = f"http://{chosen['host']}:{said['port']}"
            yield AuthorizationServer(said["issuer"], url, said["key"], str(chosen["secret"]), errors)
        finally:
            ended(process)
            assert process.stdin is not None
            process.stdin.close()
            for each in (out, errors):
                each.join(5)


@pytest.fixture(scope="module")
def oidc_process() -> Iterator[AuthorizationServer]:
    """One authorization server for all tests of a file."""
    with authorization_server() as server:
        yield server


@pytest.fixture
def oidc(oidc_process: AuthorizationServer) -> AuthorizationServer:
    """It, as it was in the beginning but for what it remembers of people."""
    oidc_process.up()
    oidc_process.skew(0)
    oidc_process.ttl(3600)
    oidc_process.reset()
    return oidc_process
