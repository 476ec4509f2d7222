"""The ground that flows stand on, with real versions of a small shop and plain stand-ins for custody and imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiloom.base.errors import CallerError, DesignError, HouseFault
from apiloom.catalog import overlays
from apiloom.catalog.overlaid import apply_overlays
from apiloom.catalog.selection import Offer, check_selection, pick
from apiloom.catalog.server_config import read_config
from apiloom.catalog.servers import resolve_origin
from apiloom.catalog.toolsets import members, read_membership
from apiloom.compile.artefact import Artefact, pack, unpack
from apiloom.flows.ground import Compiled, Ground, Imported, ImportJob, Minted, Part, Shown
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import TokenHasher, mint
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Connector, Server, Tenant, Toolset, Version
from apiloom.vault.given import parse_credentials
from support.catalogs import OK, catalog_of
from support.consents import Consents
from support.memory_store import MemoryStore
from support.renewer import Renewer

OWNER = Principal(id="key_owner", role="owner", token="key_owner")
HOST_OWNER = Principal(id="host", role="owner", allow_commands=True)
OPERATOR = Principal(id="key_operator", role="operator", token="key_operator")
AUDITOR = Principal(id="key_auditor", role="auditor", token="key_auditor")
NOON = 1_800_000_000.0


def admin(tenant: str, **members: Any) -> Principal:
    """A tenant's administrator."""
    return Principal(id=f"key_{tenant}", token=f"key_{tenant}", tenant=tenant, role="tenant-admin", **members)


def agent(tenant: str, **members: Any) -> Principal:
    """A tenant's agent."""
    return Principal(id=f"key_{tenant}_agent", token=f"key_{tenant}_agent", tenant=tenant, role="agent", **members)


SHOP_PATHS: Mapping[str, Any] = {
    "/items": {
        "get": {"operationId": "listItems", "tags": ["items"], "responses": OK},
        "post": {"operationId": "createItem", "tags": ["items"], "responses": OK},
    },
    "/items/{id}": {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": {"operationId": "getItem", "tags": ["items"], "summary": "Get an item", "responses": OK},
        "delete": {"operationId": "deleteItem", "tags": ["items"], "responses": OK},
    },
    "/orders": {"get": {"operationId": "listOrders", "tags": ["orders"], "responses": OK}},
}
SHOP_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "login": {"type": "http", "scheme": "basic"},
}
SHOP_SERVERS = [
    {
        "url": "https://{region}.shop.example.com/{stage}",
        "variables": {"region": {"default": "eu"}, "stage": {"default": "v1"}},
    }
]


def shop_artefact() -> bytes:
    """A small shop: five tools, two schemes, and a server with two variables of which one is in the host."""
    return pack(catalog_of(SHOP_PATHS, schemes=SHOP_SCHEMES, servers=SHOP_SERVERS, security=[{"key": []}]))


class CompiledVersions:
    """What versions say, from their artefacts; unpacked once for each hash."""

    def __init__(self) -> None:
        self._unpacked: dict[str, Artefact] = {}

    async def artefact(self, compiled: Compiled) -> Artefact:
        found = self._unpacked.get(compiled.version.hash)
        if found is None:
            found = self._unpacked[compiled.version.hash] = unpack(await compiled.artefact())
        return found

    async def read(self, compiled: Compiled) -> overlays.Ground:
        artefact = await self.artefact(compiled)
        return overlays.Ground(tools=artefact.tools, schemas=artefact.schemas, aliases=artefact.aliases)

    async def check_account(
        self, compiled: Compiled, variables: Mapping[str, str], credentials: Mapping[str, Mapping[str, str]]
    ) -> frozenset[str]:
        artefact = await self.artefact(compiled)
        parse_credentials(credentials, lambda _: "followed")
        for scheme in credentials:
            if scheme not in artefact.schemes:
                raise DesignError(f"there is no scheme {scheme}", code="credentials.scheme")
        servers = list({s.url: s for tool in artefact.tools.values() for s in tool.binding.servers}.values())
        known = {name for server in servers for name in server.variables}
        for name in variables:
            if name not in known:
                raise DesignError(f"there is no server variable {name}", code="server.variable")
        return frozenset(resolve_origin([server], variables=variables).origin for server in servers)

    async def show(self, server: Server, parts: Sequence[Part]) -> Shown:
        selection = read_config(server.config).selection(server.toolsets_off)
        offers = [await self._offer(part) for part in parts]
        unknown = None
        try:
            check_selection(offers, selection)
        except CallerError as error:
            unknown = error
        names = [name for offer in offers for name in pick(offer, selection)]
        return Shown(
            tools=len(names), tokens=10 * len(names), warnings=() if names else ("it shows no tool",), unknown=unknown
        )

    async def _offer(self, part: Part) -> Offer:
        artefact = await self.artefact(part.compiled)
        tools = apply_overlays(artefact.tools, [each.patch for each in part.overlays], artefact.aliases)
        held = {each.name: members(read_membership(each.select), tools) for each in part.toolsets}
        return Offer(tools=dict(tools), toolsets=held, prefix=part.compiled.version.connector)


