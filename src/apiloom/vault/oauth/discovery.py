"""Where a provider is asked, read from what it publishes: OpenID Connect Discovery 1.0 and RFC 8414.

What is published is believed only as far as it belongs to the issuer that was asked for: see section 3.3 of RFC 8414.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apiloom.base import json
from apiloom.base.errors import UpstreamError
from apiloom.net.request import Request, Sender
from apiloom.vault.oauth.asking import LARGEST_ANSWER, TIMEOUT, split_url
from apiloom.vault.oauth.refusals import host_of
from apiloom.vault.oauth.terms import Endpoints

_WELL_KNOWN = "/.well-known/"
_OPENID = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"
_MOST_METHODS = 20


async def discover(sender: Sender, issuer: str) -> Endpoints:
    """The endpoints of an issuer, or of the URL of its configuration (``openIdConnectUrl``).

    Raises:
        UpstreamError: ``oauth.discovery`` when nothing usable is published there; ``net.*``.
        DesignError: ``oauth.url``.
    """
    split_url(issuer)
    if _WELL_KNOWN in issuer:
        return read_endpoints(await _fetched(sender, issuer), issuer_of(issuer))
    issuer = issuer.rstrip("/")
    parts = urlsplit(issuer)
    root = f"{parts.scheme}://{parts.netloc}"
    # the issuer's path stands before the one suffix and behind the other: RFC 8414 section 5
    places = list(dict.fromkeys((issuer + _OPENID, root + _OAUTH + parts.path, root + _OPENID + parts.path)))
    for place in places[:-1]:
        try:
            return read_endpoints(await _fetched(sender, place), issuer)
        except UpstreamError as error:
            if error.code != "oauth.discovery":
                raise
    return read_endpoints(await _fetched(sender, places[-1]), issuer)


def issuer_of(url: str) -> str:
    """The issuer that the URL of a configuration belongs to."""
    before, _, after = url.partition(_WELL_KNOWN)
    path = after.partition("/")[2]
    return f"{before}/{path}".rstrip("/")


def is_issuer(told: object, issuer: str) -> bool:
    """Whether something is an issuer's name. People leave out the slash at its end, without which it is nobody else."""
    return isinstance(told, str) and told.rstrip("/") == issuer.rstrip("/")


def read_endpoints(told: Mapping[str, Any], issuer: str) -> Endpoints:
    """The endpoints in a published configuration.

    Raises:
        UpstreamError: ``oauth.discovery`` when it is another issuer's, has no token endpoint, or leads off encryption.
    """
    found = told.get("issuer")
    if not isinstance(found, str) or not is_issuer(found, issuer):
        raise _unusable(issuer, "is of another issuer")
    endpoints = Endpoints(
        token_url=_url(told, "token_endpoint", issuer),
        authorization_url=_url(told, "authorization_endpoint", issuer),
        device_url=_url(told, "device_authorization_endpoint", issuer),
        revocation_url=_url(told, "revocation_endpoint", issuer),
        identity_url=_url(told, "userinfo_endpoint", issuer),
        jwks_url=_url(told, "jwks_uri", issuer),
        issuer=found,
        methods=_methods(told.get("token_endpoint_auth_methods_supported")),
        iss_told=told.get("authorization_response_iss_parameter_supported") is True,
    )
    if not endpoints.token_url:
        raise _unusable(issuer, "names no token endpoint")
    return endpoints


def _url(told: Mapping[str, Any], name: str, issuer: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        return ""
    if len(value) > 2_048 or (_is_encrypted(issuer) and not _is_encrypted(value)):
        raise _unusable(issuer, "leads to an address without encryption")
    split_url(value)
    return value


def _is_encrypted(url: str) -> bool:
    return url[:6].lower() == "https:"


def _methods(told: object) -> tuple[str, ...]:
    if not isinstance(told, list):
        return ()
    return tuple(one for one in told[:_MOST_METHODS] if isinstance(one, str) and len(one) <= 40)


async def _fetched(sender: Sender, url: str) -> Mapping[str, Any]:
    origin, target = split_url(url)
    headers = [("accept", "application/json")]
    response = await sender.send(
        Request(method="GET", origin=origin, target=target, headers=headers, timeout=TIMEOUT, max_bytes=LARGEST_ANSWER)
    )
    if response.status >= 500 or response.status == 429:
        raise UpstreamError(
            f"{host_of(url)} does not tell its endpoints at the moment (HTTP {response.status})",
            code="oauth.unavailable",
            hint="try again later",
        )
    try:
        value = json.loads(response.body) if response.status == 200 else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _unusable(url, "cannot be read")
    return value


def _unusable(url: str, why: str) -> UpstreamError:
    return UpstreamError(
        f"what {host_of(url)} publishes about itself {why}",
        code="oauth.discovery",
        hint="check the issuer, or give token_url instead",
    )
