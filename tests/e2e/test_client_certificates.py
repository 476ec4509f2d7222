"""Accounts that show certificates of their own: each its own, over connections of its own, to its own API alone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from support.catalogs import OK, catalog_of
from support.gateway import Gateway, call, gateway, http
from support.sockets import Peer, answer, peer
from support.tls import Identity, identity, server_context

AUTHORITY = identity("authority")
ADA, BOB = (identity(name, f"{name}.example", by=AUTHORITY) for name in ("ada", "bob"))
SCHEMES = {"mtls": {"type": "mutualTLS"}, "token": {"type": "http", "scheme": "bearer"}}
LOOK = {"summary": "Look", "responses": OK}


@dataclass
class Asking:
    """An API that asks for certificates; ``shown`` are the names on those it saw, empty for none."""

    it: Peer
    shown: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.it.origin


@contextlib.asynccontextmanager
async def asking(folder: Path, *, demanding: bool = True) -> AsyncIterator[Asking]:
    folder.mkdir()
    context = server_context(identity("server", "127.0.0.1", by=AUTHORITY), folder, clients_of=AUTHORITY)
    if not demanding:
        context.verify_mode = ssl.CERT_OPTIONAL
    shown: list[str] = []

    async def script(_it: Peer, writer: asyncio.StreamWriter) -> None:
        found: Any = writer.get_extra_info("peercert") or {}
        names = [value for group in found.get("subject", ()) for key, value in group if key == "commonName"]
        shown.append(names[0] if names else "")
        writer.write(answer(b'{"seen": true}', "Content-Type: application/json"))
        await writer.drain()

    async with peer(script, tls=context) as it:
        yield Asking(it, shown)


def form(of: Identity) -> dict[str, str]:
    return {
        "certificate": of.certificate_pem.decode(),
        "private_key": of.pem.removeprefix(of.certificate_pem).decode(),
    }


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[Gateway]:
    (folder / "ca.pem").write_bytes(AUTHORITY.certificate_pem)
    async with gateway(folder, surroundings={"APILOOM_CA_FILE": str(folder / "ca.pem")}) as running:
        yield running


async def account(at: Gateway, label: str, credentials: dict[str, Any]) -> tuple[str, str]:
    made = await at.account("bank", label=label, credentials=credentials)
    return made.id, at.at(await at.server(accounts=[made.id]))


async def test_each_account_shows_its_own_certificate_over_connections_of_its_own(tmp_path: Path) -> None:
    paths = {"/look": {"get": {**LOOK, "operationId": "look"}}}
    artefact = pack(catalog_of(paths, {}, SCHEMES, security=[{"mtls": [], "token": []}]))
    async with asking(tmp_path / "api") as api, house(tmp_path) as at, http() as client:
        await at.connector("bank", api.origin, artefact)
        ada_id, ada = await account(at, "ada", {"mtls": form(ADA), "token": {"token": "ada-token"}})
        _, bob = await account(at, "bob", {"mtls": form(BOB), "token": {"token": "bob-token"}})
        _, nobody = await account(at, "nobody", {"token": {"token": "bare-token"}})
        for _ in range(2):
            for url in (ada, bob):
                assert await call(client, url, "look") == {"seen": True}
        assert api.shown == ["ada", "bob", "ada", "bob"]
        assert api.it.connections == 2
        assert api.it.header("authorization") == [b"Bearer bob-token"]
        refused = await call(client, nobody, "look")
        assert "127.0.0.1" in refused
        assert len(api.shown) == 4
        changed = {"credentials": {"mtls": form(BOB), "token": {"token": "ada-token"}}}
        await at.done(patch_account(at.ground, HOST, ada_id, changed))
        assert await call(client, ada, "look") == {"seen": True}
        assert api.shown[4:] == ["bob"]
        before = api.it.connections
        assert await call(client, bob, "look") == {"seen": True}
        assert api.it.connections == before


async def test_a_certificate_is_shown_to_no_other_origin(tmp_path: Path) -> None:
    async with (
        asking(tmp_path / "api") as api,
        asking(tmp_path / "other", demanding=False) as other,
        house(tmp_path) as at,
        http() as client,
    ):
        paths = {
            "/look": {"get": {**LOOK, "operationId": "look"}},
            "/away": {"get": {**LOOK, "operationId": "away"}, "servers": [{"url": other.origin}]},
        }
        servers = [{"url": api.origin}]
        artefact = pack(catalog_of(paths, {}, SCHEMES, security=[{"mtls": []}], servers=servers))
        await at.connector("bank", "", artefact)
        _, url = await account(at, "ada", {"mtls": form(ADA)})
        assert await call(client, url, "look") == {"seen": True}
        assert await call(client, url, "away") == {"seen": True}
        assert (api.shown, other.shown) == (["ada"], [""])


async def test_closing_a_node_closes_the_connections_that_show_a_certificate(tmp_path: Path) -> None:
    paths = {"/look": {"get": {**LOOK, "operationId": "look"}}}
    artefact = pack(catalog_of(paths, {}, SCHEMES, security=[{"mtls": []}]))
    async with asking(tmp_path / "api") as api:
        async with house(tmp_path) as at, http() as client:
            await at.connector("bank", api.origin, artefact)
            _, url = await account(at, "ada", {"mtls": form(ADA)})
            assert await call(client, url, "look") == {"seen": True}
            assert not api.it.gone.is_set()
        async with asyncio.timeout(10):
            await api.it.gone.wait()
