"""Stores with something in them: two tenants, three connectors, and one of everything for each tenant and the house."""

from __future__ import annotations

from typing import Any

from apiloom.store.kinds import KINDS
from apiloom.store.ports import Scope, Store
from apiloom.store.records import (
    Account,
    ApiToken,
    Audited,
    Beat,
    Connector,
    ConnectSession,
    Event,
    Grant,
    HouseKey,
    OAuthClient,
    Overlay,
    Registration,
    Remembered,
    Server,
    ServerToken,
    SignIn,
    Tenant,
    TenantKey,
    TokenFamily,
    Toolset,
    Version,
)

ACME, GLOBEX = "acme", "globex"
OPEN, HIS, HERS = "open", "his", "hers"
"""Connectors: shown to all, to acme, to globex."""


def of_connector(slug: str, *, tenants: tuple[str, ...] | None) -> dict[str, Any]:
    return {
        "connectors": Connector(
            id=slug,
            title=slug.title(),
            source={"url": "https://api.example/openapi.json"},
            tenants=tenants,
            current=1,
            metadata={"team": slug},
        ),
        "versions": Version(
            id=f"{slug}/1",
            connector=slug,
            number=1,
            state="current",
            ledger={"operations": 3, "exposed": 3},
            findings=({"level": "note", "code": "x", "pointer": "/a"},),
            difference={"tools": [{"name": "a", "changes": []}]},
            promoted_at=12.5,
        ),
        "overlays": Overlay(id=f"ovl_{slug}", layer="connector", connector=slug, patch={"tools": {}}),
        "toolsets": Toolset(id=f"{slug}/all", connector=slug, name="all", select={"tags": ["a", "b"]}),
        "oauth_clients": OAuthClient(id=f"ocl_{slug}", connector=slug, client_id="house", sealed=b"\x00s"),
    }


def of_house() -> dict[str, Any]:
    """One record of each kind that is the house's alone."""
    return {
        "house_keys": HouseKey(id="tokens/1", purpose="tokens", version=1, wrapped=b"\x00wrapped"),
        "beats": Beat(id="nod_1", started_at=1.5, at=2.5),
        "registrations": Registration(
            id="https://client.example/metadata",
            kind="document",
            name="Client",
            redirect_uris=("https://client.example/back",),
            metadata={"logo_uri": None},
            expires_at=9.5,
        ),
        "sign_ins": SignIn(id="sgn_1", client="c", digest=b"sign", asked={"scope": "a b"}, sealed=b"\x00s"),
    }


def of_tenant(tenant: str) -> dict[str, Any]:
    """One record of each kind that a tenant has, in an order in which each names only earlier ones."""
    return {
        "tenants": Tenant(id=tenant, name=tenant.title(), external_id=f"ext-{tenant}", metadata={"plan": "big"}),
        "tenant_keys": TenantKey(id=f"{tenant}/1", tenant=tenant, version=1, wrapped=b"\x00wrapped"),
        "accounts": Account(
            id=f"acc_{tenant}",
            tenant=tenant,
            connector=OPEN,
            label="Größe 🧵",
            variables={"region": "eu"},
            schemes=("token",),
            sealed=bytes(range(256)),
            end_user="u1",
            external_id="x1",
            metadata={"tier": 3, "beta": True, "ratio": 1.5, "none": None, "text": "3"},
        ),
        "servers": Server(
            id=f"srv_{tenant}",
            tenant=tenant,
            name="main",
            accounts=(f"acc_{tenant}",),
            connectors=(OPEN,),
            config={"methods": ["read"], "tags": None, "deep": {"a": [1, 2.5, "x", False]}},
            toolsets_off=("b", "a"),
            expires_at=1_900_000_000.25,
            external_id="x1",
        ),
        "server_tokens": ServerToken(
            id=f"tok_{tenant}", tenant=tenant, server=f"srv_{tenant}", digest=f"s-{tenant}".encode()
        ),
        "api_tokens": ApiToken(
            id=f"key_{tenant}",
            tenant=tenant,
            name="ci",
            role="tenant-admin",
            digest=f"a-{tenant}".encode(),
            servers=(f"srv_{tenant}",),
        ),
        "overlays": Overlay(
            id=f"ovl_{tenant}", layer="tenant", connector=OPEN, tenant=tenant, target=tenant, patch={"x": 1}
        ),
        "toolsets": Toolset(id=f"{OPEN}/mine@{tenant}", connector=OPEN, name="mine", tenant=tenant, select={}),
        "oauth_clients": OAuthClient(
            id=f"ocl_{tenant}",
            connector=OPEN,
            tenant=tenant,
            provider="github",
            client_id="its",
            sealed=b"\x00s",
            scopes=("b", "a"),
            endpoints={"token_url": "https://id.example/token"},
            parameters={"prompt": "consent"},
        ),
        "grants": Grant(
            id=f"acc_{tenant}/oauth",
            tenant=tenant,
            account=f"acc_{tenant}",
            scheme="oauth",
            client=f"ocl_{tenant}",
            sealed=b"\x00tokens",
            scopes=("read", "write"),
            identity={"sub": "1", "name": "Größe"},
            generation=7,
            expires_at=1_900_000_000.5,
            refresh_at=1_899_999_900.5,
        ),
        "connect_sessions": ConnectSession(
            id=f"cs_{tenant}",
            tenant=tenant,
            connector=OPEN,
            digest=f"c-{tenant}".encode(),
            wanted={"variables": {"region": "eu"}},
            origins=("https://app.example",),
        ),
        "events": Event(id=f"evt_1{tenant}", at=1.0, kind="account.needs_reconnect", tenant=tenant, detail={"a": [1]}),
        "token_families": TokenFamily(
            id=f"fam_{tenant}",
            tenant=tenant,
            client="c",
            subject="alice",
            principal={"role": "agent", "servers": None},
            scopes=("mcp",),
            digest=f"f-{tenant}".encode(),
        ),
        "audit": Audited(id=f"aud_1{tenant}", at=1.0, principal="key_1", action="call", tenant=tenant),
        "remembered": Remembered(id=f"h-{tenant}", request="q", status=201, tenant=tenant, answer={"id": "x"}),
    }


def rows_of(scope: Scope, name: str) -> Any:
    return getattr(scope, name)


async def furnish(store: Store) -> None:
    """Fill a fresh store."""
    async with store.writing() as work:
        house = work.house()
        for slug, tenants in ((OPEN, None), (HIS, (ACME,)), (HERS, ("x", GLOBEX))):
            for name, record in of_connector(slug, tenants=tenants).items():
                await rows_of(house, name).add(record)
            await house.versions.put_content(f"{slug}/1", document=f"doc {slug}".encode(), artefact=slug.encode())
        for tenant in (ACME, GLOBEX):
            for name, record in of_tenant(tenant).items():
                await rows_of(house, name).add(record)
        for name, record in of_house().items():
            await rows_of(house, name).add(record)
        await house.events.add(Event(id="evt_2house", at=2.0, kind="x"))
        await house.token_families.add(TokenFamily(id="fam_house", tenant=None, client="c", subject="o", digest=b"fh"))
        await house.api_tokens.add(ApiToken(id="key_house", tenant=None, name="root", role="owner", digest=b"house"))
        await house.audit.add(Audited(id="aud_2house", at=2.0, principal="key_house", action="x", tenant=None))


async def seen(scope: Scope) -> dict[str, set[str]]:
    """The ids of all that a scope shows."""
    return {kind.rows: {record.id for record in await rows_of(scope, kind.rows).every()} for kind in KINDS}
