"""Every operation of the API for everyone who may ask: who passes is said here, and nobody else does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apiloom.base import json
from apiloom.console.api.build import build_document
from apiloom.flows.connecting import new_code
from apiloom.store.records import Grant, OAuthClient, Overlay, TokenFamily, Toolset
from support.admin import PETS, AdminHouse
from support.grounds import NOON

# O owner, P operator, A auditor: of the house. p operator, a auditor, t tenant-admin, g agent: of the tenant acme,
# whose things are asked for. l: an agent limited to acme's server. f, o, e: tenant-admin, operator and agent of another
# tenant. s: whoever shows a server's token.
WHO: dict[str, dict[str, Any]] = {
    "O": {"role": "owner"},
    "P": {"role": "operator"},
    "A": {"role": "auditor"},
    "p": {"role": "operator", "tenant": "acme"},
    "a": {"role": "auditor", "tenant": "acme"},
    "t": {"role": "tenant-admin", "tenant": "acme"},
    "g": {"role": "agent", "tenant": "acme"},
    "l": {"role": "agent", "tenant": "acme"},
    "f": {"role": "tenant-admin", "tenant": "other"},
    "o": {"role": "operator", "tenant": "other"},
    "e": {"role": "agent", "tenant": "other"},
    "s": {"role": ""},
}
FOREIGN = "foe"
EVERYONE = "OPApatglfoe"

SERVER = {"name": "new", "expires_at": "2027-02-01T00:00:00Z"}

MAY = {
    # operation: method, path, body, who passes
    "whoami": ("GET", "/whoami", None, EVERYONE),
    "read_health": ("GET", "/health", None, EVERYONE),
    "list_tenants": ("GET", "/tenants", None, "OPApatfo"),
    "create_tenant": ("POST", "/tenants", {"id": "new"}, "OP"),
    "read_tenant": ("GET", "/tenants/acme", None, "OPApat"),
    "update_tenant": ("PATCH", "/tenants/acme", {"name": "New"}, "OPp"),
    "delete_tenant": ("DELETE", "/tenants/acme?cascade=true", None, "O"),
    "list_connectors": ("GET", "/connectors", None, EVERYONE),
    "create_connector": ("POST", "/connectors", {"slug": "new", "source": {"text": "{document}"}}, "OP"),
    "read_connector": ("GET", "/connectors/pets", None, EVERYONE),
    "update_connector": ("PATCH", "/connectors/pets", {"title": "New"}, "OP"),
    "delete_connector": ("DELETE", "/connectors/pets?cascade=true", None, "OP"),
    "list_versions": ("GET", "/connectors/pets/versions", None, EVERYONE),
    "import_version": ("POST", "/connectors/pets/versions", {"source": {"text": "{document}"}}, "OP"),
    "read_version": ("GET", "/connectors/pets/versions/1", None, EVERYONE),
    "read_difference": ("GET", "/connectors/pets/versions/1/difference", None, EVERYONE),
    "list_version_tools": ("GET", "/connectors/pets/versions/1/tools", None, EVERYONE),
    "read_document": ("GET", "/connectors/pets/versions/1/document", None, "OPA"),
    "promote_version": ("POST", "/connectors/pets/versions/3/promote", None, "OP"),
    "reject_version": ("POST", "/connectors/pets/versions/4/reject", None, "OP"),
    "rollback_connector": ("POST", "/connectors/pets/rollback", None, "OP"),
    "list_accounts": ("GET", "/accounts", None, "OPApatfo"),
    "create_account": ("POST", "/accounts", {"tenant": "acme", "connector": "pets"}, "OPpt"),
    "read_account": ("GET", "/accounts/{account}", None, "OPApat"),
    "update_account": ("PATCH", "/accounts/{account}", {"label": "New"}, "OPpt"),
    "delete_account": ("DELETE", "/accounts/{account}?cascade=true", None, "OPpt"),
    "test_account": ("POST", "/accounts/{account}/test", {}, "OPpt"),
    "refresh_account": ("POST", "/accounts/{account}/refresh", None, "OPpt"),
    "revoke_account": ("POST", "/accounts/{account}/revoke", None, "OPpt"),
    "list_credential_health": ("GET", "/health/credentials", None, "OPApatfo"),
    "create_account_server": ("POST", "/accounts/{account}/servers", SERVER, "OPpt"),
    "list_oauth_clients": ("GET", "/oauth-clients", None, "OPApatfo"),
    "create_oauth_client": (
        "POST",
        "/oauth-clients",
        {"tenant": "acme", "connector": "pets", "scheme": "new", "client_id": "c", "secret": "s"},
        "OPpt",
    ),
    "read_oauth_client": ("GET", "/oauth-clients/ocl_acme", None, "OPApat"),
    "update_oauth_client": ("PATCH", "/oauth-clients/ocl_acme", {"label": "New"}, "OPpt"),
    "delete_oauth_client": ("DELETE", "/oauth-clients/ocl_acme", None, "OPpt"),
    "list_connect_sessions": ("GET", "/connect-sessions", None, "OPApatfo"),
    "create_connect_session": ("POST", "/connect-sessions", {"tenant": "acme", "connector": "pets"}, "OPpt"),
    "read_connect_session": ("GET", "/connect-sessions/{session}", None, "OPApat"),
    "delete_connect_session": ("DELETE", "/connect-sessions/{session}", None, "OPpt"),
    "redeem_connect_code": ("POST", "/connect-sessions/redeem", {"code": "{code}"}, "OPpt"),
    "list_sign_ins": ("GET", "/sign-ins", None, "OPApatfo"),
    "read_sign_in": ("GET", "/sign-ins/{sign_in}", None, "OPApat"),
    "end_sign_in": ("DELETE", "/sign-ins/{sign_in}", None, "OPpt"),
    "list_events": ("GET", "/events", None, "OPApatfo"),
    "list_servers": ("GET", "/servers", None, EVERYONE),
    "create_server": ("POST", "/servers", {**SERVER, "tenant": "acme", "connectors": ["pets"]}, "OPpt"),
    "read_server": ("GET", "/servers/{server}", None, "OPApatgl"),
    "show_server": ("GET", "/servers/{server}/shown", None, "OPApatgl"),
    "update_server": ("PATCH", "/servers/{server}", {"enabled": False}, "OPpt"),
    "delete_server": ("DELETE", "/servers/{server}", None, "OPpt"),
    "switch_toolset": ("POST", "/servers/{server}/toolsets", {"name": "house", "on": False}, "OPpt"),
    "list_server_tokens": ("GET", "/servers/{server}/tokens", None, "OPApat"),
    "create_server_token": ("POST", "/servers/{server}/tokens", {"label": "new"}, "OPpt"),
    "delete_server_token": ("DELETE", "/servers/{server}/tokens/{server_token}", None, "OPpt"),
    "rotate_server_token": ("POST", "/servers/{server}/rotate", {}, "OPpt"),
    "list_toolsets": ("GET", "/toolsets", None, EVERYONE),
    "create_toolset": (
        "POST",
        "/toolsets",
        {"connector": "pets", "name": "new", "tenant": "acme", "select": {"tags": ["pets"]}},
        "OPpt",
    ),
    "read_toolset": ("GET", "/toolsets/pets%2Facmes@acme", None, "OPApatgl"),
    "update_toolset": ("PATCH", "/toolsets/pets%2Facmes@acme", {"title": "New"}, "OPpt"),
    "delete_toolset": ("DELETE", "/toolsets/pets%2Facmes@acme", None, "OPpt"),
    "list_overlays": ("GET", "/overlays", None, "OPApatfo"),
    "create_overlay": (
        "POST",
        "/overlays",
        {
            "layer": "server",
            "connector": "pets",
            "target": "{server}",
            "patch": {"tools": {"list_pets": {"title": "All"}}},
        },
        "OPpt",
    ),
    "read_overlay": ("GET", "/overlays/ovl_acme", None, "OPApat"),
    "update_overlay": ("PATCH", "/overlays/ovl_acme", {"patch": {"tools": {"list_pets": {"title": "New"}}}}, "OPpt"),
    "delete_overlay": ("DELETE", "/overlays/ovl_acme", None, "OPpt"),
    "list_api_tokens": ("GET", "/api-tokens", None, "OPApatfo"),
    "create_api_token": ("POST", "/api-tokens", {"name": "new", "role": "agent", "tenant": "acme"}, "OPpt"),
    "read_api_token": ("GET", "/api-tokens/{api_token}", None, "OPApat"),
    "delete_api_token": ("DELETE", "/api-tokens/{api_token}", None, "OPpt"),
    "rotate_api_token": ("POST", "/api-tokens/{api_token}/rotate", {}, "OPpt"),
    "report_leaked_tokens": ("POST", "/api-tokens/leaked", {"text": "nothing"}, "OPptfo"),
    "search_catalogue": ("GET", "/catalogue", None, EVERYONE),
    "read_catalogue_entry": ("GET", "/catalogue/github", None, EVERYONE),
    "list_audit": ("GET", "/audit", None, "OPApatfo"),
}


def operations() -> dict[str, tuple[str, str]]:
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in build_document()["paths"].items()
        for method, operation in item.items()
    }


@dataclass
class Prepared:
    """A house with all that the table asks for, put back as it was before each question."""

    house: AdminHouse
    ids: dict[str, str]
    memory: Any = field(init=False)

    def __post_init__(self) -> None:
        self.memory = self.house.store._memory  # type: ignore[attr-defined]

    async def ask(self, operation: str, who: str, **ids: str) -> Any:
        method, path, body, _ = MAY[operation]
        known = {**self.ids, **ids}
        self.house.store._memory = self.memory.copied()  # type: ignore[attr-defined]
        if isinstance(body, dict) and body.get("target") == "{server}":
            body = {**body, "target": known["server"]}
        if isinstance(body, dict) and body.get("code") == "{code}":
            body = {"code": known["code"]}
        if isinstance(body, dict) and "source" in body:
            body = {**body, "source": {"text": json.dumps(PETS).decode()}}
        return await self.house.ask(method, path.format(**known), body, token=who)

    def trips(self) -> int:
        return int(self.house.store.trips)  # type: ignore[attr-defined]

    def changed(self) -> bool:
        return bool(self.house.store._memory.rows != self.memory.rows)  # type: ignore[attr-defined]


_READY: list[Prepared] = []


@pytest.fixture
async def prepared() -> Prepared:
    """Made once: each question finds the house as it was."""
    if not _READY:
        _READY.append(await _prepare())
    return _READY[0]


async def _prepare() -> Prepared:
    house = AdminHouse()
    await house.pets()
    async with house.store.writing() as work:
        scope = work.house()
        await scope.toolsets.add(Toolset(id="pets/house", connector="pets", name="house", select={"tags": ["shops"]}))
    for tenant in ("acme", "other"):
        assert (await house.ask("POST", "/tenants", {"id": tenant})).status == 201
    async with house.store.writing() as work:
        acme = work.tenant("acme")
        await acme.toolsets.add(
            Toolset(id="pets/acmes@acme", connector="pets", name="acmes", tenant="acme", select={"tags": ["pets"]})
        )
        await acme.oauth_clients.add(OAuthClient(id="ocl_acme", connector="pets", tenant="acme", client_id="c"))
        await acme.token_families.add(
            TokenFamily(
                id="fam_acmeacmeacmeacmeacme",
                tenant="acme",
                client="cli_1",
                subject="oidc:ada",
                principal={"role": "agent"},
                expires_at=NOON + 86400,
            )
        )
        await acme.overlays.add(
            Overlay(
                id="ovl_acme",
                layer="tenant",
                connector="pets",
                tenant="acme",
                target="acme",
                patch={"tools": {"list_pets": {"title": "Old"}}},
            )
        )
    account = (await house.ask("POST", "/accounts", {"tenant": "acme", "connector": "pets"})).value
    async with house.store.writing() as work:
        granted = Grant(id=f"{account['id']}/login", tenant="acme", account=account["id"], scheme="login")
        await work.tenant("acme").grants.add(granted)
    server = (await house.ask("POST", f"/accounts/{account['id']}/servers", SERVER | {"name": "old"})).value
    token = (await house.ask("POST", "/api-tokens", {"name": "n", "role": "agent", "tenant": "acme"})).value
    for who, principal in WHO.items():
        limits = {"servers": (server["id"],)} if who == "l" else {}
        house.principal(who, expires_at=NOON + 90 * 86400, **principal, **limits)
    ids = {
        "account": account["id"],
        "server": server["id"],
        "server_token": server["token_id"],
        "api_token": token["id"],
        "sign_in": "fam_acmeacmeacmeacmeacme",
        **await _connecting(house),
    }
    return Prepared(house, ids)


async def _connecting(house: AdminHouse) -> dict[str, str]:
    """A connect session that is done, with a code that nobody has redeemed."""
    made = (await house.ask("POST", "/connect-sessions", {"tenant": "acme", "connector": "pets"})).value
    async with house.store.writing() as work:
        rows = work.tenant("acme").connect_sessions
        session = await rows.load(made["id"])
        assert session is not None
        code, done = new_code(house.ground, replace(session, state="done"))
        await rows.save(done, session.revision)
    return {"session": made["id"], "code": code}


def test_the_table_asks_for_every_operation_of_the_description() -> None:
    assert sorted(MAY) == sorted(operations())


@pytest.mark.parametrize("operation", MAY)
async def test_who_passes_is_in_the_table(prepared: Prepared, operation: str) -> None:
    passes = MAY[operation][3]
    for who in WHO:
        answer = await prepared.ask(operation, who)
        if who in passes:
            assert answer.status < 300, (who, answer.value)
            if operation != "read_document" and "revision" in answer.value:
                assert answer.headers["etag"] == f'"{answer.value["revision"]}"'
            continue
        wanted = {401} if who == "s" else {403, 404} if who in FOREIGN else {403}
        assert answer.status in wanted, (who, answer.value)
        assert not prepared.changed(), who


@pytest.mark.parametrize("operation", [name for name, (_, path, _, _) in MAY.items() if "{" in path or "acme" in path])
async def test_what_is_another_tenants_is_like_what_never_was(prepared: Prepared, operation: str) -> None:
    nobody = {name: f"{id_[:4]}{'z' * 20}" for name, id_ in prepared.ids.items()}
    for who in FOREIGN:
        before = prepared.trips()
        foreign = await prepared.ask(operation, who)
        between = prepared.trips()
        asked_for = MAY[operation]
        MAY[operation] = (asked_for[0], asked_for[1].replace("acme", "none"), *asked_for[2:])
        try:
            unknown = await prepared.ask(operation, who, **nobody)
        finally:
            MAY[operation] = asked_for
        assert foreign.status == unknown.status in {403, 404}
        assert bare(foreign, {**prepared.ids, "": "acme"}) == bare(unknown, {**nobody, "": "none"})
        assert between - before == prepared.trips() - between, "the same questions are asked of the store"


def bare(answer: Any, ids: dict[str, str]) -> tuple[Any, str]:
    """An answer without its number and the ids that were asked for."""
    text = answer.body.decode().replace(answer.value["request_id"], "")
    for id_ in ids.values():
        text = text.replace(id_, "ID")
    heads = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "content-length"}}
    return heads, text
