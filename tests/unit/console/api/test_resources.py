"""What each resource takes and gives, told from outside."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from apiloom.base import json
from support.admin import PETS, AdminHouse, text_of
from support.importing import ThreadImports

ACCOUNT = {"connector": "pets", "label": "first"}


async def house_with_pets() -> AdminHouse:
    house = AdminHouse()
    await house.pets()
    return house


async def made(house: AdminHouse, path: str, body: Any, **more: Any) -> Any:
    answer = await house.ask("POST", path, body, **more)
    assert answer.status == 201, answer.value
    return answer.value


# Listings


async def test_a_listing_is_walked_by_its_cursor() -> None:
    house = AdminHouse()
    for number in range(5):
        await made(house, "/tenants", {"id": f"t{number}"})
    seen: list[str] = []
    path = "/tenants?limit=2"
    while True:
        page = (await house.ask("GET", path)).value
        assert list(page) == ["items", "next_cursor"]
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/tenants?limit=2&cursor={page['next_cursor']}"
    assert seen == ["default", "t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "list.limit"),
        ("limit=201", "list.limit"),
        ("limit=many", "api.invalid"),
        ("cursor=%C3%A4", "list.cursor"),
        ("nam=x", "list.filter"),
        ("metadata=x", "list.filter"),
    ],
)
async def test_a_listing_that_cannot_be_is_refused(query: str, code: str) -> None:
    answer = await AdminHouse().ask("GET", f"/tenants?{query}")
    assert (answer.status, answer.value["code"]) == (422, code)


async def test_listings_are_narrowed_by_members_and_by_metadata() -> None:
    house = AdminHouse()
    await made(house, "/tenants", {"id": "gold", "metadata": {"plan": "gold"}, "external_id": "x 1"})
    await made(house, "/tenants", {"id": "tin", "metadata": {"plan": "tin"}})
    for query in ("metadata[plan]=gold", "metadata%5Bplan%5D=gold", "external_id=x%201"):
        page = (await house.ask("GET", f"/tenants?{query}")).value
        assert [item["id"] for item in page["items"]] == ["gold"], query
    assert (await house.ask("GET", "/tenants?metadata[plan]=none")).value["items"] == []


# Changes


async def test_a_change_on_what_was_read_passes_and_on_anything_else_does_not() -> None:
    house = AdminHouse()
    first = await house.ask("POST", "/tenants", {"id": "acme"})
    assert first.headers["etag"] == '"1"'
    assert first.headers["location"] == "/api/v1/tenants/acme"
    changed = await house.ask("PATCH", "/tenants/acme", {"name": "A"}, if_match=first.headers["etag"])
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    for tag in ('"1"', 'W/"2"', '"x"', "2", '"2", "3"', '"99999999999999999999"'):
        answer = await house.ask("PATCH", "/tenants/acme", {"name": "B"}, if_match=tag)
        assert (answer.status, answer.value["code"]) == (412, "store.stale"), tag
        assert (await house.ask("DELETE", "/tenants/acme", if_match=tag)).status == 412
    assert (await house.ask("PATCH", "/tenants/acme", {"name": "B"}, if_match="*")).status == 200
    assert (await house.ask("GET", "/tenants/acme")).headers["etag"] == '"3"'


async def test_a_patch_merges_and_null_takes_back() -> None:
    house = AdminHouse()
    await made(house, "/tenants", {"id": "a", "name": "A", "external_id": "e", "metadata": {"x": {"y": 1, "z": 2}}})
    merge = "application/merge-patch+json"
    patch = {"external_id": None, "metadata": {"x": {"y": None}, "n": [1]}}
    answer = await house.ask("PATCH", "/tenants/a", patch, content_type=merge)
    told = answer.value
    assert (told["name"], told["external_id"], told["metadata"]) == ("A", None, {"x": {"z": 2}, "n": [1]})
    assert (await house.ask("PATCH", "/tenants/a", {})).value["revision"] == told["revision"]


async def test_what_others_depend_on_is_removed_only_with_them() -> None:
    house = await house_with_pets()
    account = await made(house, "/accounts", ACCOUNT)
    server = await made(house, f"/accounts/{account['id']}/servers", {})
    place = f"/accounts/{account['id']}"
    refused = await house.ask("DELETE", place)
    assert (refused.status, refused.value["code"]) == (409, "account.depended_on")
    plan = await house.ask("DELETE", f"{place}?plan=true")
    assert plan.value["done"] is False
    assert {"kind": "server", "id": server["id"], "becomes": "removed"} in plan.value["affected"]
    assert (await house.ask("GET", place)).status == 200
    gone = await house.ask("DELETE", f"{place}?cascade=true")
    assert (gone.status, gone.value["done"]) == (200, True)
    assert (await house.ask("GET", f"/servers/{server['id']}")).status == 404


# Done once


async def test_a_request_with_a_key_is_done_once_and_its_secret_is_not_told_again() -> None:
    house = await house_with_pets()
    body = {"connectors": ["pets"], "name": "one"}
    first = await house.ask("POST", "/servers", body, idempotency_key="k")
    again = await house.ask("POST", "/servers", body, idempotency_key="k")
    assert (first.status, again.status) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.value == {**first.value, "url": None}
    secret = first.value["url"].rpartition("/")[2]
    assert secret not in str(house.store._memory.rows)  # type: ignore[attr-defined]
    assert len((await house.ask("GET", "/servers")).value["items"]) == 1


async def test_a_key_stands_for_one_question_of_one_caller() -> None:
    house = AdminHouse()
    house.principal("second", "owner")
    await made(house, "/tenants", {"id": "a"}, idempotency_key="k")
    other = await house.ask("POST", "/tenants", {"id": "b"}, idempotency_key="k")
    assert (other.status, other.value["code"]) == (409, "idempotency.conflict")
    assert (await house.ask("POST", "/tenants", {"id": "b"}, idempotency_key="k", token="second")).status == 201
    assert (await house.ask("POST", "/tenants", {"id": "c"}, idempotency_key="ä")).status == 422


async def test_a_refused_request_gives_its_key_back() -> None:
    house = AdminHouse()
    assert (await house.ask("POST", "/tenants", {"id": "NO"}, idempotency_key="k")).status == 422
    assert (await house.ask("POST", "/tenants", {"id": "no"}, idempotency_key="k")).status == 201


# Connectors


async def test_an_import_answers_with_what_came_of_the_document() -> None:
    house = AdminHouse()
    body = {"slug": "pets", "source": {"text": text_of(PETS)}, "options": {"timeout": 5}, "tenants": ["default"]}
    answer = await house.ask("POST", "/connectors", body)
    told = answer.value
    assert answer.status == 201
    assert (told["slug"], told["version"], told["current"], told["tools"]) == ("pets", 1, 1, 3)
    assert told["ledger"]["exposed"] == 3
    assert isinstance(told["findings"], list)
    assert told["options"] == {"timeout": 5}
    assert text_of(PETS) not in answer.body.decode()


async def test_a_document_is_fetched_or_uploaded() -> None:
    house = AdminHouse()
    url = "https://docs.example.com/pets.json"
    imports = ThreadImports(pages={url: json.dumps(PETS)})
    handed = {"apiloom://uploads/1": json.dumps(PETS)}

    async def uploads(who: Any, handle: str) -> bytes | None:
        assert who.id == "key_owner"
        return handed.get(handle)

    house.mount(imports=imports, uploads=uploads)
    assert (await made(house, "/connectors", {"slug": "a", "source": {"url": url}}))["source"] == {"url": url}
    assert (await made(house, "/connectors", {"slug": "b", "source": {"upload": "apiloom://uploads/1"}}))["tools"] == 3
    lost = await house.ask("POST", "/connectors", {"slug": "c", "source": {"upload": "apiloom://uploads/2"}})
    assert (lost.status, lost.value["code"], lost.value["pointer"]) == (422, "connector.source", "/source/upload")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"slug": "x"}, 422, "api.invalid"),
        ({"slug": "x", "source": {}}, 422, "field.form"),
        ({"slug": "x", "source": {"url": "https://a.example", "text": "x"}}, 422, "field.form"),
        ({"slug": "x", "source": {"url": "file:///etc/passwd"}}, 422, "field.form"),
        ({"slug": "x", "source": {"text": "<html></html>"}}, 422, "document.not_openapi"),
        ({"slug": "X Y", "source": {"text": "{}"}}, 422, "field.form"),
        ({"slug": "x", "source": {"text": "{}"}, "options": {"bas_url": "x"}}, 422, "field.unknown"),
        ({"slug": "x", "source": {"text": "{}"}, "tenants": ["none"]}, 404, "tenant.not_found"),
    ],
)
async def test_an_import_that_cannot_be_is_refused(body: Any, status: int, code: str) -> None:
    house = AdminHouse()
    answer = await house.ask("POST", "/connectors", body)
    assert (answer.status, answer.value["code"]) == (status, code)
    assert (await house.ask("GET", "/connectors")).value["items"] == []


async def test_who_wants_lines_is_told_how_far_an_import_is() -> None:
    house = AdminHouse()
    body = {"slug": "pets", "source": {"text": text_of(PETS)}}
    answer = await house.ask("POST", "/connectors", body, accept="application/x-ndjson", idempotency_key="k")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [list(line) for line in lines[:-1]] == [["said"]] * (len(lines) - 1)
    assert len(lines) > 1
    assert (lines[-1]["status"], lines[-1]["value"]["slug"]) == (201, "pets")
    again = await house.ask("POST", "/connectors", body, accept="application/x-ndjson", idempotency_key="k")
    assert json.loads(again.body)["value"] == lines[-1]["value"]
    taken = await house.ask("POST", "/connectors", body, accept="application/x-ndjson")
    last = json.loads(taken.body.splitlines()[-1])
    assert (taken.status, last["status"], last["problem"]["code"]) == (200, 409, "store.exists")


async def test_versions_are_compared_promoted_and_taken_back() -> None:
    house = await house_with_pets()
    place = "/connectors/pets/versions"
    versions = (await house.ask("GET", place)).value["items"]
    assert [(each["number"], each["state"]) for each in versions] == [
        (1, "past"),
        (2, "current"),
        (3, "proposed"),
        (4, "proposed"),
    ]
    found = (await house.ask("GET", f"{place}/3/difference")).value
    assert found["verdict"] == versions[2]["verdict"]
    assert {tool["what"] for tool in found["tools"]} == {"added", "removed"}
    plan = (await house.ask("POST", f"{place}/3/promote?plan=true")).value
    assert (plan["done"], plan["before"]) == (False, 2)
    assert (await house.ask("POST", f"{place}/3/promote", if_match='"1"')).status == 412
    done = (await house.ask("POST", f"{place}/3/promote")).value
    assert (done["done"], done["version"]["number"], done["version"]["state"]) == (True, 3, "current")
    back = (await house.ask("POST", "/connectors/pets/rollback")).value
    assert (back["before"], back["version"]["number"]) == (3, 2)
    assert (await house.ask("POST", f"{place}/4/reject")).value["state"] == "rejected"
    for number in ("9", "0", "x", "99999999999"):
        assert (await house.ask("GET", f"{place}/{number}")).status in {404, 422}


async def test_an_import_of_the_same_document_is_no_version() -> None:
    house = AdminHouse()
    source = {"source": {"text": text_of(PETS)}}
    await made(house, "/connectors", {"slug": "pets", **source})
    same = await house.ask("POST", "/connectors/pets/versions", source)
    assert (same.status, same.value["new"], same.value["number"]) == (200, False, 1)
    changed = {"source": {"text": text_of({**PETS, "paths": {"/cats": PETS["paths"]["/pets"]}})}}
    plan = await house.ask("POST", "/connectors/pets/versions?plan=true", changed)
    assert (plan.status, plan.value["verdict"]) == (200, "breaking")
    assert len((await house.ask("GET", "/connectors/pets/versions")).value["items"]) == 1
    kept = await house.ask("POST", "/connectors/pets/versions", changed)
    assert (kept.status, kept.headers["location"]) == (201, "/api/v1/connectors/pets/versions/2")


async def test_a_version_shows_its_tools_and_its_document() -> None:
    house = await house_with_pets()
    page = (await house.ask("GET", "/connectors/pets/versions/1/tools?limit=2")).value
    assert [(tool["name"], tool["class"], tool["tags"]) for tool in page["items"]] == [
        ("add_pet", "write", ["pets"]),
        ("list_pets", "read", ["pets"]),
    ]
    rest = (await house.ask("GET", f"/connectors/pets/versions/1/tools?cursor={page['next_cursor']}")).value
    assert [tool["name"] for tool in rest["items"]] == ["list_shops"]
    assert rest["next_cursor"] is None
    reading = (await house.ask("GET", "/connectors/pets/versions/1/tools?class=write")).value
    assert [tool["name"] for tool in reading["items"]] == ["add_pet"]
    document = await house.ask("GET", "/connectors/pets/versions/1/document")
    assert document.body == text_of(PETS).encode()
    assert document.headers["content-type"] == "application/json"
    assert document.headers["content-disposition"] == "attachment"


# Servers


async def test_a_server_is_made_shown_switched_and_rotated() -> None:
    house = await house_with_pets()
    await made(house, "/toolsets", {"connector": "pets", "name": "shops", "select": {"tags": ["shops"]}})
    body = {"connectors": ["pets"], "config": {"methods": ["read"]}, "expires_at": "2027-02-01T00:00:00+01:00"}
    server = await made(house, "/servers", body)
    assert server["expires_at"] == "2027-01-31T23:00:00Z"
    assert (server["tools"], server["tokens"]) == (3, 30)
    place = f"/servers/{server['id']}"
    assert "url" not in (await house.ask("GET", place)).value
    off = (await house.ask("POST", f"{place}/toolsets", {"name": "shops", "on": False})).value
    assert (off["toolsets_off"], off["tools"]) == (["shops"], 2)
    assert (await house.ask("GET", f"{place}/shown")).value["tools"] == 2
    added = await made(house, f"{place}/tokens", {"label": "ann"})
    assert added["url"].endswith(added["token"])
    rotated = await made(house, f"{place}/rotate", {"grace_seconds": 60, "token": added["id"]})
    assert rotated["label"] == "ann"
    tokens = (await house.ask("GET", f"{place}/tokens")).value["items"]
    assert [token["label"] for token in tokens].count("ann") == 2
    assert not [token for token in tokens if "token" in token or "url" in token or "digest" in token]
    assert (await house.ask("DELETE", f"{place}/tokens/{rotated['id']}")).value["done"] is True
    assert (await house.ask("DELETE", f"{place}/tokens/{rotated['id']}")).status == 404


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"config": {"methodz": []}}, "config.unknown", "/config/methodz"),
        ({"config": {"tags": ["petz"]}}, "selection.unknown", "/config/tags/0"),
        ({"config": {"mode": "fast"}}, "api.invalid", "/config/mode"),
        ({"config": []}, "api.invalid", "/config"),
        ({"expires_at": "tomorrow"}, "api.invalid", "/expires_at"),
        ({"expires_at": "2027-02-30T00:00:00Z"}, "api.invalid", "/expires_at"),
        ({"expires_at": 1.9e9}, "api.invalid", "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "field.bounds", "/expires_at"),
        ({"nam": "x"}, "field.unknown", "/nam"),
        ({"name": "x" * 500}, "field.bounds", "/name"),
    ],
)
async def test_a_server_that_cannot_be_says_where_it_is_wrong(body: Any, code: str, pointer: str) -> None:
    house = await house_with_pets()
    answer = await house.ask("POST", "/servers", {"connectors": ["pets"], **body})
    assert (answer.status, answer.value["code"]) == (422, code)
    assert answer.value["pointer"] == pointer


# Secrets


async def test_credentials_go_in_and_never_come_out(caplog: pytest.LogCaptureFixture) -> None:
    house = await house_with_pets()
    secret = "hunter2-hunter2"
    bodies: list[Any] = [
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"key": secret}}},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": secret}},
        {**ACCOUNT, "credentials": secret},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"key": [secret]}}},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"kay": secret}}},
        {**ACCOUNT, "credentials": {"Nothing": {"key": secret}}},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"key": secret + "\n"}}},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"key": secret}}, "label": 5},
        {**ACCOUNT, "credentials": {"ApiKeyAuth": {"key": secret}}, "shared": secret},
    ]
    with caplog.at_level(logging.DEBUG):
        for body in bodies:
            answer = await house.ask("POST", "/accounts", body)
            assert answer.status in {201, 422}, answer.value
            assert secret not in answer.body.decode(), body
        broken = await house.ask("POST", "/accounts", f'{{"credentials": "{secret}", }}'.encode())
        assert broken.status == 400
        assert secret not in broken.body.decode()
        listed = await house.ask("GET", "/accounts")
    assert {tuple(each["schemes"]) for each in listed.value["items"]} == {("ApiKeyAuth",)}
    assert "sealed" not in listed.body.decode()
    assert secret not in listed.body.decode() + caplog.text + str((await house.ask("GET", "/audit")).value)


async def test_a_leaked_token_is_recognised_and_ended() -> None:
    house = await house_with_pets()
    server = await made(house, "/servers", {"connectors": ["pets"]})
    token = await made(house, "/api-tokens", {"name": "n", "role": "auditor"})
    text = f"GET {server['url']} HTTP/1.1\nAuthorization: Bearer {token['token']}"
    found = (await house.ask("POST", "/api-tokens/leaked", {"text": text})).value["items"]
    assert {(each["id"], each["kind"]) for each in found} == {
        (server["token_id"], "server_token"),
        (token["id"], "api_token"),
    }
    assert (await house.ask("GET", f"/api-tokens/{token['id']}")).status == 404
    again = (await house.ask("POST", "/api-tokens/leaked", {"text": text})).value
    assert again == {"items": [], "more_tokens": 0, "more_characters": 0}


async def test_an_api_token_is_shown_once_replaced_and_ended() -> None:
    house = AdminHouse()
    token = await made(house, "/api-tokens", {"name": "n", "role": "operator"})
    place = f"/api-tokens/{token['id']}"
    assert "token" not in (await house.ask("GET", place)).value
    rotated = await made(house, f"{place}/rotate", {"grace_seconds": 5})
    assert rotated["token"] != token["token"]
    assert (await house.ask("DELETE", place)).value == {
        "kind": "api_token",
        "id": token["id"],
        "done": True,
        "affected": [],
        "more": 0,
    }


async def test_nobody_makes_a_token_wider_than_their_own() -> None:
    house = AdminHouse()
    house.principal("op", "operator")
    wider = await house.ask("POST", "/api-tokens", {"name": "n", "role": "owner"}, token="op")
    assert (wider.status, wider.value["code"]) == (403, "identity.wider")


# Toolsets, overlays, catalogue, audit


async def test_a_toolset_is_found_by_an_id_with_a_slash_or_without() -> None:
    house = await house_with_pets()
    body = {"connector": "pets", "name": "shops", "select": {"tags": ["shops"]}}
    answer = await house.ask("POST", "/toolsets", body)
    assert answer.headers["location"] == "/api/v1/toolsets/pets/shops"
    assert (await house.ask("GET", "/toolsets/pets%2Fshops")).value == (
        await house.ask("GET", "/toolsets/pets/shops")
    ).value
    assert (await house.ask("PATCH", "/toolsets/pets/shops", {"title": "Shops"})).value["title"] == "Shops"
    assert (await house.ask("DELETE", "/toolsets/pets/shops")).value["done"] is True


async def test_an_overlay_is_made_changed_and_taken_back() -> None:
    house = await house_with_pets()
    body = {"layer": "connector", "connector": "pets", "patch": {"tools": {"list_pets": {"title": "All pets"}}}}
    overlay = await made(house, "/overlays", body)
    place = f"/overlays/{overlay['id']}"
    patch = {"patch": {"tools": {"list_pets": {"title": None, "hide": True}}}}
    changed = (await house.ask("PATCH", place, patch)).value
    assert changed["patch"] == {"tools": {"list_pets": {"hide": True}}}
    wrong = await house.ask("POST", "/overlays", {**body, "patch": {"tools": {"list_petz": {}}}})
    assert (wrong.status, wrong.value["code"]) == (422, "overlay.unknown")
    assert (await house.ask("POST", "/overlays", body)).status == 409
    assert (await house.ask("DELETE", place)).value["done"] is True


async def test_the_catalogue_is_searched_and_says_how_an_entry_is_imported() -> None:
    house = AdminHouse()
    found = (await house.ask("GET", "/catalogue?q=github&limit=1")).value
    assert found["items"][0]["name"] == "github"
    entry = (await house.ask("GET", "/catalogue/github")).value
    assert entry["connector"]["source"]["url"] == entry["document"]
    first = (await house.ask("GET", "/catalogue?limit=2")).value
    second = (await house.ask("GET", f"/catalogue?limit=2&cursor={first['next_cursor']}")).value
    assert {each["name"] for each in first["items"]}.isdisjoint(each["name"] for each in second["items"])
    lost = await house.ask("GET", "/catalogue/githob")
    assert (lost.status, lost.value["code"]) == (404, "catalogue.not_found")
    assert "github" in lost.value["hint"]


async def test_what_was_done_is_listed_newest_first() -> None:
    house = AdminHouse()
    await made(house, "/tenants", {"id": "a"})
    house.clock.now += 1
    await made(house, "/tenants", {"id": "b"})
    lines = (await house.ask("GET", "/audit?action=tenant.create")).value["items"]
    assert [line["target"] for line in lines] == ["b", "a"]
    assert lines[0]["at"] == "2027-01-15T08:00:01Z"


async def test_accounts_are_tried_by_those_who_may_use_them() -> None:
    house = await house_with_pets()
    account = await made(house, "/accounts", ACCOUNT)
    assert (await house.ask("POST", f"/accounts/{account['id']}/test")).value == {"ok": True, "tool": "list_pets"}
    named = await house.ask("POST", f"/accounts/{account['id']}/test", {"tool": "list_shops"})
    assert named.value["tool"] == "list_shops"


async def test_requests_at_the_same_time_keep_apart() -> None:
    house = AdminHouse()
    answers = await asyncio.gather(*(house.ask("POST", "/tenants", {"id": f"t{n}"}) for n in range(20)))
    assert [answer.status for answer in answers] == [201] * 20
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20