class PlainSealing:
    """Seals nothing, but binds to tenant and record as sealing does, and can be read by no store."""

    async def seal(self, scope: Scope, tenant: str, record: str, plain: bytes) -> bytes:
        return f"{tenant}|{record}|".encode() + plain[::-1]

    async def open(self, scope: Scope, tenant: str, record: str, sealed: bytes) -> bytes:
        head = f"{tenant}|{record}|".encode()
        if not sealed.startswith(head):
            raise HouseFault("it was sealed for another record", code="vault.sealed")
        return sealed[len(head) :][::-1]


class NoImports:
    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        raise CallerError("nothing is imported here", code="import.none")


@dataclass
class Clock:
    """A time that stands until it is moved."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Grounds:
    """A ground and what a test turns and reads on it."""

    ground: Ground
    clock: Clock
    commits: list[None] = field(default_factory=list)


def ground_on(store: Store | None = None, **members: Any) -> Grounds:
    """A ground on a store, in memory where none is given; empty but for what a fresh store has."""
    hasher = TokenHasher({1: b"1" * 32, 2: b"2" * 32}, 2)
    clock = Clock()
    commits: list[None] = []

    def minted(kind: str) -> Minted:
        text = mint("als" if kind == "als" else "ala")
        digest, version = hasher.digest(text)
        return Minted(text=text, digest=digest, key_version=version)

    ground = Ground(
        store=store or MemoryStore(),
        sealing=PlainSealing(),
        imports=NoImports(),
        versions=CompiledVersions(),
        digests=hasher.digests,
        mint=minted,
        now=clock,
        public_url="https://loom.example.com",
        committed=lambda: commits.append(None),
        **{"connecting": Consents(), "grants": Renewer(), **members},
    )
    return Grounds(ground=ground, clock=clock, commits=commits)


async def with_shop(store: Store | None = None, **members: Any) -> Grounds:
    """A ground with the connector ``shop`` for all, ``vault`` for acme alone, and the tenants acme and bolt."""
    grounds = ground_on(store, **members)
    artefact = shop_artefact()
    async with grounds.ground.store.writing() as work:
        house = work.house()
        for tenant in ("acme", "bolt"):
            await house.tenants.add(Tenant(id=tenant, created_at=NOON))
        await add_connector(house, "shop", artefact)
        await add_connector(house, "vault", artefact, tenants=("acme",))
        await house.toolsets.add(
            Toolset(id="shop/orders", connector="shop", name="orders", select={"tags": ["orders"]})
        )
    return grounds


async def add_connector(house: Scope, slug: str, artefact: bytes, tenants: tuple[str, ...] | None = None) -> None:
    """A connector with one current version."""
    await house.connectors.add(Connector(id=slug, title=slug, tenants=tenants, current=1, created_at=NOON))
    version = Version(
        id=f"{slug}/1",
        connector=slug,
        number=1,
        state="current",
        hash=unpack(artefact).hash,
        tools=5,
        created_at=NOON,
    )
    await house.versions.add(version)
    await house.versions.put_content(version.id, document=b"{}", artefact=artefact)
