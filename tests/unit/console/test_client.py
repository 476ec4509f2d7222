"""The Python client: what it sends, what it gives, what it raises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError, CallerError, HouseFault, UpstreamError
from apiloom.console import answers
from apiloom.console.api.build import build_document
from apiloom.console.client import Answer, Gateway, refusal
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request, Response
from support.admin import PETS, AdminHouse, text_of


@pytest.fixture
async def house() -> AdminHouse:
    house = AdminHouse()
    await house.pets()
    return house


@pytest.fixture
async def gateway(house: AdminHouse) -> AsyncIterator[Gateway]:
    async with Gateway("https://loom.example.com", "owner", sender=InProcess(house.app)) as gateway:
        yield gateway


async def test_a_vendor_connects_a_customer_in_a_few_lines(gateway: Gateway) -> None:
    tenant = await gateway.tenants.create(id="acme", metadata={"plan": "gold"})
    account = await gateway.accounts.create(
        tenant=tenant.id, connector="pets", credentials={"ApiKeyAuth": {"key": "k"}}, external_id="customer 7"
    )
    made = await gateway.accounts.create_server(account.id, config={"methods": ["read"]}, name="claude")
    assert made.url is not None
    assert made.url.startswith("https://loom.example.com/mcp/als_")
    assert made.url not in repr(made)
    assert (made.tools, made.expires_at) == (3, datetime(2027, 2, 14, 8, 0, 3, tzinfo=UTC))
    found = [each async for each in gateway.accounts.every(tenant="acme", external_id="customer 7")]
    assert [each.id for each in found] == [account.id]
    assert [each.id for each in (await gateway.tenants.page(metadata={"plan": "gold"})).items] == ["acme"]
    assert (await gateway.servers.delete(made.id)).done


async def test_every_resource_is_made_read_changed_and_removed(gateway: Gateway) -> None:
    server = await gateway.servers.create(connectors=["pets"])
    assert (await gateway.servers.update(server.id, {"name": "new"}, revision=server.revision)).name == "new"
    with pytest.raises(CallerError) as stale:
        await gateway.servers.update(server.id, {"name": "newer"}, revision=server.revision)
    assert stale.value.code == "store.stale"
    toolset = await gateway.toolsets.create(connector="pets", name="shops", select={"tags": ["shops"]})
    assert (await gateway.toolsets.read(toolset.id)).id == "pets/shops"
    assert (await gateway.servers.switch(server.id, "shops", on=False)).toolsets_off == ("shops",)
    assert (await gateway.servers.shown(server.id)).tools == server.tools - 1
    with pytest.raises(CallerError) as held:
        await gateway.toolsets.delete(toolset.id)
    assert held.value.code == "toolset.conflict"
    overlay = await gateway.overlays.create(
        layer="connector", connector="pets", patch={"tools": {"list_pets": {"title": "All"}}}
    )
    assert (await gateway.overlays.delete(overlay.id)).kind == "overlay"
    added = await gateway.servers.add_token(server.id, "ann")
    rotated = await gateway.servers.rotate(server.id, grace_seconds=9, token=added.id)
    labels = [each.label async for each in gateway.servers.tokens(server.id).every()]
    assert sorted(labels) == ["", "ann", "ann"]
    assert (await gateway.servers.revoke_token(server.id, rotated.id)).done
    token = await gateway.api_tokens.create(name="n", role="auditor", idempotency_key="k")
    assert (await gateway.api_tokens.create(name="n", role="auditor", idempotency_key="k")).token is None
    replaced = await gateway.api_tokens.rotate(token.id)
    leaks = await gateway.api_tokens.leaked(f"see {replaced.token}")
    assert [(each.id, each.kind) for each in leaks] == [(replaced.id, "api_token")]
    made = await gateway.oauth_clients.create(connector="pets", client_id="c", secret="s3cret")
    assert (made.proof, made.redirect_uri.rpartition("/")[2]) == ("client_secret", "callback")
    assert (await gateway.oauth_clients.update(made.id, {"label": "Ours"})).label == "Ours"
    assert (await gateway.oauth_clients.delete(made.id)).done
    assert (await gateway.events.page()).items == ()
    lines = (await gateway.audit.page(target=replaced.id, principal="key_owner")).items
    assert lines[0].at is not None


async def test_versions_are_handled(gateway: Gateway) -> None:
    text = text_of({**PETS, "info": {"title": "Pets", "version": "2"}, "paths": {"/cats": PETS["paths"]["/pets"]}})
    planned = await gateway.connectors.add_version("pets", plan=True, source={"text": text})
    assert (planned.verdict, planned.new) == ("breaking", True)
    version = await gateway.connectors.add_version("pets", source={"text": text})
    assert (await gateway.connectors.difference("pets", version.number))["verdict"] == "breaking"
    promoted = await gateway.connectors.promote("pets", version.number)
    assert promoted.version.state == "current"
    assert (await gateway.connectors.rollback("pets")).version.number == promoted.before
    assert (await gateway.connectors.reject("pets", 4)).state == "rejected"
    tools = [each.name async for each in gateway.connectors.tools("pets", 1).every(**{"class": "read"})]
    assert tools == ["list_pets", "list_shops"]
    assert await gateway.connectors.document("pets", 1) == PETS
    made = await gateway.connectors.create(slug="more", source={"text": text})
    assert (made.slug, made.version, made.ledger["exposed"]) == ("more", 1, 2)
    assert (await gateway.connectors.update("more", {"title": "More"})).title == "More"


async def test_who_and_how(gateway: Gateway) -> None:
    assert (await gateway.whoami()).role == "owner"
    assert (await gateway.health()).store["reachable"] is True


async def test_a_refusal_is_raised_as_the_error_it_was(gateway: Gateway, house: AdminHouse) -> None:
    with pytest.raises(CallerError) as lost:
        await gateway.servers.read("srv_none")
    assert (lost.value.code, lost.value.facts["status"]) == ("server.not_found", 404)
    with pytest.raises(CallerError) as wrong:
        await gateway.servers.create(connectors=["pets"], config={"tags": ["petz"]})
    assert (wrong.value.code, wrong.value.facts["pointer"]) == ("selection.unknown", "/config/tags/0")
    assert "pets" in wrong.value.hint
    house.store.down = True  # type: ignore[attr-defined]
    with pytest.raises(HouseFault) as away:
        await gateway.tenants.page()
    assert away.value.code == "store.unreachable"


async def test_any_request_can_be_made(gateway: Gateway) -> None:
    answer = await gateway.request("POST", "/tenants", None, {"id": "acme"})
    assert (answer.status, answer.headers["etag"], answer.value["id"]) == (201, '"1"', "acme")
    refused = await gateway.request("GET", "/tenants", {"limit": 0, "name": None})
    assert (refused.status, refused.value["code"]) == (422, "list.limit")


@pytest.mark.parametrize(
    ("status", "value", "kind", "code"),
    [
        (422, {"code": "a.b", "detail": "no"}, CallerError, "a.b"),
        (501, {"code": "api.not_yet", "detail": "later"}, CallerError, "api.not_yet"),
        (502, {"code": "net.dns", "detail": "no"}, UpstreamError, "net.dns"),
        (500, {"code": "api.failed", "detail": "no"}, HouseFault, "api.failed"),
        (404, b"<html>", UpstreamError, "gateway.answer"),
        (302, None, UpstreamError, "gateway.answer"),
    ],
)
def test_who_must_act_is_read_from_the_status(status: int, value: Any, kind: type[ApiloomError], code: str) -> None:
    error = refusal(Answer(status=status, headers={}, value=value))
    assert (type(error), error.code) == (kind, code)


class Told:
    """Answers everything with one response, and keeps what was asked."""

    def __init__(self, body: bytes, kind: str = "application/json") -> None:
        self.body, self.kind = body, kind
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(status=200, headers=[("content-type", self.kind)], body=self.body)

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://a.example", "https://a.example", "/api/v1/whoami"),
        ("https://a.example/api/v1/", "https://a.example", "/api/v1/whoami"),
        ("http://127.0.0.1:8787/loom", "http://127.0.0.1:8787", "/loom/api/v1/whoami"),
        ("a.example", "https://a.example", "/api/v1/whoami"),
    ],
)
async def test_a_gateway_is_named_by_its_address(url: str, origin: str, target: str) -> None:
    told = Told(b'{"id": "key_1", "role": "owner"}')
    assert (await Gateway(url, "ala_x", sender=told).whoami()).id == "key_1"
    assert (told.asked[0].origin, told.asked[0].target) == (origin, target)
    assert ("authorization", "Bearer ala_x") in told.asked[0].headers


@pytest.mark.parametrize("url", ["ftp://a", "https://", "https://u:p@a", "https://a?b", "https://[", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(CallerError) as refused:
        Gateway(url, "t", sender=Told(b""))
    assert refused.value.code == "gateway.url"


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b"{}", b'{"id": "x", "role": "r", "expires_at": "soon"}', b""])
async def test_an_answer_of_another_form_is_the_gateways_fault(body: bytes) -> None:
    with pytest.raises(UpstreamError) as wrong:
        await Gateway("https://a", "t", sender=Told(body)).whoami()
    assert wrong.value.code == "gateway.answer"


async def test_a_newer_gateways_members_are_passed_over() -> None:
    told = Told(b'{"id": "key_1", "role": "owner", "mood": "good"}')
    assert (await Gateway("https://a", "t", sender=told).whoami()).role == "owner"


def test_answers_have_the_members_that_the_description_gives_them() -> None:
    schemas = build_document()["components"]["schemas"]
    others = {
        "Removed": "RemovedShown",
        "Affected": "AffectedShown",
        "ToolSeen": "Tool",
        "Version": "WholeVersion",
        "Server": "SeenServer",
    }
    compared = 0
    for name, kind in vars(answers).items():
        if not is_dataclass(kind) or not isinstance(kind, type):
            continue
        described = set(schemas[others.get(name, name)]["properties"])
        assert {each.metadata.get("named", each.name) for each in fields(kind)} == described, name
        compared += 1
    assert compared > 15


def test_the_client_brings_no_web_framework() -> None:
    code = (
        "import sys, apiloom.console.client;"
        "print(sorted({'fastapi', 'starlette', 'pydantic', 'sqlalchemy', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
