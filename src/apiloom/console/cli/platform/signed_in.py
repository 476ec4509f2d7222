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

_EARLY = 30.0
_DONE = b"You are signed in. Close this page and go back to the command line.\n"


def file_of(around: Surroundings, gateway: str) -> Path:
    """Where the sign-in at a gateway is kept."""
    chosen = around.environment.get("XDG_CONFIG_HOME")
    folder = Path(chosen) if chosen else around.home / ".config"
    name = hashlib.sha256(_root(gateway).encode()).hexdigest()[:16]
    return folder / "apiloom" / "sign-ins" / f"{name}.json"


async def sign_in(gateway: str, show: Callable[[str], None]) -> Mapping[str, Any]:
    """Sign in at a gateway: ``show`` is given the URL to open in a browser on this computer.

    Raises:
        CallerError: ``cli.sign_in`` where it is not completed, or not offered.
        UpstreamError: ``net.…``.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    root = _root(gateway)
    async with _sending() as sender:
        told = await _get(sender, f"{root}/.well-known/oauth-authorization-server")
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
                raise _failed("nobody signed in within ten minutes") from None
        if not hmac.compare_digest(back.get("state", "").encode(), state.encode()) or back.get("iss") != issuer:
            raise _failed("the answer is not about this sign-in")
        if "code" not in back:
            raise _failed("it was not allowed")
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": place}
        return await _post(sender, root, {**form, "code_verifier": verifier, "resource": f"{issuer}/api/v1"})


async def refreshed(gateway: str, kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with a fresh token.

    Raises:
        CallerError: ``cli.sign_in`` where the sign-in is over.
        UpstreamError: ``net.…``.
    """
    async with _sending() as sender:
        form = {"grant_type": "refresh_token", "refresh_token": str(kept.get("refresh", ""))}
        return await _post(sender, _root(gateway), form)


async def ended(gateway: str, kept: Mapping[str, Any]) -> None:
    """End a sign-in at its gateway.

    Raises:
        UpstreamError: ``net.…``.
    """
    async with _sending() as sender:
        form = {"token": str(kept.get("refresh", "")), "client_id": CLIENT}
        await _sent(sender, f"{_root(gateway)}/oauth/revoke", form)


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


def saved_token(around: Surroundings, gateway: str) -> str:
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
        kept = asyncio.run(refreshed(gateway, kept))
        write_kept(file, kept)
    return str(kept.get("access", ""))


def _root(gateway: str) -> str:
    return gateway.rstrip("/").removesuffix("/api/v1").removesuffix("/mcp")


@asynccontextmanager
async def _sending() -> AsyncIterator[Sender]:
    sender = connect()
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


async def _get(sender: Sender, url: str) -> Mapping[str, Any]:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    response = await sender.send(Request(method="GET", origin=origin, target=parts.path, timeout=30))
    value = _value(response.body)
    if response.status != 200 or "authorization_endpoint" not in value:
        raise _failed("this gateway offers no sign-in: use a token of it")
    return value


async def _post(sender: Sender, root: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    status, value = await _sent(sender, f"{root}/oauth/token", {**form, "client_id": CLIENT})
    if status >= 500:
        raise UpstreamError("the gateway cannot answer now", code="gateway.answer", hint="try again in a moment")
    if status != 200:
        raise _failed("the sign-in is over")
    return {
        "access": str(value.get("access_token", "")),
        "refresh": str(value.get("refresh_token", "")),
        "ends": time.time() + float(value.get("expires_in", 0)),
    }


async def _sent(sender: Sender, url: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
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


def _failed(why: str) -> CallerError:
    return CallerError(f"you are not signed in: {why}", code="cli.sign_in", hint="run apiloom login")
