"""Who signed in at which gateway from this computer: kept in files of their own that nobody else can read.

A gateway is asked for a fresh token when the one that is kept ends. Knows what the gateway's own authorization server
says over HTTP (OAuth 2.1); the command stands above.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from apiloom.base import json
from apiloom.base.errors import CallerError, UpstreamError
from apiloom.console.cli.platform.private import read_private
from apiloom.console.house import Surroundings
from apiloom.net.client import connect
from apiloom.net.request import Request, Sender

CLIENT: Final = "apiloom-cli"
PATIENCE: Final = 600.0
"""Seconds that somebody has to sign in."""

Out = Callable[[], Sender]
"""A way out to the network, closed when done."""

ELSEWHERE: Final = "apiloom login --device lets you sign in with a browser on another device"

_EARLY = 30.0
_DONE = b"You are signed in. Close this page and go back to the command line.\n"


def file_of(around: Surroundings, gateway: str) -> Path:
    """Where the sign-in at a gateway is kept."""
    chosen = around.environment.get("XDG_CONFIG_HOME")
    folder = Path(chosen) if chosen else around.home / ".config"
    name = hashlib.sha256(root_of(gateway).encode()).hexdigest()[:16]
    return folder / "apiloom" / "sign-ins" / f"{name}.json"


async def sign_in(gateway: str, show: Callable[[str], None], out: Out = connect) -> Mapping[str, Any]:
    """Sign in at a gateway: ``show`` is given the URL to open in a browser on this computer.

    Raises:
        CallerError: ``cli.sign_in`` where it is not completed, or not offered.
        UpstreamError: ``net.…``.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    root = root_of(gateway)
    async with sending(out) as sender:
        told = await asked_of(sender, root)
        issuer = str(told.get("issuer", ""))
        async with _listening() as (place, came):
            asked = {
                "response_type": "code",
                "client_id": CLIENT,
                "redirect_uri": place,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                "state": state,
                "resource": f"{issuer}/api/v1",
            }
            show(f"{told.get('authorization_endpoint')}?{urlencode(asked)}")
            try:
                back = await asyncio.wait_for(came, PATIENCE)
            except TimeoutError:
                raise failed(f"nobody signed in within ten minutes; {ELSEWHERE}") from None
        if not hmac.compare_digest(back.get("state", "").encode(), state.encode()) or back.get("iss") != issuer:
            raise failed("the answer is not about this sign-in")
        if "code" not in back:
            raise failed("it was not allowed")
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": place}
        return await _post(sender, root, {**form, "code_verifier": verifier, "resource": f"{issuer}/api/v1"})


async def refreshed(gateway: str, kept: Mapping[str, Any], out: Out = connect) -> Mapping[str, Any]:
    """The same with a fresh token.

    Raises:
        CallerError: ``cli.sign_in`` where the sign-in is over.
        UpstreamError: ``net.…``.
    """
    async with sending(out) as sender:
        form = {"grant_type": "refresh_token", "refresh_token": str(kept.get("refresh", ""))}
        return await _post(sender, root_of(gateway), form)


async def ended(gateway: str, kept: Mapping[str, Any], out: Out = connect) -> None:
    """End a sign-in at its gateway.

    Raises:
        UpstreamError: ``net.…``, ``gateway.answer``.
    """
    async with sending(out) as sender:
        form = {"token": str(kept.get("refresh", "")), "client_id": CLIENT}
        status, _ = await sent(sender, f"{root_of(gateway)}/oauth/revoke", form)
    if status != 200:
        raise UpstreamError("the gateway did not end the sign-in", code="gateway.answer", hint="try again in a minute")


def read_kept(file: Path) -> Mapping[str, Any] | None:
    """What is kept of a sign-in, None for none.

    Raises:
        DesignError: ``credentials.file`` where others can read it.
    """
    if not file.exists():
        return None
    try:
        value = json.loads(read_private(file))
    except ValueError:
        value = None
    return value if isinstance(value, dict) else None


