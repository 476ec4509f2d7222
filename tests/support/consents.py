"""A provider that grants whatever it is asked, for flows that are tested without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from apiloom.base.errors import CallerError, DesignError
from apiloom.base.seal import Sealer
from apiloom.catalog.servers import unfilled
from apiloom.compile.artefact import unpack
from apiloom.flows.connect_ports import Begun, Blank, Confirming, Consent, Granted, Needs, People
from apiloom.model.api import SecurityScheme
from apiloom.store.ports import Scope
from apiloom.store.records import Account, Grant, OAuthClient, Version


@dataclass
class Consents:
    """The code that a browser comes back with is who signed in. ``returned`` are grants that were given back."""

    sealers: tuple[Sealer, ...] = (Sealer(b"2" * 32), Sealer(b"1" * 32))
    returned: list[str] = field(default_factory=list)
    people: People | None = None

    async def needs(
        self, version: Version, artefact: Callable[[], Awaitable[bytes]], options: Mapping[str, Any]
    ) -> Needs:
        opened = unpack(await artefact())
        bindings = [tool.binding for tool in opened.tools.values()]
        servers = [server for binding in bindings for server in binding.servers]
        return Needs(
            title=opened.title,
            variables=unfilled(servers, options.get("variables") or {}),
            known={name: one for server in servers for name, one in server.variables.items()},
            schemes=opened.schemes,
            tools=tuple(binding.security for binding in bindings),
        )

    async def provider(self, client: OAuthClient, scheme: SecurityScheme) -> str:
        return "auth.example.com"

    async def begin(self, consent: Consent, state: str, redirect_uri: str) -> Begun:
        asked = {"state": state, "redirect_uri": redirect_uri, "scope": " ".join(consent.scopes)}
        return Begun(url=f"https://auth.example.com/authorize?{urlencode(asked)}", kept={"state": state})

    def blanks(self, client: OAuthClient, scheme: SecurityScheme) -> tuple[Blank, ...]:
        return ()

    def check_blank(self, client: OAuthClient, variables: Mapping[str, str]) -> None:
        return None

    async def begin_device(self, consent: Consent) -> Confirming:
        raise DesignError("no device", code="oauth.url")

    async def finish_device(self, consent: Consent, kept: Mapping[str, str]) -> Granted:
        raise AssertionError("nothing was begun")

    def pack(self, granted: Granted) -> Mapping[str, Any]:
        return {"tokens": granted.tokens, "identity": dict(granted.identity), "scopes": list(granted.scopes)}

    def unpack(self, packed: Mapping[str, Any]) -> Granted:
        return Granted(tokens=packed["tokens"], identity=packed["identity"], scopes=tuple(packed["scopes"]))

    async def finish(self, consent: Consent, redirect_uri: str, kept: Mapping[str, str], query: str) -> Granted:
        told = parse_qs(query)
        if "error" in told:
            raise CallerError("access was not granted", code="oauth.denied")
        assert told["state"] == [kept["state"]]
        who = told["code"][0]
        return Granted(tokens=who, identity={"sub": who}, scopes=consent.scopes)

    async def keep(self, scope: Scope, account: Account, consent: Consent, granted: Granted, who: str) -> None:
        id_ = f"{account.id}/{consent.scheme.id}"
        before = await scope.grants.load(id_)
        made = Grant(
            id=id_,
            tenant=account.tenant,
            account=account.id,
            scheme=consent.scheme.id,
            identity=granted.identity,
            scopes=granted.scopes,
        )
        await (scope.grants.add(made) if before is None else scope.grants.save(made, before.revision))

    async def give_back(self, consent: Consent, granted: Granted) -> None:
        self.returned.append(granted.tokens)
