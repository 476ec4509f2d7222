"""What stands before every request of a sign-in: its size, how long it may take, and its parameters once each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from apiloom.base import json
from apiloom.identity.facade_clients import refused

LARGEST = 64 * 1024
BODY_IN = 30.0
"""Seconds that a body has to arrive in: nobody has shown yet who they are."""

_MOST_FIELDS = 40


def asked(form: bytes) -> dict[str, str]:
    """Parameters, each of which stands once (RFC 6749 section 3.1); empty ones count as left out.

    Raises:
        CallerError: ``sign_in.invalid_request``; ``sign_in.invalid_target`` for several resources (RFC 8707 section 2
            has the server decide: a token is good for one).
    """
    try:
        pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise refused("sign_in.invalid_request", "the parameters cannot be read") from None
    if any(sign < " " or sign == "\x7f" for pair in pairs for text in pair for sign in text):
        raise refused("sign_in.invalid_request", "a parameter holds a control character")
    if len(dict(pairs)) != len(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) == len(names) - names.count("resource") + 1:
            raise refused("sign_in.invalid_target", "a token is good for one resource", "ask once for each")
        raise refused("sign_in.invalid_request", "a parameter stands twice")
    return {name: value for name, value in pairs if value}


async def read_body(request: Request) -> bytes:
    """The body.

    Raises:
        CallerError: ``sign_in.invalid_request`` where it is too large, or does not arrive.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_IN):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST:
                    raise refused("sign_in.invalid_request", f"the body is larger than {LARGEST:,} bytes")
    except (TimeoutError, ClientDisconnect):
        raise refused("sign_in.invalid_request", "the body did not arrive in time", "send it again") from None
    return bytes(body)


async def read_form(request: Request) -> Mapping[str, str]:
    """The parameters of a form.

    Raises:
        CallerError: ``sign_in.invalid_request``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise refused("sign_in.invalid_request", "the body must be a form", "send application/x-www-form-urlencoded")
    return asked(await read_body(request))


async def read_json(request: Request) -> Any:
    """The body as JSON.

    Raises:
        CallerError: ``sign_in.invalid_client_metadata``.
    """
    try:
        return json.loads(await read_body(request))
    except ValueError:
        raise refused("sign_in.invalid_client_metadata", "the body is no JSON") from None
