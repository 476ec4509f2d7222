"""Nothing crosses a tenant: whatever anybody asks, on either store, no answer tells of another tenant's objects."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from apiloom.store.sql.counting import counting
from apiloom.vault.custody import create_key
from support.isolation import KINDS_SEEN, ONLY, TENANTS, Answered, Caller, World, stranger, world
from support.postgres import Postgres

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(params=ENGINES)
async def data(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a gateway keeps its records: a folder, or a database of its own, for which the key is there beforehand."""
    if request.param == "sqlite":
        return ""
    create_key(tmp_path / "keys" / "key")
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(await server.database()).replace("+asyncpg", "")


EDIT = {"tools": {"get_note": {"title": "Open"}}}

# What may be asked about one id of a kind: a method, a path and a body. OWN stands for something of the caller's own.
Asks = Callable[[str], list[tuple[str, str, Any]]]


def removals(path: str) -> list[tuple[str, str, Any]]:
    return [("DELETE", f"{path}{query}", None) for query in ("", "?plan=true", "?cascade=true")]


def on_account(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/accounts/{id_}"
    return [
        ("GET", at, None),
        ("PATCH", at, {"label": "x"}),
        ("PATCH", at, {"credentials": {"token": {"token": "x"}}}),
        *removals(at),
        ("POST", f"{at}/test", {}),
        ("POST", "/connect-sessions", {"account": id_}),
        ("POST", f"{at}/servers", {}),
        ("POST", "/servers", {"accounts": [id_]}),
        ("PATCH", "/servers/OWN", {"accounts": [id_]}),
        ("POST", "/overlays", {"layer": "account", "connector": "desk", "target": id_, "patch": EDIT}),
        ("GET", f"/overlays?target={id_}", None),
        ("GET", f"/audit?target={id_}", None),
    ]


def on_server(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/servers/{id_}"
    return [
        ("GET", at, None),
        ("GET", f"{at}/shown", None),
        ("PATCH", at, {"name": "x"}),
        ("PATCH", at, {"config": {"methods": ["custom"]}}),
        *removals(at),
        ("POST", f"{at}/toolsets", {"name": "mine", "on": False}),
        ("GET", f"{at}/tokens", None),
        ("POST", f"{at}/tokens", {}),
        ("POST", f"{at}/rotate", {}),
        ("POST", "/api-tokens", {"name": "x", "role": "agent", "servers": [id_]}),
        ("POST", "/overlays", {"layer": "server", "connector": "desk", "target": id_, "patch": EDIT}),
        ("GET", f"/audit?target={id_}", None),
    ]


def on_server_token(id_: str) -> list[tuple[str, str, Any]]:
    return [
        ("DELETE", f"/servers/OWN/tokens/{id_}", None),
        ("POST", "/servers/OWN/rotate", {"token": id_}),
        ("GET", f"/audit?target={id_}", None),
    ]


def on_api_token(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/api-tokens/{id_}"
    asked = [("GET", at, None), *removals(at), ("POST", f"{at}/rotate", {})]
    return [*asked, ("GET", f"/audit?principal=token:{id_}", None)]


def on_overlay(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/overlays/{id_}"
    return [("GET", at, None), ("PATCH", at, {"patch": EDIT}), *removals(at)]


def on_toolset(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/toolsets/{quote(id_, safe='')}"
    return [("GET", at, None), ("PATCH", at, {"title": "x"}), *removals(at)]


def on_oauth_client(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/oauth-clients/{id_}"
    return [("GET", at, None), ("PATCH", at, {"label": "x", "secret": None}), *removals(at)]


def on_connect_session(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/connect-sessions/{id_}"
    return [("GET", at, None), *removals(at), ("POST", "/connect-sessions/redeem", {"code": f"{id_}.x"})]


def on_sign_in(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/sign-ins/{id_}"
    return [("GET", at, None), *removals(at), ("GET", f"/audit?target={id_}", None)]


def on_tenant(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/tenants/{id_}"
    return [
        ("GET", at, None),
        ("PATCH", at, {"name": "x"}),
        *removals(at),
        *(("GET", f"/{kind}?tenant={id_}", None) for kind in ("accounts", "servers", "overlays", "api-tokens")),
        ("GET", f"/toolsets?tenant={id_}", None),
        ("GET", f"/audit?tenant={id_}", None),
        ("GET", f"/oauth-clients?tenant={id_}", None),
        ("GET", f"/events?tenant={id_}", None),
        ("GET", f"/connect-sessions?tenant={id_}", None),
        ("GET", f"/sign-ins?tenant={id_}", None),
        ("POST", "/connect-sessions", {"tenant": id_, "connector": "desk"}),
        ("POST", "/oauth-clients", {"tenant": id_, "connector": "desk", "client_id": "x"}),
        ("POST", "/accounts", {"tenant": id_, "connector": "desk"}),
        ("POST", "/servers", {"tenant": id_, "connectors": ["desk"]}),
        ("POST", "/api-tokens", {"tenant": id_, "role": "agent", "name": "x"}),
        ("POST", "/toolsets", {"tenant": id_, "connector": "desk", "name": "x", "select": {"tags": ["notes"]}}),
        ("POST", "/overlays", {"layer": "tenant", "tenant": id_, "connector": "desk", "patch": EDIT}),
        ("POST", "/overlays", {"layer": "tenant", "target": id_, "connector": "desk", "patch": EDIT}),
    ]


def on_connector(id_: str) -> list[tuple[str, str, Any]]:
    at = f"/connectors/{id_}"
    versions = ("", "/1", "/1/difference", "/1/tools", "/1/document", "/2")
    return [
        ("GET", at, None),
        ("PATCH", at, {"enabled": False}),
        *removals(at),
        *(("GET", f"{at}/versions{place}", None) for place in versions),
        ("POST", f"{at}/versions", {}),
        ("POST", f"{at}/versions/1/promote", None),
        ("POST", f"{at}/rollback", None),
        ("POST", "/accounts", {"connector": id_}),
        ("POST", "/servers", {"connectors": [id_]}),
        ("PATCH", "/servers/OWN", {"connectors": [id_]}),
        ("PATCH", "/servers/OWN", {"config": {"pin_version": {id_: 1}}}),
        ("PATCH", "/servers/OWN", {"config": {"tools": {"deny": [f"{id_}_list_notes"]}}}),
        ("PATCH", "/servers/OWN", {"config": {"toolsets": [f"{id_}/mine"]}}),
        ("POST", "/overlays", {"layer": "tenant", "connector": id_, "patch": EDIT}),
        ("POST", "/overlays", {"layer": "connector", "connector": id_, "patch": EDIT}),
        ("POST", "/toolsets", {"connector": id_, "name": "x", "select": {"tags": ["notes"]}}),
        ("POST", "/oauth-clients", {"connector": id_, "client_id": "x"}),
        ("POST", "/connect-sessions", {"connector": id_}),
        *(("GET", f"/{kind}?connector={id_}", None) for kind in ("accounts", "overlays", "toolsets", "oauth-clients")),
    ]


ASKS: dict[str, Asks] = {
    "accounts": on_account,
    "servers": on_server,
    "server_tokens": on_server_token,
    "api_tokens": on_api_token,
    "overlays": on_overlay,
    "toolsets": on_toolset,
    "oauth_clients": on_oauth_client,
    "connect_sessions": on_connect_session,
    "token_families": on_sign_in,
    "tenants": on_tenant,
    "connectors": on_connector,
}


def with_own(made: World, who: Caller, path: str) -> str:
    return path.replace("OWN", made.of(who.tenant, "servers")[0])


async def compare(made: World, callers: list[Caller], part: slice) -> None:
    """Ask what there is to ask about another tenant's id, and about one that nobody has: all of it, or a part."""
    theirs = TENANTS[1]
    before = {tenant: await made.records(tenant) for tenant in TENANTS}
    for who in callers:
        for kind, asks in ASKS.items():
            foreign = made.of(theirs, kind)[0]
            unknown = stranger(foreign) if kind != "toolsets" else foreign.replace("mine", "nine")
            spelled = [each for id_ in (foreign, unknown) for each in (id_, quote(id_, safe=""))]
            for (method, path, body), (_, other, same) in list(zip(asks(foreign), asks(unknown), strict=True))[part]:
                with counting() as first:
                    told = await made.ask(who, method, with_own(made, who, path), body)
                with counting() as second:
                    twin = await made.ask(who, method, with_own(made, who, other), same)
                assert told.told(*spelled) == twin.told(*spelled), (who, method, path)
                assert (first.statements, first.ends) == (second.statements, second.ends), (who, method, path)
                if "?" not in path.partition("=")[0] and "OWN" not in path:
                    assert told.status in (403, 404), (who, method, path, told)
    assert {tenant: await made.records(tenant) for tenant in TENANTS} == before


def callers_of(made: World, tenant: str, *kinds: str) -> list[Caller]:
    return [each for each in made.callers if each.tenant == tenant and (not kinds or each.kind in kinds)]


async def test_what_is_another_tenants_and_what_never_was_get_the_same_bytes_for_the_same_queries(
    data: str, tmp_path: Path
) -> None:
    async with world(tmp_path, data) as made:
        # half of it on each store; the longer test beside it asks all on both
        await compare(made, callers_of(made, TENANTS[0], "tenant-admin")[:1], slice(bool(data), None, 2))


@pytest.mark.system
async def test_the_same_holds_for_every_role(data: str, tmp_path: Path) -> None:
    async with world(tmp_path, data) as made:
        await compare(made, callers_of(made, TENANTS[0], "tenant-admin", "operator", "auditor", "agent"), slice(None))


@pytest.mark.parametrize("data", ["sqlite", pytest.param("postgresql", marks=pytest.mark.system)], indirect=True)
async def test_mcp_tells_what_is_another_tenants_from_what_never_was_by_no_byte_and_no_query(
    data: str, tmp_path: Path
) -> None:
    async with world(tmp_path, data) as made:
        mine, theirs = TENANTS[:2]
        uris = {tenant: await kept_by(made, tenant) for tenant in (mine, theirs)}
        for who in few(made, mine):
            server, name = made.of(theirs, "servers")[0], f"{theirs} 0"
            pairs = [
                (f"/mcp/s/{server}", f"/mcp/s/{stranger(server)}"),
                (f"/mcp/s/{quote(name)}", f"/mcp/s/{quote(stranger(name))}"),
                (f"/mcp/s/{theirs}", f"/mcp/s/{stranger(theirs)}"),
            ]
            for one, other in pairs:
                for method, params in (("tools/list", {}), ("tools/call", {"name": "list_notes"})):
                    with counting() as counted:
                        told = await made.mcp(who, one, method, params)
                        twin = await made.mcp(who, other, method, params)
                    assert told.told() == twin.told()
                    assert counted.trips == 0
                    assert told.status in (401, 404)
            for path in await roads(made, who):
                for uri in uris[theirs]:
                    told = await made.mcp(who, path, "resources/read", {"uri": uri})
                    twin = await made.mcp(who, path, "resources/read", {"uri": stranger(uri)})
                    assert told.told(uri, stranger(uri)) == twin.told(uri, stranger(uri))
            for uri in uris[theirs]:
                place = uri.replace("apiloom://", "/files/")
                head = {"authorization": f"Bearer {who.token}"}
                replies = [await made.client.get(made.house.url + at, headers=head) for at in (place, stranger(place))]
                assert replies[0].status_code in (401, 404)
                assert replies[0].content == replies[1].content


def few(made: World, tenant: str) -> list[Caller]:
    """A caller for whom all of a tenant is open, one for whom little is, and one with a server's token."""
    whole, opener, limited = (callers_of(made, tenant, kind) for kind in ("tenant-admin", "server", "agent"))
    return [whole[0], opener[0], limited[1]]


async def roads(made: World, who: Caller) -> list[str]:
    """Paths at which a caller is let in."""
    paths = ["/mcp", *(f"/mcp/s/{id_}" for id_ in made.of(who.tenant, "servers"))]
    return [path for path in paths if (await made.mcp(who, path, "tools/list")).status == 200]


async def kept_by(made: World, tenant: str) -> list[str]:
    """URIs of results that were too large to be said to a tenant's callers."""
    found = []
    for who in few(made, tenant):
        for path in await roads(made, who):
            listed = await made.mcp(who, path, "tools/list")
            name = next(
                (one["name"] for one in listed.value["result"]["tools"] if one["name"].endswith("get_note")), ""
            )
            if name:
                await made.mcp(who, path, "tools/call", {"name": name, "arguments": {"id": "large"}})
                kept = (await made.mcp(who, path, "resources/list")).value["result"]["resources"]
                for one in kept:
                    assert tenant in (await made.mcp(who, path, "resources/read", {"uri": one["uri"]})).body.decode()
                found += [one["uri"] for one in kept]
    assert found
    made.secrets[tenant] |= {uri.rpartition("/")[2].lower() for uri in found}
    made.resources[tenant] += found
    return found


# Chance decides who asks what; what it decides is the same every time.


async def makes(made: World, who: Caller, rng: random.Random) -> tuple[str, str, Any]:
    """Something to be made, with the tenant's word in every text of it."""
    word = f"{who.tenant} {rng.randrange(10**6)}"
    slug = rng.choice(["desk", "shelf", ONLY[rng.choice(TENANTS)]])
    account = chosen(made, who, "accounts", rng)
    server = chosen(made, who, "servers", rng)
    held = {"token": {"token": f"{who.tenant}-secret"}}
    noted = {"external_id": word, "metadata": {"note": word}}
    config = {
        "methods": rng.choice([["read"], ["read", "write", "custom"]]),
        "result_tokens": rng.choice([200, 25_000]),
    }
    config["tools"] = rng.choice([{"allow": ["*note*"]}, {"deny": [f"{slug}_list_notes"]}, {"deny": ["get_*"]}])
    shows = rng.choice([{"accounts": [account]}, {"connectors": [slug]}, {"accounts": [account], "connectors": [slug]}])
    layer, target = rng.choice([("tenant", who.tenant), ("account", account), ("server", server)])
    edit = {"tools": {"list_notes": {"title": word}}, "instructions": word}
    return rng.choice(
        [
            ("POST", "/accounts", {"connector": slug, "label": word, "credentials": held, **noted}),
            ("POST", "/accounts", {"connector": slug, "label": word, "credentials": held, "shared": True}),
            ("POST", "/servers", {"name": word, "config": config, **shows, **noted}),
            ("POST", f"/accounts/{account}/servers", {"name": word, "config": config}),
            ("POST", f"/servers/{server}/tokens", {"label": word}),
            ("POST", f"/servers/{server}/rotate", {"label": word, "grace_seconds": 60}),
            ("POST", "/overlays", {"layer": layer, "connector": slug, "target": target, "patch": edit}),
            ("POST", "/toolsets", {"connector": slug, "name": f"s{rng.randrange(20)}", "select": {"tags": ["notes"]}}),
            ("POST", "/api-tokens", {"name": word, "role": rng.choice(["agent", "auditor"]), "servers": [server]}),
            ("POST", f"/servers/{server}/toolsets", {"name": rng.choice(["mine", "nine", word]), "on": False}),
            ("PATCH", f"/servers/{server}", {"config": config, **shows}),
            ("POST", "/api-tokens/leaked", {"text": f"{word} {rng.choice(made.callers[-9:]).token[:-1]}x"}),
        ]
    )


def chosen(made: World, who: Caller, kind: str, rng: random.Random) -> str:
    """An id of one's own mostly, of another tenant sometimes, and now and then of nobody."""
    whose = who.tenant if rng.random() < 0.6 else rng.choice(TENANTS)
    ids = made.of(whose, kind)
    if kind == "api_tokens" and whose == who.tenant:
        ids = ids[len(ids) // 2 :]
    if not ids:
        return "nobody"
    id_ = rng.choice(ids)
    return stranger(id_) if rng.random() < 0.15 else id_


async def admin_step(made: World, who: Caller, rng: random.Random) -> Answered:
    if rng.random() < 0.4:
        method, path, body = await makes(made, who, rng)
    else:
        kind = rng.choice(list(ASKS))
        method, path, body = rng.choice(ASKS[kind](chosen(made, who, kind, rng)))
        path = path.replace("OWN", rng.choice(made.of(who.tenant, "servers") or ["nobody"]))
    key = {"idempotency-key": f"same-{rng.randrange(5)}"} if method == "POST" and rng.random() < 0.2 else None
    answer = await made.ask(who, method, path, body, key)
    if answer.status < 300 and isinstance(answer.value, dict):
        for name in ("url", "token"):
            if isinstance(answer.value.get(name), str):
                kind = "server" if "als_" in answer.value[name] else answer.value.get("role", "server")
                made.callers.append(Caller(who.tenant, kind, answer.value[name].rpartition("/")[2]))
    return answer


async def list_step(made: World, who: Caller, rng: random.Random) -> Answered:
    """A listing, which holds what the tenant has and nothing else."""
    kind = rng.choice([*KINDS_SEEN, "audit"])
    theirs = rng.choice([tenant for tenant in TENANTS if tenant != who.tenant])
    query = rng.choice(
        ["", "", f"&cursor={stranger('srv_0')}", "&metadata[note]=" + theirs, "&metadata[plan]=" + theirs]
    )
    answer = await made.ask(who, "GET", f"/{kind}?limit=200{query}")
    whole = who.kind in ("tenant-admin", "operator", "auditor")
    if answer.status == 200 and not query and whole and kind in ("servers", "accounts", "api-tokens", "toolsets"):
        ids = {item["id"] for item in answer.value["items"]}
        mine = set(made.of(who.tenant, kind.replace("-", "_")))
        assert ids == mine or len(ids) < len(mine), (who, kind)
    if "metadata" in query and answer.status == 200:
        assert answer.value["items"] == []
    return answer


async def mcp_step(made: World, who: Caller, rng: random.Random) -> Answered:
    named = [chosen(made, who, "servers", rng) for _ in range(2)]
    path = rng.choice(["/mcp", *(f"/mcp/s/{name}" for name in named), f"/mcp/s/{rng.choice(TENANTS)}%200"])
    if who.kind == "server" and rng.random() < 0.6:
        path = f"/mcp/{who.token}"
    whose = rng.choice(TENANTS)
    if rng.random() < 0.15:
        known = made.sessions[whose]
        if not known or rng.random() < 0.5:
            answer = await made.legacy(who, path, "initialize")
            session = dict(answer.headers).get("mcp-session-id")
            made.sessions[who.tenant] += [session] if session else []
            return answer
        return await made.legacy(who, path, "tools/list", rng.choice(known))
    if rng.random() < 0.3 and made.resources[whose]:
        uri = rng.choice(made.resources[whose])
        answer = await made.mcp(who, path, "resources/read", {"uri": uri})
        assert whose == who.tenant or "error" in answer.value, (who, uri, answer)
        return answer
    if rng.random() < 0.4:
        return await made.mcp(
            who, path, rng.choice(["tools/list", "resources/list", "prompts/list", "server/discover"])
        )
    bare = rng.choice(["list_notes", "get_note", "delete_note", f"read_{whose}"])
    tool = rng.choice(["", "desk_", "shelf_", f"{ONLY[whose]}_"]) + bare
    arguments = {"id": "large"} if bare in ("get_note", "delete_note") else {}
    answer = await made.mcp(who, path, "tools/call", {"name": tool, "arguments": arguments})
    for uri in re.findall(r"apiloom://[A-Za-z0-9_/-]+", answer.body.decode()):
        made.resources[who.tenant].append(uri)
        made.secrets[who.tenant].add(uri.rpartition("/")[2].lower())
    return answer


async def wander(made: World, rng: random.Random, steps: int) -> Counter[str]:
    """So many steps of chance; what each tenant has stays as it is whatever the others do."""
    kept = {tenant: await made.records(tenant) for tenant in TENANTS}
    seen: Counter[str] = Counter()
    for _ in range(steps):
        step = rng.choices([admin_step, list_step, mcp_step], [5, 1, 4])[0]
        who = rng.choice(made.callers)
        if step is not mcp_step and rng.random() < 0.6:
            who = rng.choice([each for each in made.callers if each.kind in ("tenant-admin", "operator")])
        answer = await step(made, who, rng)
        seen[f"{step.__name__} {answer.status}"] += 1
        # a call changes something, too: it makes the link by which an account is connected anew
        if step is not list_step and answer.status < 300:
            for tenant in TENANTS:
                now = await made.records(tenant)
                assert tenant == who.tenant or now == kept[tenant], (who, tenant)
                kept[tenant] = now
            await made.refresh(who.tenant)
    return seen


async def check_lines(made: World) -> None:
    """Every line of what was done stands in the tenant of whoever did it."""
    async with made.house.ground.store.reading() as work:
        whose = {f"token:{token.id}": token.tenant for token in await work.house().api_tokens.every()}
        for line in await work.house().audit.every():
            owner = whose.get(line.principal)
            assert owner is None or line.tenant == owner, line


async def test_whatever_tenants_do_none_sees_or_changes_what_is_anothers(data: str, tmp_path: Path) -> None:
    async with world(tmp_path, data) as made:
        seen = await wander(made, random.Random(4), 100)
        await check_lines(made)
        assert min(seen["admin_step 201"], seen["admin_step 404"], seen["mcp_step 200"], seen["mcp_step 404"]) > 1


@pytest.mark.system
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_same_holds_for_long(data: str, seed: int, tmp_path: Path) -> None:
    async with world(tmp_path, data) as made:
        await wander(made, random.Random(seed), 700)
        await check_lines(made)
