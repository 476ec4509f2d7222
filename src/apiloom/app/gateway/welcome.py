"""How the gateway meets those whom others vouch for: who they are where that is known, and what they are told if not.

The path of a call asks :meth:`Welcome.shown`, which waits for nobody. Only a bearer that was never seen here, or whose
time is over, is worth a question: :meth:`Welcome.meet`. Without an operator's settings there is none of this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from apiloom.app.asgi import AsgiApp, Receive, Scope, Send
from apiloom.app.gateway.issuing import Families
from apiloom.base import json
from apiloom.identity.challenges import WELL_KNOWN, challenge, insufficient, metadata, resource_of
from apiloom.identity.facade_tokens import ACCESS, REFRESH
from apiloom.identity.guests import API, Guest, Guests
from apiloom.identity.settings import Identity
from apiloom.identity.tokens import API as API_TOKEN
from apiloom.identity.tokens import SERVER, well_formed
from apiloom.wire.door import Reply, refused

if TYPE_CHECKING:  # whoever serves without certificates loads nothing for them
    from apiloom.app.gateway.certificates import Certified

SCOPE = "mcp"
API_SCOPE = "api"
"""The scopes of the gateway's own tokens: to call servers, to use the admin API."""

LONGEST = 16 * 1024

Meet = Callable[[str, str], Awaitable[Guest | None]]
"""Recognises a bearer, shown from an address, by the word of an issuer."""


class Welcome:
    """Who is welcome by another's word.

    Args:
        identity: the operator's settings.
        public_url: of this gateway, without a trailing slash.
        guests: those who were recognised.
        meet: asks the issuers.
        now: seconds since the epoch.
        families: the sign-ins at this gateway, None where there is no façade.

    Attributes:
        certified: who is recognised by a certificate; None: nobody is.
    """

    def __init__(
        self,
        identity: Identity,
        public_url: str,
        guests: Guests,
        meet: Meet,
        now: Callable[[], float],
        families: Families | None = None,
    ) -> None:
        self.identity = identity
        self.public_url = public_url
        self.guests = guests
        self._meet = meet
        self._now = now
        self._families = families
        self._refusals: dict[str, Reply] = {}
        self.certified: Certified | None = None

    def shown(self, authorization: bytes, now: float) -> Guest | None:
        """Who shows this header, if they were recognised before."""
        token = _bearer(authorization)
        return self.guest(token, now) if token else None

    def guest(self, token: str, now: float) -> Guest | None:
        """Who shows a bearer, if they were recognised before; a sign-in that has ended lets nobody in, and neither does
        a token that is bound to a certificate, unless the word for that one follows it.
        """
        token, _, proof = token.partition(" ")
        guest = self._known(token, now)
        if guest is None or (not guest.bound and not proof):
            return guest
        return guest if guest.bound and self.certified is not None and self.certified.proves(guest, proof) else None

    def _known(self, token: str, now: float) -> Guest | None:
        """Who was recognised by a bearer, whatever else they have to show."""
        if len(token) > LONGEST:
            return None
        guest = self.guests.get(token, now)
        return guest if guest is None or not guest.family or self.lives(guest) else None

    def lives(self, guest: Guest) -> bool:
        """Whether somebody signed in at the gateway, and that counts at this second."""
        return bool(guest.family) and self._families is not None and self._families.lives(guest.family)

    async def meet(self, authorization: bytes, address: str) -> bool:
        """Whether somebody who shows this header is recognised now. Of whom is known already nobody is asked.

        Raises:
            UpstreamError: whoever could vouch cannot be asked now.
        """
        token = _bearer(authorization)
        if not token or len(token) > LONGEST or well_formed(token):
            return False
        if self._known(token, self._now()) is not None:
            return True
        if token.startswith(_OWN):
            if self._families is None or not self._families.reads(token):
                return False
            guest = await self._families.meet(token)
            return guest is not None and self.guests.put(token, guest) is not None
        return await self._meet(token, address) is not None

    def refusal(self, resource: str) -> Reply:
        """What somebody is told who has shown nothing that counts; the same whatever they have shown."""
        known = self._refusals.get(resource)
        if known is None:
            known = refused(401, _NO_TOKEN, (b"www-authenticate", self.challenge(resource)))
            if len(self._refusals) < _MOST_REFUSALS:
                self._refusals[resource] = known
        return known

    def challenge(self, resource: str) -> bytes:
        """The value of WWW-Authenticate for them; where nobody gives tokens it says nothing of getting one."""
        vouched = self.identity.issuers or self.identity.facade
        return challenge(self.public_url, resource, self.scopes(resource)) if vouched else b"Bearer"

    def forbidden(self, resource: str, scopes: tuple[str, ...]) -> Reply:
        """What somebody is told whose token lacks a scope; ``scopes`` are all that are needed."""
        value = insufficient(self.public_url, resource, scopes)
        return refused(403, "The token lacks a scope that is needed here", (b"www-authenticate", value))

    def scopes(self, resource: str) -> tuple[str, ...]:
        """The scopes that a client asks for to get what it needs; none where that depends on the issuer."""
        if self.identity.facade is not None:
            return (API_SCOPE if resource == API else SCOPE,)
        told = {each.api_scopes if resource == API else each.scopes for each in self.identity.issuers}
        return next(iter(told)) if len(told) == 1 else ()

    def document(self, resource: str) -> Mapping[str, Any]:
        """The metadata of a resource."""
        own = self.identity.facade is not None
        issuers = [self.public_url] if own else [each.issuer for each in self.identity.issuers]
        return metadata(self.public_url, resource, issuers, self.scopes(resource))


def metadata_app(welcome: Callable[[], Welcome | None]) -> AsgiApp:
    """Answers below ``/.well-known/oauth-protected-resource`` (RFC 9728 section 3), to pages of any origin too."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's shape
        resource = resource_of(scope["path"].removeprefix(WELL_KNOWN))
        host = welcome()
        if scope["method"] == "OPTIONS":
            # the SDKs send mcp-protocol-version along, which browsers ask about before
            heads = [
                (b"access-control-allow-origin", b"*"),
                (b"access-control-allow-methods", b"GET"),
                (b"access-control-allow-headers", b"*"),
                (b"access-control-max-age", b"600"),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": heads})
            await send({"type": "http.response.body", "body": b""})
        elif scope["method"] not in {"GET", "HEAD"}:
            await _say(send, 405, {"title": "Method Not Allowed", "status": 405}, (b"allow", b"GET"))
        elif host is None or resource is None or not (host.identity.issuers or host.identity.facade):
            await _say(send, 404, {"title": "Not Found", "status": 404})
        else:
            await _say(send, 200, host.document(resource), (b"cache-control", b"public, max-age=300"))

    return answer


_NO_TOKEN = "A valid bearer token is needed in the Authorization header"  # noqa: S105 - a sentence
_MOST_REFUSALS = 1000

_OWN = (*(f"{kind}_" for kind in (SERVER, API_TOKEN)), ACCESS, REFRESH)
"""What tokens of the house begin with. No issuer is asked about one, be it damaged, over, or shown where it is of no
use: it may be live elsewhere.
"""


def _bearer(authorization: bytes) -> str:
    """The token of a header (RFC 6750 section 2.1); the scheme's name is case-insensitive."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip(b" ").decode("latin-1") if scheme.lower() == b"bearer" else ""


async def _say(send: Send, status: int, value: Mapping[str, Any], *more: tuple[bytes, bytes]) -> None:
    body = json.dumps(value)
    heads = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": heads})
    await send({"type": "http.response.body", "body": body})