def write_kept(file: Path, kept: Mapping[str, Any]) -> None:
    """Keep a sign-in, for its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(number, "wb") as opened:
        opened.write(json.dumps(kept))
    draft.replace(file)


def saved_token(around: Surroundings, gateway: str, out: Out = connect) -> str:
    """The token of whoever signed in at a gateway, fresh; empty where nobody did.

    Raises:
        CallerError: ``cli.sign_in`` where the sign-in is over.
        UpstreamError: ``net.…``.
    """
    file = file_of(around, gateway)
    kept = read_kept(file)
    if kept is None:
        return ""
    if time.time() + _EARLY >= float(kept.get("ends", 0.0)):
        kept = asyncio.run(refreshed(gateway, kept, out))
        write_kept(file, kept)
    return str(kept.get("access", ""))


def root_of(gateway: str) -> str:
    """Where a gateway is, by what somebody calls it."""
    return gateway.rstrip("/").removesuffix("/api/v1").removesuffix("/mcp")


@asynccontextmanager
async def sending(out: Out) -> AsyncIterator[Sender]:
    """The way to a gateway."""
    sender = out()
    try:
        yield sender
    finally:
        await sender.close()


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[str, asyncio.Future[dict[str, str]]]]:
    """A place on this computer that a browser is sent back to, and what it brings."""
    came: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            parts = urlsplit(target)
            told = dict(parse_qsl(parts.query))
            fit = method == "GET" and parts.path == "/" and "state" in told
            body = _DONE if fit else b"There is nothing here.\n"
            status = b"200 OK" if fit else b"404 Not Found"
            heads = b"content-type: text/plain\r\ncache-control: no-store\r\nconnection: close\r\n"
            writer.write(b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, heads, len(body), body))
            await writer.drain()
            if fit and not came.done():
                came.set_result(told)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=16 * 1024)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", came


async def asked_of(sender: Sender, root: str) -> Mapping[str, Any]:
    """What a gateway says of how people sign in at it (RFC 8414).

    Raises:
        CallerError: ``cli.sign_in`` where nobody does.
        UpstreamError: ``net.…``.
    """
    parts = urlsplit(f"{root}/.well-known/oauth-authorization-server")
    origin = f"{parts.scheme}://{parts.netloc}"
    response = await sender.send(Request(method="GET", origin=origin, target=parts.path, timeout=30))
    value = _value(response.body)
    if response.status != 200 or "authorization_endpoint" not in value:
        raise failed("this gateway offers no sign-in: use a token of it")
    issuer, place = str(value.get("issuer", "")), str(value["authorization_endpoint"])
    if issuer != root or not place.startswith(f"{root}/"):
        # whoever names another gateway's page would be sent the code that this other gives (RFC 8414 section 3.3)
        raise CallerError(
            f"what answers at {root} signs in for another gateway",
            code="cli.sign_in",
            hint=f"if that is meant, name it: apiloom login --gateway {issuer[:200]}",
        )
    if place != f"{root}/oauth/authorize":
        # an issuer, for one, which knows nothing of this command line
        raise CallerError(
            f"what answers at {root} is no gateway that people sign in at",
            code="cli.sign_in",
            hint="name the gateway by its public URL, not its issuer",
        )
    return value


async def _post(sender: Sender, root: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    status, value = await sent(sender, f"{root}/oauth/token", {**form, "client_id": CLIENT})
    if status >= 500:
        raise UpstreamError("the gateway cannot answer now", code="gateway.answer", hint="try again in a moment")
    if status != 200:
        raise failed("the sign-in is over")
    return kept_of(value)


def kept_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is kept of an answer with tokens."""
    return {
        "access": str(value.get("access_token", "")),
        "refresh": str(value.get("refresh_token", "")),
        "ends": time.time() + float(value.get("expires_in", 0)),
    }


async def sent(sender: Sender, url: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
    """Send a form; the status and the JSON of the answer, empty where it is none.

    Raises:
        UpstreamError: ``net.…``.
    """
    parts = urlsplit(url)
    heads = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
    response = await sender.send(
        Request(
            method="POST",
            origin=f"{parts.scheme}://{parts.netloc}",
            target=parts.path,
            headers=heads,
            body=urlencode(form).encode(),
            timeout=30,
        )
    )
    return response.status, _value(response.body)


def _value(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def failed(why: str) -> CallerError:
    """``cli.sign_in``: nobody is signed in, for this reason."""
    return CallerError(f"you are not signed in: {why}", code="cli.sign_in", hint="run apiloom login")
