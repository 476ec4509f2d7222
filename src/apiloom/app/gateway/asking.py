"""Asking an operator's issuer: its metadata, keys, tokens and its word on a token, within bounds and without redirects.

Everything goes out through the gateway's own guarded way. Knows what is said on the wire and not what it means.
Sources: OpenID Connect Discovery 1.0 section 4, RFC 8414, RFC 7662, RFC 6749 section 4.1.3.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from apiloom.base import json
from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.identity.settings import is_safe_url
from apiloom.net.request import Request, Response, Sender

TIMEOUT = 10.0
MOST_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where an issuer is asked; empty where it does not say."""

    jwks: str = ""
    authorization: str = ""
    token: str = ""
    userinfo: str = ""
    iss_told: bool = False
    methods: tuple[str, ...] = ("client_secret_basic",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks. Without a secret, one that has none."""

    id: str
    secret: Secret | None = None
    post: bool = False


async def fetch(sender: Sender, url: str, *, most: int = MOST_BYTES, bearer: Secret | None = None) -> Response:
    """What is at a URL, whatever its status; asked with a token where one is given.

    Raises:
        UpstreamError: ``net.…``; ``identity.issuer`` for an address that is none to ask.
        DesignError: ``net.…``.
    """
    return await sender.send(_looking(url, most, bearer))


def _looking(url: str, most: int, bearer: Secret | None) -> Request:
    """Made apart, so that what it takes is not at hand while it is on its way."""
    origin, target = _split(url)
    heads = [("accept", "application/json")]
    if bearer is not None:
        heads.append(("authorization", f"Bearer {bearer.reveal()}"))
    return Request(method="GET", origin=origin, target=target, headers=heads, timeout=TIMEOUT, max_bytes=most)


async def fetch_body(sender: Sender, url: str) -> bytes:
    """The body at a URL that answers 200.

    Raises:
        UpstreamError: as :func:`fetch`, and ``identity.issuer`` for another answer.
    """
    response = await fetch(sender, url)
    if response.status != 200:
        raise _unfit(url, f"answered {response.status}")
    return response.body


async def fetch_metadata(sender: Sender, issuer: str) -> Metadata:
    """What an issuer publishes of itself; it must be by its own name, letter by letter.

    Raises:
        UpstreamError: as :func:`fetch_body`.
    """
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    value = _object(url, await fetch_body(sender, url))
    if value.get("issuer") != issuer:
        raise _unfit(url, "speaks for another issuer")
    methods = value.get("token_endpoint_auth_methods_supported")
    return Metadata(
        jwks=_url(value, "jwks_uri"),
        authorization=_url(value, "authorization_endpoint"),
        token=_url(value, "token_endpoint"),
        userinfo=_url(value, "userinfo_endpoint"),
        iss_told=value.get("authorization_response_iss_parameter_supported") is True,
        methods=tuple(str(each) for each in methods) if isinstance(methods, list) else ("client_secret_basic",),
    )


async def post_form(sender: Sender, url: str, form: Mapping[str, str], client: Client) -> tuple[int, Mapping[str, Any]]:
    """Send a form as a client; the status and the JSON of the answer.

    Raises:
        UpstreamError: ``net.…``; ``identity.issuer`` where the answer is no JSON object.
    """
    response = await sender.send(_posting(url, form, client))
    return response.status, _object(url, response.body)


def _posting(url: str, form: Mapping[str, str], client: Client) -> Request:
    origin, target = _split(url)
    heads = [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")]
    if client.secret is None:
        form = {**form, "client_id": client.id}
    elif client.post:
        form = {**form, "client_id": client.id, "client_secret": client.secret.reveal()}
    else:
        # RFC 6749 section 2.3.1: both are encoded as in a form before they are joined
        pair = f"{quote_plus(client.id)}:{quote_plus(client.secret.reveal())}"
        heads.append(("authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    return Request(
        method="POST",
        origin=origin,
        target=target,
        headers=heads,
        body=urlencode(form).encode(),
        timeout=TIMEOUT,
        max_bytes=MOST_BYTES,
    )


def _split(url: str) -> tuple[str, str]:
    """Origin and target of a URL."""
    parts = urlsplit(url)
    target = parts.path or "/"
    return f"{parts.scheme}://{parts.netloc}", f"{target}?{parts.query}" if parts.query else target


def _object(url: str, body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _unfit(url, "did not answer in JSON")
    return value


def _url(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) and is_safe_url(found) else ""


def _unfit(url: str, why: str) -> UpstreamError:
    return UpstreamError(
        f"the issuer at {urlsplit(url).hostname} {why}", code="identity.issuer", hint="check the identity file"
    )
