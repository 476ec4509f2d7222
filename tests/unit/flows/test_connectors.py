"""Connectors: who may import them, what they are called, who sees them, and what goes with them."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError, CallerError, DesignError
from apiloom.compile.artefact import unpack
from apiloom.flows.accounts import create_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.connectors import (
    create_connector,
    delete_connector,
    list_connectors,
    patch_connector,
    read_connector,
)
from apiloom.flows.overlays import create_overlay
from apiloom.flows.servers import create_server, read_server
from apiloom.flows.toolsets import list_toolsets
from apiloom.flows.versions import read_document, read_version
from apiloom.store.records import Tenant
from support.grounds import AUDITOR, OPERATOR, OWNER, Grounds, admin, agent, ground_on
from support.importing import ThreadImports, described


async def refusal(asked: Awaitable[Any]) -> ApiloomError:
    """The error that a question ends in."""
    with pytest.raises(ApiloomError) as caught:
        await asked
    return caught.value


ACME, BOLT = admin("acme"), admin("bolt")
TEXT = described("list_items", "list_orders")


async def grounds_for_imports() -> Grounds:
    grounds = ground_on()
    async with grounds.ground.store.writing() as work:
        for tenant in ("acme", "bolt"):
            await work.house().tenants.add(Tenant(id=tenant))
    return replace(grounds, ground=replace(grounds.ground, imports=ThreadImports()))


def source(text: str = TEXT) -> dict[str, Any]:
    return {"source": {"text": text}}


async def test_the_first_import_makes_a_connector_whose_version_is_served() -> None:
    grounds = await grounds_for_imports()
    said: list[str] = []

    made = await create_connector(grounds.ground, OPERATOR, {"slug": "shop", **source()}, say=said.append)

    assert (made.connector.id, made.connector.title, made.connector.current) == ("shop", "Shop", 1)
    assert made.connector.source == {"text": True}
    version = await read_version(grounds.ground, OPERATOR, "shop", 1)
    assert version == made.version
    assert (version.state, version.tools, version.verdict, version.against) == ("current", 2, "none", 0)
    assert version.ledger["exposed"] == 2
    assert version.created_by == OPERATOR.id
    assert await read_document(grounds.ground, OPERATOR, "shop", 1) == TEXT.encode()
    async with grounds.ground.store.reading() as work:
        content = await work.house().versions.artefact("shop/1")
    assert unpack(content or b"").hash == version.hash
    assert said
    assert len(grounds.commits) == 1
    lines = (await list_audit(grounds.ground, OWNER, Query())).items
    assert [(line.action, line.target) for line in lines] == [("connector.create", "shop")]


async def test_a_slug_comes_from_the_title_and_is_numbered_where_it_is_taken() -> None:
    grounds = await grounds_for_imports()
    slugs = [(await create_connector(grounds.ground, OWNER, source())).connector.id for _ in range(3)]
    assert slugs == ["shop", "shop2", "shop3"]
    again = await refusal(create_connector(grounds.ground, OWNER, {"slug": "shop", **source()}))
    assert again.code == "store.exists"


@pytest.mark.parametrize("slug", ["", "Shop", "1shop", "shop_1", "shop-a", "a" * 13, "shøp", "shop/1", 7])
async def test_a_slug_is_short_and_plain(slug: Any) -> None:
    grounds = await grounds_for_imports()
    assert (await refusal(create_connector(grounds.ground, OWNER, {"slug": slug, **source()}))).code == "field.form"


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        {},
        {"text": ""},
        {"text": 7},
        {"url": "ftp://x.example/a"},
        {"url": "/etc/passwd"},
        {"url": "file:///etc/passwd"},
        {"url": "https://u:p@x.example/a"},
        {"url": "https://"},
        {"url": "http://[::1"},
        {"text": TEXT, "url": "https://x.example"},
        {"path": "/etc/passwd"},
    ],
)
async def test_a_source_is_a_url_or_what_was_handed_over(wanted: Any) -> None:
    grounds = await grounds_for_imports()
    refused = await refusal(create_connector(grounds.ground, OWNER, {"source": wanted}))
    assert refused.code in {"field.form", "field.unknown"}


async def test_an_upload_is_read_and_one_that_is_not_there_is_told() -> None:
    grounds = await grounds_for_imports()
    wanted = {"source": {"upload": "up_1"}}
    assert (await refusal(create_connector(grounds.ground, OWNER, wanted))).code == "connector.source"
    made = await create_connector(grounds.ground, OWNER, wanted, upload=TEXT.encode())
    assert made.connector.source == {"upload": "up_1"}


@pytest.mark.parametrize(
    "options",
    [
        {"colour": "red"},
        {"base_url": "ftp://x"},
        {"base_url": 7},
        {"trust": ["https://x.example/path", "nothing"]},
        {"headers": {"X": 7}},
        {"timeout": 0},
        {"timeout": 1e9},
        {"timeout": True},
        {"remote_refs": "yes"},
        [],
    ],
)
async def test_options_are_known_and_bounded(options: Any) -> None:
    grounds = await grounds_for_imports()
    refused = await refusal(create_connector(grounds.ground, OWNER, {**source(), "options": options}))
    assert refused.code in {"field.form", "field.unknown", "field.bounds"}


async def test_options_that_say_nothing_make_no_other_version() -> None:
    grounds = await grounds_for_imports()
    plain = await create_connector(grounds.ground, OWNER, source())
    same = await create_connector(
        grounds.ground, OWNER, {**source(), "options": {"base_url": "", "headers": {}, "remote_refs": False}}
    )
    other = await create_connector(grounds.ground, OWNER, {**source(), "options": {"base_url": "https://b.example"}})
    assert same.connector.options == {}
    assert plain.version.hash == same.version.hash != other.version.hash
    assert other.version.options == {"base_url": "https://b.example"}


async def test_what_cannot_be_read_leaves_nothing_behind() -> None:
    grounds = await grounds_for_imports()
    with pytest.raises(DesignError):
        await create_connector(grounds.ground, OWNER, {"slug": "bad", **source("no: document")})
    assert (await list_connectors(grounds.ground, OWNER, Query())).items == ()
    assert grounds.commits == []


async def test_only_the_houses_operators_import_and_tenants_see_what_is_shown_to_them() -> None:
    grounds = await grounds_for_imports()
    for who in (ACME, AUDITOR, agent("acme"), admin("acme", servers=())):
        assert (await refusal(create_connector(grounds.ground, who, source()))).code == "identity.forbidden"
    options = {"base_url": "https://inside.example"}
    await create_connector(
        grounds.ground, OWNER, {"slug": "ours", **source(), "tenants": ["acme", "bolt"], "options": options}
    )
    await create_connector(grounds.ground, OWNER, {"slug": "theirs", **source(), "tenants": ["bolt"]})
    await create_connector(grounds.ground, OWNER, {"slug": "hidden", **source(), "tenants": []})

    seen = (await list_connectors(grounds.ground, ACME, Query())).items
    assert [(each.id, each.tenants, each.options, each.source) for each in seen] == [("ours", ("acme",), {}, {})]
    assert (await read_version(grounds.ground, ACME, "ours", 1)).options == {}
    for slug in ("theirs", "hidden", "never"):
        assert (await refusal(read_connector(grounds.ground, ACME, slug))).code == "connector.not_found"
        assert (await refusal(read_version(grounds.ground, ACME, slug, 1))).code == "connector.not_found"
    assert (await refusal(read_document(grounds.ground, ACME, "ours", 1))).code == "identity.forbidden"
    unknown = await refusal(create_connector(grounds.ground, OWNER, {**source(), "tenants": ["nobody"]}))
    assert unknown.code == "tenant.not_found"


async def test_toolsets_are_suggested_from_a_large_document() -> None:
    grounds = await grounds_for_imports()
    paths = {
        f"/{group}/{name}": {"get": {"operationId": f"{name}_{group}", "tags": [group], "responses": {}}}
        for group in ("items", "orders", "people", "places")
        for name in ("list", "count", "newest", "oldest", "search")
    }
    await create_connector(grounds.ground, OWNER, {"slug": "large", **source(described(paths=paths))})
    toolsets = (await list_toolsets(grounds.ground, OWNER, Query())).items
    assert {toolset.name for toolset in toolsets} == {"items", "orders", "people", "places"}
    assert {toolset.origin for toolset in toolsets} == {"suggested"}


async def test_a_connector_is_changed_by_a_merge_patch_and_only_by_who_read_it() -> None:
    grounds = await grounds_for_imports()
    made = await create_connector(
        grounds.ground, OWNER, {"slug": "shop", **source(), "options": {"timeout": 9, "auth": "bearer"}}
    )
    patch = {
        "title": "The shop",
        "options": {"timeout": None, "trust": ["https://files.example"]},
        "trusted": True,
        "auto_promote": True,
        "enabled": False,
        "metadata": {"team": "a"},
        "source": {"url": "https://shop.example/api.json#top"},
    }
    first = Removal(if_match=made.connector.revision)
    changed = await patch_connector(grounds.ground, OPERATOR, "shop", patch, first)
    assert changed == await read_connector(grounds.ground, AUDITOR, "shop")
    assert (changed.title, changed.trusted, changed.auto_promote, changed.enabled) == ("The shop", True, True, False)
    assert changed.options == {"auth": "bearer", "trust": ["https://files.example"]}
    assert changed.source == {"url": "https://shop.example/api.json"}
    assert (await refusal(patch_connector(grounds.ground, OWNER, "shop", {"title": "x"}, first))).code == "store.stale"
    for bad in ({"slug": "other"}, {"current": 7}, {"source": {"text": "x"}}, {"enabled": "no"}):
        assert (await refusal(patch_connector(grounds.ground, OWNER, "shop", bad))).code.startswith("field.")
    assert (await refusal(patch_connector(grounds.ground, ACME, "shop", {"title": "x"}))).code == "identity.forbidden"


async def furnished() -> tuple[Grounds, dict[str, str]]:
    """Two connectors; an account of acme with the first, and servers that show one or both."""
    grounds = await grounds_for_imports()
    for slug in ("shop", "bank"):
        await create_connector(grounds.ground, OWNER, {"slug": slug, **source()})
    account = await create_account(grounds.ground, ACME, {"connector": "shop"})
    only = await create_server(grounds.ground, ACME, {"name": "only", "accounts": [account.id]})
    both = await create_server(grounds.ground, ACME, {"name": "both", "accounts": [account.id], "connectors": ["bank"]})
    other = await create_server(grounds.ground, BOLT, {"name": "other", "connectors": ["bank"]})
    patch = {"tools": {"list_items": {"title": "Ours"}}}
    overlay = await create_overlay(
        grounds.ground, ACME, {"layer": "tenant", "connector": "shop", "tenant": "acme", "patch": patch}
    )
    ids = {"account": account.id, "only": only.server.id, "both": both.server.id, "other": other.server.id}
    return grounds, {**ids, "overlay": overlay.id}


async def test_a_connector_in_use_is_removed_only_with_all_that_hangs_on_it() -> None:
    grounds, ids = await furnished()

    refused = await refusal(delete_connector(grounds.ground, OWNER, "shop", Removal()))
    assert refused.code == "connector.depended_on"
    plan = await delete_connector(grounds.ground, OWNER, "shop", Removal(plan=True))
    told = {(each.kind, each.id): each.becomes for each in plan.affected}
    assert told == {
        ("account", ids["account"]): "removed",
        ("server", ids["only"]): "removed",
        ("server", ids["both"]): "changed",
        ("overlay", ids["overlay"]): "removed",
    }
    assert not plan.done
    assert (await read_connector(grounds.ground, OWNER, "shop")).id == "shop"

    done = await delete_connector(grounds.ground, OWNER, "shop", Removal(cascade=True))
    assert done.done
    assert (await refusal(read_connector(grounds.ground, OWNER, "shop"))).code == "connector.not_found"
    assert (await refusal(read_server(grounds.ground, OWNER, ids["only"]))).code == "server.not_found"
    assert (await read_server(grounds.ground, OWNER, ids["both"])).accounts == ()
    async with grounds.ground.store.reading() as work:
        house = work.house()
        for rows in (house.versions, house.overlays, house.toolsets, house.accounts):
            assert await rows.every({"connector": "shop"}) == []
    assert (await read_server(grounds.ground, OWNER, ids["other"])).connectors == ("bank",)
    made = await create_connector(grounds.ground, OWNER, {"slug": "shop", **source()})
    assert made.connector.current == 1


async def test_a_connector_is_taken_from_tenants_that_use_it_only_when_that_is_meant() -> None:
    grounds, _ = await furnished()
    refused = await refusal(patch_connector(grounds.ground, OWNER, "shop", {"tenants": ["bolt"]}))
    assert refused.code == "connector.depended_on"
    assert (await read_connector(grounds.ground, OWNER, "shop")).tenants is None
    await patch_connector(grounds.ground, OWNER, "shop", {"tenants": ["bolt"]}, Removal(cascade=True))
    assert (await refusal(read_connector(grounds.ground, ACME, "shop"))).code == "connector.not_found"
    await patch_connector(grounds.ground, OWNER, "bank", {"tenants": ["acme", "bolt"]})


async def test_who_may_not_delete_deletes_nothing() -> None:
    grounds, _ = await furnished()
    for who in (ACME, AUDITOR, agent("acme")):
        refused = await refusal(delete_connector(grounds.ground, who, "shop", Removal(cascade=True)))
        assert refused.code == "identity.forbidden"
    with pytest.raises(CallerError):
        await delete_connector(grounds.ground, OWNER, "shop", Removal(cascade=True, if_match=99))
    assert (await read_connector(grounds.ground, OWNER, "shop")).current == 1
