"""OAuth forms of credentials: what an account gets its tokens with by itself.

Read from the members that people write, and turned into terms and a question for a token endpoint. Where an endpoint is
not told, the document's own flow says it. Knows the forms, not the places they stand in; no sentence made here repeats
a value. :mod:`apiloom.vault.given` stands above and reads the forms that are no OAuth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from math import isfinite
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from apiloom.base import json
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.base.plugins import load
from apiloom.base.secret import InTheClear, Secret, closed, replaced
from apiloom.model.api import SecurityScheme
from apiloom.vault.oauth.asking import split_url
from apiloom.vault.oauth.terms import (
    Ask,
    ByAssertion,
    ByClient,
    ByRefresh,
    Endpoints,
    Method,
    OAuthKeys,
    Provider,
    Terms,
    Tokens,
)
from apiloom.vault.pems import key_lines
from apiloom.vault.referring import Resolve, tell

Kind = Literal["client_credentials", "jwt_bearer", "imported"]
"""How tokens are got: as the client itself, by a signed statement, with a refresh token that was brought along."""

METHODS = frozenset(
    {"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "none"}
)
_URLS = ("token_url", "revocation_url", "identity_url")
_COMMON = frozenset({"scopes", "audience", "resource", "provider", *_URLS})
_CLIENT = frozenset({"client_id", "client_secret", "method", "issuer"})
_KEY = frozenset({"private_key", "key_id", "algorithm"})
_ALLOWED: Mapping[Kind, frozenset[str]] = {
    "client_credentials": _COMMON | _CLIENT | _KEY,
    "jwt_bearer": _COMMON | _KEY | {"service_account", "subject", "issuer"},
    "imported": _COMMON | _CLIENT | _KEY | {"access_token", "refresh_token", "expires_at"},
}
_FLOWS: Mapping[Kind, tuple[str, ...]] = {
    "client_credentials": ("clientCredentials", "authorizationCode", "password", "deviceAuthorization"),
    "jwt_bearer": ("clientCredentials", "authorizationCode"),
    "imported": ("authorizationCode", "deviceAuthorization", "password", "clientCredentials"),
}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST = 64 * 1024
_MOST_SCOPES = 200
_HINT = (
    "write {client_id, client_secret, scopes}, {client_id, private_key, key_id}, {service_account, scopes} or "
    "{refresh_token, client_id, client_secret}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthForm:
    """What tokens are got with. ``endpoints`` are those that the form tells itself; ``tokens`` were brought along."""

    kind: Kind
    keys: OAuthKeys
    scopes: tuple[str, ...] = ()
    endpoints: Endpoints = field(default_factory=Endpoints)
    provider: str = ""
    audience: str = ""
    resource: str = ""
    assertion: ByAssertion | None = None
    tokens: Tokens | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must not come back in an answer."""
        tokens = self.tokens
        found = (self.keys.secret, self.keys.private_key, tokens and tokens.access, tokens and tokens.refresh)
        return tuple(one for one in found if isinstance(one, Secret) and one.reveal())


