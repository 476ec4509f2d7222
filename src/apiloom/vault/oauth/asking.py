"""Requests of tokens, and their answers: RFC 6749 and its relatives as pure functions.

What single providers do differently comes in as a :class:`~apiloom.vault.oauth.terms.Provider`; no name of one stands
here. :mod:`apiloom.vault.oauth.fetching` sends what is built here. Signing needs a library that not everybody needs, so
it is loaded when something is signed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.base.plugins import load
from apiloom.base.secret import Secret
from apiloom.net.request import Request, Response
from apiloom.vault.oauth.refusals import error_code, refused, unreadable, wanted_pause
from apiloom.vault.oauth.terms import (
    Ask,
    ByAssertion,
    ByClient,
    ByCode,
    ByDevice,
    ByExchange,
    ByRefresh,
    Method,
    Provider,
    Terms,
    Tokens,
)

TIMEOUT = 20.0
"""Seconds that a provider gets to answer."""

LARGEST_ANSWER = 1024 * 1024

LONGEST_LIFE = 10 * 365 * 86_400.0
"""Seconds that a token is believed to live at most."""

_LONGEST_TOKEN = 64 * 1024
_MOST_SCOPES = 1_000
_MOST_FIELDS = 200
_token = re.compile(r"[\x21-\x7e]+").fullmatch
_refresh = re.compile(r"[\x20-\x7e]+").fullmatch
_MOST_EXTRA = 4_096
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NO_ACCESS_TOKENS = frozenset(
    f"urn:ietf:params:oauth:token-type:{name}" for name in ("refresh_token", "id_token", "saml1", "saml2")
)
_TYPES = frozenset({"mac", "dpop", "pop", "hmac"})
"""Types of tokens that are no bearer tokens: using one as such would be refused, or worse."""


def build_request(terms: Terms, ask: Ask, now: float) -> Request:
    """The request that asks for tokens. ``now`` is in seconds since the epoch.

    Raises:
        DesignError: ``oauth.url`` without a usable token URL, ``oauth.key`` when there is nothing to sign with.
    """
    renews = isinstance(ask, ByRefresh) and terms.endpoints.refresh_url
    url = terms.endpoints.refresh_url if renews else terms.endpoints.token_url
    form = _asked(terms, ask, now)
    anonymous = isinstance(ask, ByAssertion) and not (terms.keys.method or terms.keys.secret)
    return _posted(terms, url, form, now, anonymous=anonymous)


def build_form_request(terms: Terms, url: str, form: Mapping[str, str], now: float) -> Request:
    """A request to another endpoint of the provider at which the client proves itself in the same way.

    Raises:
        DesignError: as :func:`build_request`.
    """
    return _posted(terms, url, dict(form), now, anonymous=False)


def chosen_method(terms: Terms) -> Method:
    """How the client proves itself: as it was told, as the provider wants it, as what it has allows."""
    keys, provider = terms.keys, terms.provider
    if keys.method:
        return keys.method
    if keys.private_key is not None and keys.secret is None:
        return "private_key_jwt"
    if keys.secret is None:
        return "none"
    if provider.method:
        return provider.method
    methods = terms.endpoints.methods
    if methods and "client_secret_basic" not in methods:
        if "client_secret_post" in methods:
            return "client_secret_post"
        if "client_secret_jwt" in methods:
            return "client_secret_jwt"
    return "client_secret_basic"


def read_tokens(terms: Terms, ask: Ask, response: Response, now: float) -> Tokens:
    """The tokens of an answer.

    Raises:
        GrantEnded: ``oauth.ended``; for devices ``oauth.expired`` and ``oauth.denied`` too.
        UpstreamError: ``oauth.refused``, ``oauth.unavailable``, ``oauth.answer``; for devices ``oauth.pending``.
    """
    provider = terms.provider
    answer = read_answer(response) or {}
    given = _at(answer, provider.access_token)
    if response.status not in (200, 201) or given is None:
        told = _told(answer, provider)
        # some providers answer 200 with an error inside
        if told or response.status >= 400:
            raise refused(terms, ask, response.status, told, wanted_pause(response, now))
        if response.status >= 300:
            raise unreadable(terms, f"leads elsewhere (HTTP {response.status}), which is not followed")
        raise unreadable(terms, "holds no access token")
    if not isinstance(given, str) or len(given) > _LONGEST_TOKEN or not _token(given):
        raise unreadable(terms, "holds an access token that cannot be sent")
    id_token = answer.get("id_token")
    return Tokens(
        access=Secret(given),
        refresh=_refresh_token(_at(answer, provider.refresh_token)),
        expires_at=_end(answer, provider, now),
        scopes=read_scopes(_at(answer, provider.scope), provider),
        type=_type(terms, ask, answer),
        identity=picked_identity(answer, provider) if provider.told_at_once else {},
        extra=_extra(answer, provider),
        id_token=Secret(id_token) if isinstance(id_token, str) and 0 < len(id_token) <= _LONGEST_TOKEN else None,
    )


def read_answer(response: Response) -> dict[str, Any] | None:
    """The members of an answer in JSON or, as some old endpoints write, in a form; None when it is neither."""
    text = response.body[: LARGEST_ANSWER + 1]
    if len(text) > LARGEST_ANSWER:
        return None
    if text.lstrip()[:1] == b"{":
        try:
            value = json.loads(text)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None
    if "html" in response.header("content-type"):
        return None
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return dict(pairs)


def read_scopes(told: object, provider: Provider) -> tuple[str, ...] | None:
    """Scopes as an answer tells them, sorted; None when it tells none."""
    if isinstance(told, list):
        found = [one for one in told if isinstance(one, str)]
    elif isinstance(told, str):
        for sign in (provider.separator, provider.answer_separator):
            told = told.replace(sign, " ") if sign else told
        found = told.split()
    else:
        return None
    return tuple(sorted({one for one in found if len(one) <= 512 and one.isprintable()}))[:_MOST_SCOPES]


def picked_identity(told: Mapping[str, Any], provider: Provider) -> dict[str, str]:
    """Whom an answer names: ``sub``, ``email`` and ``name``, as far as it does."""
    found = {}
    for name, place in zip(("sub", "email", "name"), provider.identity, strict=False):
        value = _at(told, place) if place else None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value and len(value) <= 320 and value.isprintable():
            found[name] = value
    return found


def join_scopes(scopes: tuple[str, ...], provider: Provider) -> str:
    """Scopes as a request tells them, each once, those that are always asked first."""
    return provider.separator.join(dict.fromkeys((*provider.always, *scopes)))


# what is asked


def _asked(terms: Terms, ask: Ask, now: float) -> dict[str, str]:
    provider, form = terms.provider, {}
    scopes = join_scopes(terms.scopes, provider)
    match ask:
        case ByCode():
            form = {"grant_type": "authorization_code", "code": ask.code.reveal()}
            if terms.redirect_uri:
                form["redirect_uri"] = terms.redirect_uri
            if provider.pkce:
                form["code_verifier"] = ask.verifier.reveal()
            scopes = ""
        case ByRefresh():
            form = {"grant_type": "refresh_token", "refresh_token": ask.token.reveal()}
            scopes = ""
        case ByClient():
            form = {"grant_type": "client_credentials"}
        case ByDevice():
            form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": ask.code.reveal()}
            scopes = ""
        case ByAssertion():
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": load("apiloom.vault.oauth.assertions:grant_assertion")(terms, ask, now),
            }
            scopes = "" if "scope" in ask.claims else scopes
        case ByExchange():
            form = _exchanged(ask)
    if scopes:
        form[provider.scope_parameter] = scopes
    if terms.resource:
        form["resource"] = terms.resource
    if terms.audience and isinstance(ask, ByClient | ByExchange):
        form["audience"] = terms.audience
    return form


def _exchanged(ask: ByExchange) -> dict[str, str]:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": ask.subject_token.reveal(),
        "subject_token_type": ask.subject_token_type,
    }
    if ask.actor_token is not None:
        form["actor_token"] = ask.actor_token.reveal()
        form["actor_token_type"] = ask.actor_token_type or "urn:ietf:params:oauth:token-type:access_token"
    if ask.requested_token_type:
        form["requested_token_type"] = ask.requested_token_type
    return form


def _posted(terms: Terms, url: str, form: dict[str, str], now: float, *, anonymous: bool) -> Request:
    origin, target = split_url(url)
    provider = terms.provider
    headers = [("accept", "application/json")]
    if not anonymous:
        _prove(terms, url, form, headers, now)
    if provider.json_body:
        headers.append(("content-type", "application/json"))
        body = json.dumps(form)
    else:
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        body = urlencode(form).encode()
    ours = {name for name, _ in headers}
    headers += [(name, value) for name, value in provider.headers.items() if name.lower() not in ours]
    return Request(
        method="POST",
        origin=origin,
        target=target,
        headers=headers,
        body=body,
        timeout=TIMEOUT,
        max_bytes=LARGEST_ANSWER,
    )


def _prove(terms: Terms, url: str, form: dict[str, str], headers: list[tuple[str, str]], now: float) -> None:
    """Let the client prove itself in a form or its headers."""
    keys, method, name = terms.keys, chosen_method(terms), terms.provider.client_parameter
    if method == "client_secret_basic":
        # both are encoded as a form before they are joined: RFC 6749 section 2.3.1
        pair = f"{quote_plus(keys.client_id)}:{quote_plus(_secret(terms))}"
        headers.append(("authorization", "Basic " + base64.b64encode(pair.encode()).decode()))
        return
    form[name] = keys.client_id
    if method == "client_secret_post":
        form["client_secret"] = _secret(terms)
    elif method in ("private_key_jwt", "client_secret_jwt"):
        form["client_assertion_type"] = _JWT_BEARER
        form["client_assertion"] = load("apiloom.vault.oauth.assertions:client_assertion")(terms, url, method, now)


def _secret(terms: Terms) -> str:
    if terms.keys.secret is None:
        raise DesignError(
            "the OAuth client has no secret, and its provider wants one",
            code="oauth.key",
            hint="give client_secret, or another method",
        )
    return terms.keys.secret.reveal()


def split_url(url: str) -> tuple[str, str]:
    """The origin and the target of an absolute URL.

    Raises:
        DesignError: ``oauth.url``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not url.isascii():
        raise DesignError(
            "a provider's URL is missing or is no absolute http(s) URL without credentials in it"
            if url
            else "it is not known where tokens are asked for",
            code="oauth.url",
            hint="give token_url, or issuer",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


# what is answered


def _at(told: Mapping[str, Any], places: str) -> Any:
    """The value of a member, or at a JSON pointer (RFC 6901); of several places the first where there is one."""
    for place in places.split("|"):
        value: Any = told
        for part in place[1:].split("/") if place.startswith("/") else [place]:
            if isinstance(value, list) and part.isdigit() and len(part) < 4:
                value = value[int(part)] if int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _told(answer: Mapping[str, Any], provider: Provider) -> str:
    for place in provider.errors:
        value = _at(answer, place)
        # a sentence is no code; one that the entry knows is a known text, not what an endpoint made up
        code = value if isinstance(value, str) and value in provider.ended else error_code(value)
        if code:
            return code
        if isinstance(value, Mapping):
            # {"error": {"code" or "type": …}}, which is not the standard's but common
            return error_code(value.get("code")) or error_code(value.get("type")) or "error"
    return "error" if answer.get("error") else ""


def _refresh_token(told: Any) -> Secret | None:
    if isinstance(told, str) and len(told) <= _LONGEST_TOKEN and _refresh(told):
        return Secret(told)
    return None


def _end(answer: Mapping[str, Any], provider: Provider, now: float) -> float | None:
    if provider.expires_at:
        moment = _moment(_at(answer, provider.expires_at))
        if moment is not None:
            return min(moment, now + LONGEST_LIFE)
    seconds = _number(_at(answer, provider.expires_in))
    if seconds is None or seconds <= 0:
        # what is said to have ended as it was given is not told at all; else every call would renew it
        return None
    return now + min(seconds, LONGEST_LIFE)


def _number(told: Any) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    if isinstance(told, str) and len(told) > 20:
        return None
    try:
        number = float(told)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _moment(told: Any) -> float | None:
    number = _number(told)
    if number is not None:
        return number if number > 0 else None
    if not isinstance(told, str) or len(told) > 40:
        return None
    try:
        moment = datetime.fromisoformat(told)
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _type(terms: Terms, ask: Ask, answer: Mapping[str, Any]) -> str:
    """How the token is sent. Providers write all sorts of things here and mean bearer tokens."""
    told = answer.get("token_type")
    if isinstance(ask, ByExchange) and _is_no_access_token(ask, answer):
        raise unreadable(terms, "gives what is no access token")
    if isinstance(told, str) and told.lower() in _TYPES:
        raise unreadable(terms, "gives a kind of token that is not supported")
    return "Bearer"


def _is_no_access_token(ask: ByExchange, answer: Mapping[str, Any]) -> bool:
    """Whether what was exchanged for cannot be used as an access token, and nobody asked for it (RFC 8693 section
    2.2.1): an assertion, or a refresh token, would be shown to an API that has no business with it.
    """
    issued = answer.get("issued_token_type")
    return isinstance(issued, str) and issued in _NO_ACCESS_TOKENS and issued != ask.requested_token_type


def _extra(answer: Mapping[str, Any], provider: Provider) -> dict[str, str]:
    kept = {}
    for place in provider.extra:
        value = _at(answer, place)
        if isinstance(value, str) and 0 < len(value) <= _MOST_EXTRA:
            kept[place.rpartition("/")[2]] = value
    return kept
