"""The reception of a gateway: the operator's identity file, read at the start and whenever it changes, put to work.

A file that is wrong when the gateway starts stops it; one that is wrong later is told of in one sentence, and what was
read before goes on. A change makes everybody be recognised anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apiloom.app.asgi import AsgiApp, Receive, Scope, Send, say
from apiloom.app.gateway.asking import fetch
from apiloom.app.gateway.certificates import Certified, check_proxies, open_authorities
from apiloom.app.gateway.identifying import Identifying
from apiloom.app.gateway.issuers import Issuers, Town
from apiloom.app.gateway.issuing import Families
from apiloom.app.gateway.late import Late
from apiloom.app.gateway.node import RETRY, Node
from apiloom.app.gateway.vouching import with_connect
from apiloom.app.gateway.welcome import Welcome, metadata_app
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import InTheClear, Secret, closed
from apiloom.console.signin.desk import Desk
from apiloom.flows.sign_ins import Person, sweep_sign_ins
from apiloom.identity.challenges import WELL_KNOWN, named_resource
from apiloom.identity.facade_clients import refused
from apiloom.identity.guests import MCP, Guests
from apiloom.identity.rules import Mapped, build_principal
from apiloom.identity.settings import MOST_BYTES, Facade, Identity, read_identity

FILE = "APILOOM_IDENTITY"
"""The variable that names the file."""

LOOK = 2.0
"""Seconds between two looks at the file."""

SWEEP = 60.0
"""Seconds between two rounds of forgetting sign-ins that are over."""

ASK_AGAIN = 5.0
"""Seconds between two rounds of asking about tokens that only their issuer can read."""

_LARGEST_SECRET = 64 * 1024
_LARGEST_AUTHORITIES = 4 * 1024 * 1024
_LARGEST_DOCUMENT = 16 * 1024

_log = logging.getLogger("apiloom.gateway")


@closed
@dataclass(slots=True, kw_only=True)
class Reception(InTheClear):
    """One gateway's reception. ``clock`` are seconds that only rise."""

    node: Node
    file: Path
    environment: Mapping[str, str] = field(repr=False)
    clock: Callable[[], float] = time.monotonic
    guests: Guests = field(default_factory=Guests)
    _issuers: Issuers | None = None
    _identifying: Identifying | None = None
    _signed_by: bytes = b""
    _state: tuple[int, ...] = ()

    def open(self) -> None:
        """Read the file and let in whom it says.

        Raises:
            DesignError: ``identity.file``, ``identity.unreadable``.
        """
        self._state = self._look()
        self._use(*self._read())
        self.node.apps[WELL_KNOWN] = metadata_app(lambda: self.node.admission.welcome)
        self.node.beside += [self._keep, self._ask_again, self._sweep]
        signin = with_connect(self.node, self._facade, self._at_issuer, Late(self._pages))
        self.node.apps["/oauth"] = self.node.apps["/.well-known/oauth-authorization-server"] = self._only(signin)

    def _pages(self) -> AsgiApp:
        app: AsgiApp = plugins.load("apiloom.console.signin.app:build_signin")(self._desk())
        return app

    def _desk(self) -> Desk:
        """What the pages of a sign-in need."""
        node = self.node
        return Desk(
            ground=node.ground,
            facade=self._facade,
            fetch=self.document,
            away=lambda begun: self._at_issuer().away(begun),
            home=lambda form, begun: self._at_issuer().home(form, begun),
            by_token=self._by_token,
            reach=self._reach,
            address=node.admission.peer,
            clock=self.clock,
        )

    def _only(self, app: AsgiApp) -> AsgiApp:
        """Answers while there is a façade, and is not there otherwise."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if self._facade() is None:
                await say(send, 404, {"title": "Not Found", "status": 404})
            else:
                await app(scope, receive, send)

        return answer

    def _facade(self) -> Facade | None:
        welcome = self.node.admission.welcome
        return None if welcome is None else welcome.identity.facade

    def _at_issuer(self) -> Identifying:
        if self._identifying is None:
            raise refused("sign_in.temporarily_unavailable", "nobody signs in here now")
        return self._identifying

    async def document(self, url: str) -> bytes:
        """A client's document: small, and where the guard lets us go."""
        response = await fetch(self.node.grounds.sender, url, most=_LARGEST_DOCUMENT)
        if response.status != 200:
            raise refused("sign_in.invalid_client", "the application's own description is not there")
        return response.body

    def _by_token(self, text: str) -> Person | None:
        """Whose API token a text is; who signs in with it is them as long as it lives."""
        principal = self.node.admission.own(text)
        if principal is None:
            return None
        facade = self._facade()
        return Person(
            id=principal.id,
            subject=principal.id,
            tenant=principal.tenant,
            role=principal.role,
            servers=principal.servers,
            end_user=principal.end_user,
            token=principal.token,
            admitted="" if facade is None else facade.admits,
        )

    def _reach(self, person: Person, resource: str) -> list[str]:
        """The names of the servers that somebody would call."""
        mapped = Mapped(
            tenant=person.tenant,
            role=person.role,  # type: ignore[arg-type]
            servers=person.servers,
            end_user=person.end_user,
        )
        principal = build_principal(mapped, person.id, float("inf"), self._server_id)
        servers = self.node.admission.usable(principal)
        return [one.name for one in servers if resource in {MCP, named_resource(one.name), named_resource(one.id)}]

    async def _sweep(self) -> None:
        pause = SWEEP
        while True:
            await asyncio.sleep(pause)
            more = False
            with contextlib.suppress(ApiloomError):
                more = await sweep_sign_ins(self.node.ground)
            pause = RETRY if more else SWEEP  # others have their turn to write between

    def reload(self) -> bool:
        """Read the file anew where it has changed; whether other people are let in now."""
        state = self._look()
        if state == self._state:
            return False
        self._state = state
        try:
            identity, signed_by = self._read()
        except DesignError as error:
            _log.error("the identity file is not taken, and the one before goes on: %s", error.sentence())
            return False
        before = self.node.admission.welcome
        if before is not None and before.identity == identity and signed_by == self._signed_by:
            return False
        self._use(identity, signed_by)
        after = self.node.admission.welcome
        self.node.cut(self.guests.remove(lambda guest: after is None or not after.lives(guest)))
        _log.info("the identity file was read anew")
        return True

    def _read(self) -> tuple[Identity, bytes]:
        """The file, and the authorities that must have signed certificates, if it names some."""
        identity = read_identity(_bytes(self.file, MOST_BYTES + 1))
        for reference in _references(identity):
            self._secret(reference)
        signed_by = b""
        if identity.certificates is not None:
            check_proxies(self.node.admission.proxies)
            if identity.certificates.authorities:
                signed_by = _bytes(_place(identity.certificates.authorities), _LARGEST_AUTHORITIES)
                open_authorities(signed_by)
        return identity, signed_by

    def _use(self, identity: Identity, signed_by: bytes) -> None:
        node = self.node
        self._signed_by = signed_by
        town = Town(
            sender=node.grounds.sender,
            public_url=node.ground.public_url,
            now=node.ground.now,
            clock=self.clock,
            server_id=self._server_id,
            secret=self._secret,
        )
        self._issuers = Issuers(identity, self.guests, town)
        families = None
        self._identifying = None
        if identity.facade is not None:
            admits = identity.facade.admits
            families = Families(node.memory, node.ground.digests, node.ground.now, node.poll, self._server_id, admits)
            self._identifying = Identifying(town, identity.facade)
        node.admission.welcome = Welcome(
            identity, node.ground.public_url, self.guests, self._issuers.meet, node.ground.now, families
        )
        if identity.certificates is not None:
            authorities = open_authorities(signed_by) if signed_by else None
            node.admission.welcome.certified = Certified(
                identity.certificates, node.admission.proxies, self.guests, town, authorities
            )

    def _server_id(self, tenant: str, name: str) -> str:
        """The id of a tenant's server; of the house's people every server's by its id."""
        server = self.node.memory.servers.get(name)
        if server is not None and (not tenant or server.tenant == tenant):
            return server.id
        return self.node.memory.named(tenant, name)

    def _secret(self, reference: str) -> Secret:
        """The secret that a reference leads to.

        Raises:
            DesignError: ``identity.unreadable``: it leads to none.
        """
        kind, _, place = reference.partition(":")
        if kind == "file":
            return Secret(_bytes(Path(place), _LARGEST_SECRET).decode("utf-8", "replace").strip())
        value = self.environment.get(place, "")
        if not value:
            raise DesignError(
                f"the identity file names the variable {place}, which is not set",
                code="identity.unreadable",
                hint="set it where the gateway is started",
            )
        return Secret(value)

    def _look(self) -> tuple[int, ...]:
        welcome = self.node.admission.welcome
        shown = None if welcome is None else welcome.identity.certificates
        files = [self.file, _place(shown.authorities)] if shown is not None and shown.authorities else [self.file]
        told: tuple[int, ...] = ()
        for file in files:
            with contextlib.suppress(OSError):
                seen = file.stat()
                told += (seen.st_mtime_ns, seen.st_size, seen.st_ino)
        return told

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self.reload()

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(ASK_AGAIN)
            await self.ask_again()

    async def ask_again(self) -> None:
        """Have those cut whose tokens their issuer knows no more."""
        if self._issuers is not None:
            self.node.cut(await self._issuers.ask_again(self.node.open_tokens))


def _references(identity: Identity) -> list[str]:
    found = [one.introspection.secret for one in identity.issuers if one.introspection is not None]
    if identity.facade is not None and identity.facade.secret:
        found.append(identity.facade.secret)
    return found


def _place(reference: str) -> Path:
    return Path(reference.partition(":")[2])


def _bytes(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise DesignError(
            f"{file} cannot be read: {error.strerror or 'no reason given'}",
            code="identity.unreadable",
            hint="check the path, and who may read it",
        ) from None
