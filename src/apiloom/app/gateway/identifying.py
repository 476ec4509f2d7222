"""Who somebody is, by the word of the operator's issuer: the way there, and what its answer proves (OpenID Connect).

The gateway is one client of the issuer, whoever asks at the gateway's own door. The answer counts only for the sign-in
it was asked for: state, nonce, verifier and issuer are checked, then the ID token itself.
Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from apiloom.app.gateway.asking import Client, Metadata, fetch, fetch_metadata, post_form
from apiloom.app.gateway.issuers import KeyRing, Town
from apiloom.base import json
from apiloom.base.errors import CallerError, UpstreamError
from apiloom.base.secret import Secret, Unshown
from apiloom.flows.sign_ins import Begun, Person
from apiloom.flows.token_families import challenge_of
from apiloom.identity.claims import Unfit, audiences, check_subject, check_times, principal_id
from apiloom.identity.facade_clients import refused
from apiloom.identity.jwts import peek, verify
from apiloom.identity.rules import map_claims
from apiloom.identity.settings import Facade

FRESH = 3600.0
"""Seconds that what an issuer publishes of itself counts."""


@dataclass(slots=True)
class Identifying:
    """One operator's issuer, as those who sign in meet it."""

    town: Town
    facade: Facade
    _metadata: Metadata | None = None
    _ring: KeyRing | None = None
    _fetched: float = field(default=float("-inf"))

    @property
    def callback(self) -> str:
        """Where the issuer sends people back to; the one redirect URI to register there."""
        return f"{self.town.public_url}/oauth/callback"

    async def away(self, begun: Begun) -> str:
        """Where to go to say who one is.

        Raises:
            UpstreamError: the issuer cannot be asked.
        """
        metadata = await self._known()
        asked = {
            "response_type": "code",
            "client_id": self.facade.client_id,
            "redirect_uri": self.callback,
            "scope": " ".join(self.facade.scopes),
            "state": begun.state.reveal(),
            "nonce": begun.nonce,
            "code_challenge": challenge_of(begun.verifier.reveal()),
            "code_challenge_method": "S256",
        }
        # a query that the address has of its own stays (RFC 6749 section 3.1)
        return f"{metadata.authorization}{'&' if '?' in metadata.authorization else '?'}{urlencode(asked)}"

    async def home(self, form: Mapping[str, str], begun: Begun) -> Person:
        """Who comes back.

        Raises:
            CallerError: ``sign_in.access_denied``.
            UpstreamError: the issuer cannot be asked, or its answer is none.
        """
        metadata = await self._known()
        told = form.get("iss")
        if (told is None and metadata.iss_told) or (told is not None and told != self.facade.issuer):
            raise refused("sign_in.access_denied", "the answer is not from the issuer that was asked")
        if "error" in form or "code" not in form:
            raise refused("sign_in.access_denied", "the sign-in was not completed")
        answer = await self._redeemed(metadata, form["code"], begun)
        claims = await self._proven(str(answer.get("id_token", "")), begun)
        person = self._person(claims)
        if person is None:
            # many issuers say in the token who somebody is, and everything else only when asked with it
            person = self._person(_joined(claims, await self._more(metadata, answer, claims)))
        if person is None:
            raise refused(
                "sign_in.access_denied", "you are not among those who may use this gateway", "ask whoever runs it"
            )
        return person

    async def _more(
        self, metadata: Metadata, answer: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the issuer tells besides of the same person (OpenID Connect Core section 5.3)."""
        if not metadata.userinfo or not isinstance(answer.get("access_token"), str):
            return {}
        response = await fetch(self.town.sender, metadata.userinfo, bearer=Secret(answer["access_token"]))
        try:
            told = json.loads(response.body) if response.status == 200 else None
        except ValueError:
            told = None
        return told if isinstance(told, dict) and told.get("sub") == claims.get("sub") else {}

    async def _redeemed(self, metadata: Metadata, code: str, begun: Begun) -> Mapping[str, Any]:
        secret = self.town.secret(self.facade.secret) if self.facade.secret else None
        post = "client_secret_basic" not in metadata.methods and "client_secret_post" in metadata.methods
        form = Unshown(
            grant_type="authorization_code",
            code=code,
            redirect_uri=self.callback,
            code_verifier=begun.verifier.reveal(),
        )
        client = Client(id=self.facade.client_id, secret=secret, post=post)
        status, answer = await post_form(self.town.sender, metadata.token, form, client)
        if status == 200:
            return Unshown(answer)
        if 400 <= status < 500:
            raise refused("sign_in.access_denied", "the issuer does not confirm the sign-in")
        raise _dead(self.facade.issuer)

    async def _proven(self, token: str, begun: Begun) -> Mapping[str, Any]:
        """The claims of an ID token (OpenID Connect Core section 3.1.3.7)."""
        facade, ring = self.facade, self._ring
        if ring is None:
            raise _dead(facade.issuer)
        try:
            peeked = peek(token)
            keys = await ring.get()
            if not keys.fitting(peeked):
                keys = await ring.renewed() or keys
            claims = verify(token, peeked, keys, algorithms=facade.algorithms).claims
            check_times(claims, self.town.now())
            check_subject(claims)
        except Unfit:
            raise _unproven() from None
        told = audiences(claims)
        if claims.get("iss") != facade.issuer or facade.client_id not in told or claims.get("nonce") != begun.nonce:
            raise _unproven()
        if (len(told) > 1 or "azp" in claims) and claims.get("azp") != facade.client_id:
            raise _unproven()
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person | None:
        mapped = map_claims(self.facade.rules, claims, unverified_email=self.facade.unverified_email)
        if mapped is None:
            return None
        id_ = principal_id(self.facade.issuer, check_subject(claims), mapped.tenant)
        names = (claims.get("email"), claims.get("name"), claims.get("preferred_username"))
        shown = next((name for name in names if isinstance(name, str) and name), "")
        return Person(
            id=id_,
            subject=id_,
            tenant=mapped.tenant,
            role=mapped.role,
            servers=mapped.servers,
            end_user=mapped.end_user,
            shown=shown[:200],
            admitted=self.facade.admits,
        )

    async def _known(self) -> Metadata:
        if self._metadata is None or self.town.clock() - self._fetched > FRESH:
            try:
                found = await fetch_metadata(self.town.sender, self.facade.issuer)
            except UpstreamError:
                if self._metadata is None:
                    raise
                return self._metadata
            if not (found.authorization and found.token and found.jwks):
                raise _dead(self.facade.issuer)
            if self._ring is None or self._metadata is None or self._metadata.jwks != found.jwks:
                self._ring = KeyRing(self.town, self.facade.issuer, found.jwks)
            self._metadata, self._fetched = found, self.town.clock()
        return self._metadata


def _joined(claims: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a token says, and what its issuer tells besides. That an address is verified is said of the one it stands
    beside (OpenID Connect Core section 5.1), and of no other.
    """
    if "email" in claims:
        same = more.get("email") == claims["email"]
        more = {name: value for name, value in more.items() if same or name != "email_verified"}
    elif "email" in more:
        claims = {name: value for name, value in claims.items() if name != "email_verified"}
    return {**more, **claims}


def _unproven() -> CallerError:
    return refused("sign_in.access_denied", "what the issuer answered is not about this sign-in")


def _dead(issuer: str) -> UpstreamError:
    return UpstreamError(
        f"the issuer {issuer} cannot be asked now", code="identity.unreachable", hint="try again in a moment"
    )
