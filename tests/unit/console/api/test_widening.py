"""Every kind of token tries to make or change something wider than itself; none succeeds, and nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.identity.roles import ROLES
from apiloom.store.records import TokenFamily
from support.admin import AdminHouse
from support.grounds import NOON

SOON, LATER = "2027-02-01T00:00:00Z", "2029-01-01T00:00:00Z"
ENDS = NOON + 60 * 86400

KINDS: dict[str, dict[str, Any]] = {
    "operator": {"role": "operator"},
    "auditor": {"role": "auditor"},
    "acme operator": {"role": "operator", "tenant": "acme"},
    "acme auditor": {"role": "auditor", "tenant": "acme"},
    "acme admin": {"role": "tenant-admin", "tenant": "acme"},
    "acme agent": {"role": "agent", "tenant": "acme"},
    "ann's admin": {"role": "tenant-admin", "tenant": "acme", "end_user": "ann"},
    "limited admin": {"role": "tenant-admin", "tenant": "acme", "servers": ("{server}",)},
    "server token": {"role": "", "tenant": "acme", "servers": ("{server}",)},
}

RANK = {"agent": 0, "tenant-admin": 1, "auditor": 1, "operator": 2, "owner": 3}


def attempts(kind: dict[str, Any]) -> dict[str, tuple[str, str, Any]]:
    """What would be wider than a kind of token."""
    own = {"tenant": kind.get("tenant"), "expires_at": SOON}
    house = not kind.get("tenant")
    tried: dict[str, tuple[str, str, Any]] = {
        f"a token as {role}": ("POST", "/api-tokens", {"name": "n", "role": role, **own})
        for role in ROLES
        if RANK[role] > RANK.get(kind["role"], -1)
    }
    tenant = kind.get("tenant") or "acme"
    inside = {"tenant": tenant, "expires_at": SOON}
    tried |= {
        "a token that lasts longer": (
            "POST",
            "/api-tokens",
            {"name": "n", "role": "agent", **inside, "expires_at": LATER},
        ),
        "a token for ever": ("POST", "/api-tokens", {"name": "n", "role": "agent", **inside, "expires_at": None}),
        "a token with commands": (
            "POST",
            "/api-tokens",
            {"name": "n", "role": "agent", **inside, "allow_commands": True},
        ),
        "a server that lasts longer": ("POST", "/servers", {"connectors": ["pets"], **inside, "expires_at": LATER}),
        "a server for ever": ("POST", "/servers", {"connectors": ["pets"], **inside, "expires_at": None}),
        "a server made endless": ("PATCH", "/servers/{server}", {"expires_at": None}),
        "a secret of the host": (
            "POST",
            "/accounts",
            {"tenant": tenant, "connector": "pets", "credentials": {"ApiKeyAuth": {"ref": "env:HOME"}}},
        ),
        "an OAuth secret of the host": (
            "POST",
            "/oauth-clients",
            {"tenant": tenant, "connector": "pets", "client_id": "c", "secret": {"ref": "env:HOME"}},
        ),
        "a file of the host": ("POST", "/connectors", {"slug": "x", "source": {"url": "file:///etc/passwd"}}),
        "the owner's sign-in ended": ("DELETE", "/sign-ins/{owner_sign_in}", None),
    }
    if not house:
        tried |= {
            "a token of the house": (
                "POST",
                "/api-tokens",
                {"name": "n", "role": "auditor", "expires_at": SOON, "tenant": ""},
            ),
            "a token of another tenant": (
                "POST",
                "/api-tokens",
                {"name": "n", "role": "agent", "tenant": "other", "expires_at": SOON},
            ),
            "an OAuth client of the house": ("PATCH", "/oauth-clients/{house_client}", {"client_id": "mine"}),
            "an OAuth client of another tenant": (
                "POST",
                "/oauth-clients",
                {"tenant": "other", "connector": "pets", "client_id": "c"},
            ),
            "an account of another tenant": ("POST", "/accounts", {"tenant": "other", "connector": "pets"}),
            "a server of another tenant": (
                "POST",
                "/servers",
                {"tenant": "other", "connectors": ["pets"], "expires_at": SOON},
            ),
            "a server of another's account": (
                "POST",
                "/servers",
                {"accounts": ["{foreign}"], "expires_at": SOON},
            ),
            "a server added to another's account": ("PATCH", "/servers/{server}", {"accounts": ["{foreign}"]}),
            "a connector for all": ("PATCH", "/connectors/pets", {"tenants": None}),
            "an overlay for all": ("POST", "/overlays", {"layer": "connector", "connector": "pets", "patch": {}}),
            "a toolset for another tenant": (
                "POST",
                "/toolsets",
                {"connector": "pets", "name": "x", "tenant": "other", "select": {"tags": ["pets"]}},
            ),
            "a version promoted": ("POST", "/connectors/pets/versions/3/promote", None),
            "the owner's token ended": ("DELETE", "/api-tokens/{owner_token}", None),
            "the owner's token replaced": ("POST", "/api-tokens/{owner_token}/rotate", {}),
        }
    if kind.get("end_user"):
        tried |= {
            "a token for another person": (
                "POST",
                "/api-tokens",
                {"name": "n", "role": "agent", **own, "end_user": "bob"},
            ),
            "a token for nobody": ("POST", "/api-tokens", {"name": "n", "role": "agent", **own}),
            "an account of another person": ("POST", "/accounts", {"connector": "pets", "end_user": "bob"}),
            "an OAuth client for everybody": (
                "POST",
                "/oauth-clients",
                {"connector": "pets", "client_id": "c", "tenant": tenant},
            ),
            "everybody's OAuth client": ("PATCH", "/oauth-clients/{acme_client}", {"client_id": "mine"}),
            "everybody's OAuth client ended": ("DELETE", "/oauth-clients/{acme_client}", None),
        }
    if kind.get("servers"):
        tried |= {
            "a token for all servers": ("POST", "/api-tokens", {"name": "n", "role": "agent", **own}),
            "one more server": ("POST", "/servers", {"connectors": ["pets"], "expires_at": SOON}),
            "another server read": ("GET", "/servers/{second}", None),
            "another server's tokens": ("GET", "/servers/{second}/tokens", None),
            "its own server widened": ("PATCH", "/servers/{server}", {"config": {"methods": ["read", "write"]}}),
        }
    return tried


_READY: list[tuple[AdminHouse, dict[str, str], Any]] = []


async def prepared() -> tuple[AdminHouse, dict[str, str], Any]:
    if not _READY:
        house = AdminHouse()
        await house.pets()
        for tenant in ("acme", "other"):
            await house.ask("POST", "/tenants", {"id": tenant})
        made = {
            "server": ("/servers", {"tenant": "acme", "connectors": ["pets"], "expires_at": SOON}),
            "second": ("/servers", {"tenant": "acme", "connectors": ["pets"], "expires_at": SOON}),
            "foreign": ("/accounts", {"tenant": "other", "connector": "pets"}),
            "house_client": ("/oauth-clients", {"connector": "pets", "client_id": "c"}),
            "acme_client": (
                "/oauth-clients",
                {"connector": "pets", "client_id": "c", "tenant": "acme", "scheme": "own"},
            ),
            "owner_token": ("/api-tokens", {"name": "o", "role": "owner"}),
        }
        ids = {name: (await house.ask("POST", *asked)).value["id"] for name, asked in made.items()}
        ids["owner_sign_in"] = "fam_ownerownerownerowner"
        owner = TokenFamily(
            id=ids["owner_sign_in"], tenant=None, client="c", subject="o", principal={"role": "owner"}, expires_at=ENDS
        )
        async with house.store.writing() as work:
            await work.house().token_families.add(owner)
        _READY.append((house, ids, house.store._memory))  # type: ignore[attr-defined]
    return _READY[0]


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(member, ids) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, ids) for member in value]
    return value.format(**ids) if isinstance(value, str) and value.startswith("{") else value


@pytest.mark.parametrize("name", KINDS)
async def test_no_token_makes_anything_wider_than_itself(name: str) -> None:
    house, ids, memory = await prepared()
    kind = dict(KINDS[name])
    if "servers" in kind:
        kind["servers"] = tuple(each.format(**ids) for each in kind["servers"])
    house.principal("who", expires_at=ENDS, **kind)
    tried = attempts(KINDS[name])
    assert len(tried) > 8
    for attempt, (method, path, body) in tried.items():
        house.store._memory = memory.copied()  # type: ignore[attr-defined]
        answer = await house.ask(method, path.format(**ids), filled(body, ids), token="who")
        assert answer.status in {401, 403, 404, 422}, (attempt, answer.value)
        assert house.store._memory.rows == memory.rows, attempt  # type: ignore[attr-defined]


async def test_the_same_asked_by_who_may_passes() -> None:
    house, ids, memory = await prepared()
    refused = []
    for kind in KINDS.values():
        for attempt, (method, path, body) in attempts(kind).items():
            house.store._memory = memory.copied()  # type: ignore[attr-defined]
            house.principal("host", "owner", allow_commands=True)
            answer = await house.ask(method, path.format(**ids), filled(body, ids), token="host")
            if answer.status >= 300:
                refused.append((attempt, answer.value["code"]))
    # an owner is the house's, and a tenant's token cannot be the auditor of one with an empty name
    assert {attempt for attempt, _ in refused} <= {
        "a token as owner",
        "a token as operator",
        "a file of the host",
        "a token of the house",
        "a server added to another's account",
        "a server of another's account",
        "a token with commands",
    }, refused
