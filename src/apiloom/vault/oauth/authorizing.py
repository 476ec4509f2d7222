"""The way of a person's browser to a provider and back: RFC 6749 section 4.1 with RFC 7636, 8707 and 9207. Pure.

What the state holds, and that it is used once, is the business of whoever made it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from apiloom.base.errors import CallerError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.vault.oauth.asking import join_scopes, split_url
from apiloom.vault.oauth.discovery import is_issuer
from apiloom.vault.oauth.refusals import error_code, host_of
from apiloom.vault.oauth.terms import Terms

Query = Mapping[str, str] | Sequence[tuple[str, str]]
"""The parameters that a browser came back with."""

_LONGEST_CODE = 8 * 1024
_MOST_EXTRA = 1024
_LISTED = 50


def authorization_url(terms: Terms, *, state: str, verifier: Secret, nonce: str = "") -> str:
    """Where the browser is sent. ``verifier`` has 43 to 128 characters of ``[A-Za-z0-9._~-]`` (RFC 7636 section 4.1).

    What the terms and the provider add never replaces what the flow itself needs.

    Raises:
        DesignError: ``oauth.url`` without a usable authorization URL.
    """
    provider, endpoints = terms.provider, terms.endpoints
    split_url(endpoints.authorization_url)
    parts = urlsplit(endpoints.authorization_url)
    asked = {
        "response_type": "code",
        provider.client_parameter: terms.keys.client_id,
        "redirect_uri": terms.redirect_uri,
        "state": state,
    }
    scopes = join_scopes(terms.scopes, provider)
    if scopes:
        asked[provider.scope_parameter] = scopes
    if provider.pkce:
        digest = hashlib.sha256(verifier.reveal().encode()).digest()
        asked["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked["code_challenge_method"] = "S256"
    if nonce and asks_identity(terms):
        asked["nonce"] = nonce
    targets = {"resource": terms.resource, "audience": terms.audience}
    there = parse_qsl(parts.query, keep_blank_values=True)
    added = {**dict(there), **provider.parameters, **terms.parameters, **asked}
    added |= {name: value for name, value in targets.items() if value}
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(added), ""))


def asks_identity(terms: Terms) -> bool:
    """Whether the request is one of OpenID Connect, which brings an ID token with the nonce that was sent. One that a
    provider gives without being asked has none (OpenID Connect Core 1.0 section 3.1.2.1).
    """
    return "openid" in (*terms.provider.always, *terms.scopes)


def read_callback(query: Query, terms: Terms, *, state: str) -> Secret:
    """The code that a browser brought back.

    Raises:
        CallerError: ``oauth.callback`` when it is not the answer to this question, ``oauth.denied`` when the person
            said no.
        UpstreamError: ``oauth.refused`` when the provider refuses to ask them.
    """
    told = _single(query)
    if not hmac.compare_digest(told.get("state", "").encode("utf-8", "replace"), state.encode()):
        raise _foreign("does not belong to what was asked")
    _check_issuer(told, terms)
    if "error" in told:
        where, code = host_of(terms.endpoints.authorization_url), error_code(told["error"])
        if terms.keys.secret is not None and code in terms.keys.secret.reveal():
            code = ""
        if code in ("access_denied", "consent_required", "login_required", "user_denied", "user_cancelled_authorize"):
            raise CallerError(f"access was not granted at {where}", code="oauth.denied", hint="begin anew to grant it")
        raise UpstreamError(
            f"{where} refused to ask for access ({code or 'error'})",
            code="oauth.refused",
            hint="check the client id, its redirect address and the scopes at the provider",
        )
    code = told.get("code", "")
    if not code or len(code) > _LONGEST_CODE or not code.isprintable():
        raise _foreign("brings no code")
    return Secret(code)


def callback_extra(query: Query, terms: Terms) -> dict[str, str]:
    """What else the way back told that the provider's entry keeps, such as the number of a company."""
    told = _single(query)
    found = ((name, told.get(name, "")) for name in terms.provider.callback)
    return {name: value for name, value in found if value and len(value) <= _MOST_EXTRA and value.isprintable()}


def called_back(terms: Terms, query: Query) -> Terms:
    """The terms on which the code is exchanged: some providers say on the way back which of their hosts has it.

    Raises:
        CallerError: ``oauth.callback`` for a host that is none of the provider's.
    """
    name = terms.provider.server
    value = _single(query).get(name, "") if name else ""
    if not value:
        return terms
    host = value.removeprefix("https://")
    if not value.startswith("https://") or host not in terms.provider.hosts:
        raise _foreign("names a host that is not the provider's")
    endpoints = terms.endpoints
    return replace(
        terms,
        endpoints=replace(
            endpoints,
            token_url=_moved(endpoints.token_url, host),
            revocation_url=_moved(endpoints.revocation_url, host),
            identity_url=_moved(endpoints.identity_url, host),
        ),
    )


def _moved(url: str, host: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=host)) if url else url


def _check_issuer(told: Mapping[str, str], terms: Terms) -> None:
    """RFC 9207 section 2.4: the answer must come from whom was asked, and say so where the provider always does."""
    issuer, endpoints = told.get("iss"), terms.endpoints
    if issuer is None:
        if endpoints.iss_told:
            raise _foreign("does not say which provider it comes from")
    elif endpoints.issuer:
        if not is_issuer(issuer, endpoints.issuer):
            raise _foreign("comes from another provider")
    elif host_of(issuer) != host_of(endpoints.token_url):
        # no issuer is known: the code goes to no other host than that of whoever gave it
        raise _foreign("comes from another provider")


def _single(query: Query) -> dict[str, str]:
    pairs = list(query.items() if isinstance(query, Mapping) else query)[: _LISTED + 1]
    found = dict(pairs)
    if len(pairs) > _LISTED or len(found) != len(pairs):
        raise _foreign("says something twice")
    return found


def _foreign(why: str) -> CallerError:
    return CallerError(f"the way back from the provider {why}", code="oauth.callback", hint="begin anew")