def form_secrets(value: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a form must not come back in an answer; references in it are no secrets."""
    account = value.get("service_account")
    if isinstance(account, str):
        try:
            account = json.loads(account)
        except ValueError:
            account = None
    inner = account.get("private_key") if isinstance(account, Mapping) else None
    names = ("client_secret", "private_key", "access_token", "refresh_token")
    found = [each for each in (inner, *(value.get(name) for name in names)) if isinstance(each, str) and each]
    return tuple(part for each in found for part in (key_lines(each) if "-----BEGIN" in each else (each,)))


def read_form(scheme: str, value: Mapping[str, Any], resolve: Resolve | None = None) -> OAuthForm:
    """An OAuth form of the credential of a scheme. With ``resolve``, ``{"ref": …}`` stands for a secret in it.

    Raises:
        DesignError: ``credentials.form`` for members that do not belong together, ``credentials.value`` for one that
            cannot be used, ``oauth.key``, ``oauth.url``.
    """
    told = tell(scheme, value, resolve)
    kind = form_kind(told.form)
    stray = sorted(str(name)[:40] for name in told.form if name not in _ALLOWED[kind])
    if stray:
        raise _refused(scheme, f"has members that do not belong together: {', '.join(stray[:5])}")
    reading = _Reading(scheme, told.form, looked_at=told.unread.isdisjoint({"private_key", "service_account"}))
    reader = {"client_credentials": _client, "jwt_bearer": _assertion, "imported": _imported}[kind]
    return reader(reading)


def build_terms(form: OAuthForm, endpoints: Endpoints, provider: Provider) -> Terms:
    """On which terms a form gets tokens at endpoints; its own go before."""
    return Terms(
        endpoints=filled_up(form.endpoints, endpoints),
        keys=form.keys,
        provider=provider,
        scopes=form.scopes,
        resource=form.resource,
        audience=form.audience,
    )


def build_ask(form: OAuthForm, tokens: Tokens | None) -> Ask:
    """What a form asks with; ``tokens`` is the last pair it got.

    Raises:
        UpstreamError: ``oauth.ended`` where it has nothing to ask with any more.
    """
    if form.kind == "client_credentials":
        return ByClient()
    if form.assertion is not None:
        return form.assertion
    given = (tokens and tokens.refresh) or (form.tokens and form.tokens.refresh)
    if not isinstance(given, Secret):
        raise UpstreamError(
            "the access has run out and there is nothing to renew it with",
            code="oauth.ended",
            hint="connect the account anew",
        )
    return ByRefresh(token=given)


def documented_endpoints(scheme: SecurityScheme, kind: Kind = "imported") -> Endpoints:
    """Where a document says that tokens of a scheme are got: by the flow that fits, else by any."""
    flows = scheme.details.get("flows")
    known = flows if isinstance(flows, Mapping) else {}
    listed = [known[name] for name in (*_FLOWS[kind], "implicit") if isinstance(known.get(name), Mapping)]

    def first(member: str) -> str:
        return next((one[member] for one in listed if isinstance(one.get(member), str) and one[member]), "")

    return Endpoints(
        token_url=first("tokenUrl"),
        authorization_url=first("authorizationUrl"),
        device_url=first("deviceAuthorizationUrl"),
        refresh_url=first("refreshUrl"),
    )


def check_encrypted(scheme: SecurityScheme, named: Endpoints) -> None:
    """That what a document names leads nothing secret over the network in the open.

    Raises:
        DesignError: ``oauth.url``.
    """
    for url in (named.token_url, named.refresh_url, named.device_url, named.issuer):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise DesignError(
                f"the document names an address without encryption where tokens of {scheme.id} are given",
                code="oauth.url",
                hint="give token_url, one that begins with https://",
            )


def metadata_url(scheme: SecurityScheme, endpoints: Endpoints) -> str:
    """Where the endpoints of a scheme are published, when no token URL is known; empty where nothing says."""
    if endpoints.token_url:
        return ""
    told = scheme.details.get("openIdConnectUrl") or scheme.details.get("oauth2MetadataUrl")
    return endpoints.issuer or (told if isinstance(told, str) else "")


def filled_up(one: Endpoints, other: Endpoints) -> Endpoints:
    """What ``one`` says, and of the rest what the other does."""
    missing: dict[str, Any] = {
        each.name: getattr(other, each.name) for each in fields(Endpoints) if not getattr(one, each.name)
    }
    return replace(one, **missing)


# one form each


def form_kind(told: Mapping[str, Any]) -> Kind:
    """How the tokens of a form are got."""
    if "refresh_token" in told or "access_token" in told:
        return "imported"
    if "service_account" in told or ("private_key" in told and "client_id" not in told):
        return "jwt_bearer"
    return "client_credentials"


@closed
@dataclass(frozen=True, slots=True)
class _Reading(InTheClear):
    """``looked_at`` says that a private key is checked at once; one that was not read from where it lies is later."""

    scheme: str
    told: Mapping[str, Any] = field(repr=False)
    looked_at: bool = True

    def text(self, name: str, longest: int = 2_048) -> str:
        value = self.told.get(name, "")
        if not isinstance(value, str) or len(value) > longest:
            raise _refused(self.scheme, f"has a member {name} that is no text, or too long")
        if name not in ("private_key", "service_account"):
            value = value.rstrip("\r\n")  # files end in a line break that is no part of the secret
            if not (value.isascii() and value.isprintable()):
                raise _unusable(self.scheme, f"holds signs in {name} that cannot be sent")
        return value

    def secret(self, name: str) -> Secret | None:
        value = self.text(name, _LONGEST)
        return Secret(value) if value else None

    def url(self, name: str) -> str:
        value = self.text(name)
        if not value:
            return ""
        split_url(value)
        parts = urlsplit(value)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise DesignError(
                f"{name} of {self.scheme} is an address without encryption",
                code="oauth.url",
                hint="give one that begins with https://",
            )
        return value

    def scopes(self) -> tuple[str, ...]:
        value = self.told.get("scopes", ())
        found = value.split() if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or len(found) > _MOST_SCOPES:
            raise _refused(self.scheme, "has a member scopes that is neither a list of texts nor a text")
        for one in found:
            # RFC 6749 section 3.3
            if (
                not isinstance(one, str)
                or not one
                or not one.isascii()
                or not one.isprintable()
                or set(one) & set(' "\\')
            ):
                raise _unusable(self.scheme, "names a scope that is none")
        return tuple(found)

    def endpoints(self, *, published: bool = True) -> Endpoints:
        return Endpoints(
            token_url=self.url("token_url"),
            revocation_url=self.url("revocation_url"),
            identity_url=self.url("identity_url"),
            issuer=self.url("issuer") if published else "",
        )

    def keys(self) -> OAuthKeys:
        method = self.text("method")
        if method and method not in METHODS:
            raise _unusable(self.scheme, "names a method that is not known")
        key = self.secret("private_key")
        algorithm = self.text("algorithm")
        if key is not None and self.looked_at:
            load("apiloom.vault.oauth.assertions:check_key")(key, algorithm)
        return OAuthKeys(
            client_id=self.text("client_id"),
            secret=self.secret("client_secret"),
            private_key=key,
            key_id=self.text("key_id"),
            algorithm=algorithm,
            method=cast("Method", method),
        )

    def form(self, kind: Kind, **more: Any) -> OAuthForm:
        made: dict[str, Any] = {
            "scopes": self.scopes(),
            "provider": self.text("provider"),
            "audience": self.text("audience"),
            "resource": self.text("resource"),
            **more,
        }
        return OAuthForm(kind=kind, **made)


def _client(told: _Reading) -> OAuthForm:
    keys = told.keys()
    if not keys.client_id:
        raise _refused(told.scheme, "has no client_id")
    if keys.secret is None and keys.private_key is None and keys.method != "tls_client_auth":
        raise _refused(told.scheme, "has a client_id, and neither client_secret nor private_key")
    return told.form("client_credentials", keys=keys, endpoints=told.endpoints())


def _imported(told: _Reading) -> OAuthForm:
    refresh, access = told.secret("refresh_token"), told.secret("access_token")
    if refresh is None:
        raise _refused(told.scheme, "has an access_token and no refresh_token: give it as token")
    tokens = Tokens(access=access or Secret(""), refresh=refresh, expires_at=_end(told) if access else 0.0)
    return told.form("imported", keys=told.keys(), endpoints=told.endpoints(), tokens=tokens)


def _assertion(told: _Reading) -> OAuthForm:
    account = _account_key(told) if "service_account" in told.told else {}
    reading = replaced(told, told={**account, **told.told})
    keys, issuer = reading.keys(), reading.text("issuer")
    if keys.private_key is None or not issuer:
        raise _refused(told.scheme, "needs private_key and issuer, or a service_account that holds both")
    endpoints = reading.endpoints(published=False)
    scopes = reading.scopes()
    # the claim is where service accounts of large providers say it; RFC 7523 leaves it to the request
    claims = {"scope": " ".join(scopes)} if account and scopes else {}
    ask = ByAssertion(issuer=issuer, subject=reading.text("subject"), audience=reading.text("audience"), claims=claims)
    form = reading.form("jwt_bearer", keys=replace(keys, client_id=issuer), endpoints=endpoints, assertion=ask)
    return replace(form, audience="")


def _account_key(told: _Reading) -> dict[str, str]:
    """The members of a service account's file that count, under our names."""
    value = told.told["service_account"]
    if isinstance(value, str):
        try:
            value = json.loads(value) if len(value) <= _LONGEST else None
        except ValueError:
            value = None  # the parser's own sentence may quote the file
    if not isinstance(value, Mapping):
        raise _refused(told.scheme, "has a service_account that is no JSON object")
    names = {
        "client_email": "issuer",
        "private_key": "private_key",
        "private_key_id": "key_id",
        "token_uri": "token_url",
    }
    found = {ours: value[theirs] for theirs, ours in names.items() if theirs in value}
    if not all(isinstance(each, str) for each in found.values()):
        raise _refused(told.scheme, "has a service_account with members that are no texts")
    return found


def _end(told: _Reading) -> float | None:
    value = told.told.get("expires_at")
    if value is None or value == "":
        return None
    try:
        moment = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        moment = _moment(value)
    except OverflowError:
        moment = None
    if moment is None or not isfinite(moment) or not 0 <= moment < 1e11:
        raise _unusable(told.scheme, "has an expires_at that is no moment: write epoch seconds or ISO 8601")
    return moment


def _moment(value: Any) -> float | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < 50 else None
        return found.timestamp() if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _refused(scheme: str, what: str) -> DesignError:
    return DesignError(f"the credential of {scheme} {what}", code="credentials.form", hint=_HINT)


def _unusable(scheme: str, what: str) -> DesignError:
    return DesignError(f"the credential of {scheme} {what}", code="credentials.value", hint="see the forms of OAuth")
