"""Versions: proposals and their verdicts, promoted and taken back in one step, and who is told of what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError
from apiloom.compile.artefact import unpack
from apiloom.flows.accounts import create_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.connectors import create_connector, patch_connector, read_connector
from apiloom.flows.overlays import create_overlay, read_overlay
from apiloom.flows.servers import create_server, read_server
from apiloom.flows.toolsets import list_toolsets
from apiloom.flows.versions import (
    Promoted,
    Proposal,
    import_version,
    list_versions,
    promote_version,
    read_version,
    reject_version,
    rollback_version,
)
from apiloom.store.records import Tenant
from support.grounds import AUDITOR, OPERATOR, OWNER, Grounds, admin, agent, ground_on
from support.importing import ThreadImports, described, operation

ACME, BOLT = admin("acme"), admin("bolt")
URL = "https://shop.example/api.json"
CASCADE = Removal(cascade=True)


async def refusal(asked: Awaitable[Any]) -> ApiloomError:
    """The error that a question ends in."""
    with pytest.raises(ApiloomError) as caught:
        await asked
    return caught.value


@dataclass
class Shop:
    """The connector ``shop``, whose document is what ``write`` has put behind its URL."""

    grounds: Grounds
    imports: ThreadImports

    @property
    def ground(self) -> Any:
        return self.grounds.ground

    def write(self, text: str) -> None:
        self.imports.pages[URL] = text.encode()

    async def imported(self, text: str) -> Proposal:
        self.write(text)
        return await import_version(self.ground, OPERATOR, "shop")

    async def promoted(self, number: int, how: Removal = CASCADE) -> Promoted:
        self.grounds.clock.now += 60
        return await promote_version(self.ground, OPERATOR, "shop", number, how)

    async def rolled_back(self) -> Promoted:
        self.grounds.clock.now += 60
        return await rollback_version(self.ground, OPERATOR, "shop")

    async def current(self) -> int:
        return (await read_connector(self.ground, OWNER, "shop")).current

    async def states(self) -> dict[int, str]:
        page = await list_versions(self.ground, OWNER, "shop", Query())
        return {version.number: version.state for version in page.items}

    async def tools(self) -> set[str]:
        async with self.ground.store.reading() as work:
            content = await work.house().versions.artefact(f"shop/{await self.current()}")
        return set(unpack(content or b"").tools)


async def shop(*names: str, **members: Any) -> Shop:
    grounds = ground_on()
    async with grounds.ground.store.writing() as work:
        for tenant in ("acme", "bolt"):
            await work.house().tenants.add(Tenant(id=tenant))
    imports = ThreadImports()
    made = Shop(replace(grounds, ground=replace(grounds.ground, imports=imports)), imports)
    made.write(described(*(names or ("list_items", "list_orders"))))
    await create_connector(made.ground, OWNER, {"slug": "shop", "source": {"url": URL}, **members})
    return made


async def test_an_import_is_a_proposal_that_changes_nothing_until_it_is_promoted() -> None:
    it = await shop()
    commits = len(it.grounds.commits)

    made = await it.imported(described("list_items", "list_orders", "list_people"))

    assert (made.new, made.promoted, made.version.state, made.version.against) == (True, False, "proposed", 1)
    assert made.version.verdict == made.version.difference["verdict"] == "additive"
    assert [(tool["name"], tool["what"]) for tool in made.version.difference["tools"]] == [("list_people", "added")]
    assert await it.tools() == {"list_items", "list_orders"}
    assert len(it.grounds.commits) == commits + 1

    done = await it.promoted(2, Removal())

    assert (done.done, done.before, done.version.state, done.affected) == (True, 1, "current", ())
    assert await it.tools() == {"list_items", "list_orders", "list_people"}
    assert await it.states() == {1: "past", 2: "current"}


async def test_a_document_that_makes_the_same_makes_no_version() -> None:
    it = await shop()
    commits = len(it.grounds.commits)
    same = await it.imported(described("list_orders", "list_items"))
    assert (same.new, same.promoted, same.version.number) == (False, True, 1)
    assert len(it.grounds.commits) == commits + 1

    first = await it.imported(described("list_items"))
    again = await it.imported(described("list_items"))
    assert (first.version.number, again.version.number, again.new) == (2, 2, False)
    await reject_version(it.ground, OWNER, "shop", 2)
    assert (await it.imported(described("list_items"))).version.state == "rejected"
    assert await it.states() == {1: "current", 2: "rejected"}


async def test_a_proposal_against_a_version_that_is_served_no_longer_is_made_anew() -> None:
    it = await shop()
    await it.imported(described("list_items"))
    await it.imported(described("list_items", "list_orders", "list_people"))
    await it.promoted(3)
    again = await it.imported(described("list_items"))
    assert (again.new, again.version.number, again.version.against) == (True, 4, 3)


@pytest.mark.parametrize(
    ("text", "verdict", "promoted"),
    [
        (described("list_items", "list_orders", "list_people"), "additive", True),
        (described("list_items"), "breaking", False),
        (
            described("list_orders", paths={"/list_items": {"get": operation("list_items", description="New")}}),
            "review",
            False,
        ),
        (
            described("list_items", "list_orders", servers=[{"url": "https://elsewhere.example"}]),
            "breaking",
            False,
        ),
    ],
    ids=["additive", "removed", "text", "host"],
)
async def test_only_what_takes_nothing_away_is_promoted_by_itself(text: str, verdict: str, promoted: bool) -> None:
    it = await shop(auto_promote=True)
    made = await it.imported(text)
    assert (made.version.verdict, made.promoted, await it.current()) == (verdict, promoted, 2 if promoted else 1)
    assert (await read_version(it.ground, OWNER, "shop", 2)).state == ("current" if promoted else "proposed")


async def test_a_trusted_source_may_change_its_texts_by_itself() -> None:
    it = await shop(auto_promote=True, trusted=True)
    text = described("list_orders", paths={"/list_items": {"get": operation("list_items", description="New")}})
    assert (await it.imported(text)).promoted


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"base_url": "https://b.example"}, "breaking"),
        ({"headers": {"X-Version": "2"}}, "breaking"),
        ({"auth": "bearer"}, "breaking"),
        ({"trust": ["https://files.example"]}, "breaking"),
        ({"timeout": 9}, "review"),
    ],
)
async def test_options_take_effect_as_a_version_and_say_where_calls_go(options: dict[str, Any], verdict: str) -> None:
    it = await shop(auto_promote=True)
    await patch_connector(it.ground, OWNER, "shop", {"options": options})
    assert (await read_version(it.ground, OWNER, "shop", 1)).options == {}
    made = await import_version(it.ground, OWNER, "shop")
    assert (made.new, made.promoted, made.version.verdict) == (True, False, verdict)
    assert made.version.difference["options"] == list(options)
    assert set(made.version.options) == set(options)


async def test_a_rollback_serves_what_was_served_before_and_then_what_was_before_that() -> None:
    it = await shop()
    for names in (("a",), ("b",), ("c",)):
        made = await it.imported(described(*names))
        await it.promoted(made.version.number)
    assert await it.current() == 4
    back = await it.rolled_back()
    assert (back.before, back.version.number, back.version.state) == (4, 3, "current")
    assert (await it.rolled_back()).version.number == 2
    fifth = await it.imported(described("d"))
    await it.promoted(fifth.version.number)
    assert (await it.rolled_back()).version.number == 2
    assert (await it.rolled_back()).version.number == 1
    assert (await refusal(it.rolled_back())).code == "version.conflict"
    await it.promoted(4)
    assert await it.tools() == {"c"}
    assert await it.states() == {1: "past", 2: "past", 3: "past", 4: "current", 5: "past"}


async def test_what_is_promoted_already_stays_and_a_plan_does_nothing() -> None:
    it = await shop()
    await it.imported(described("list_items"))
    commits = len(it.grounds.commits)
    plan = await it.promoted(2, Removal(plan=True))
    assert (plan.done, plan.before, await it.current()) == (False, 1, 1)
    assert (await promote_version(it.ground, OWNER, "shop", 1)).done
    proposed = await import_version(it.ground, OWNER, "shop", {"source": {"text": described("x")}, "plan": True})
    assert (proposed.new, proposed.version.verdict, proposed.version.number) == (True, "breaking", 0)
    assert await it.states() == {1: "current", 2: "proposed"}
    assert len(it.grounds.commits) == commits


async def test_names_are_kept_over_every_version_that_was_served_and_no_other() -> None:
    it = await shop("list_items")
    await it.imported(described(paths={"/x": {"get": operation("rejected")}}))
    await it.imported(described("list_items", paths={"/y": {"get": operation("served")}}))
    await it.promoted(3)
    await it.rolled_back()
    moved = {"/z": {"get": operation("list_items")}, "/y": {"get": operation("called_otherwise")}}
    made = await it.imported(described(paths={**moved, "/x": {"get": operation("another")}}))
    await it.promoted(made.version.number)
    assert await it.tools() == {"list_items", "served", "another"}


async def test_a_promotion_that_takes_what_servers_name_is_refused_unless_it_is_meant() -> None:
    it = await shop("list_items", "list_orders")
    account = await create_account(it.ground, ACME, {"connector": "shop"})

    async def server(name: str, **config: Any) -> str:
        wanted = {"name": name, "accounts": [account.id], "config": config}
        return (await create_server(it.ground, ACME, wanted)).server.id

    whole = await server("whole", tools={"allow": ["list_orders"]})
    half = await server("half", tools={"allow": ["list_*", "shop_list_orders", "list_orders"]})
    by_key = await server("by_key", methods=["GET /list_orders", "GET /list_items"])
    await server("untouched", tools={"allow": ["list_items"], "deny": ["list_orders"]})
    await server("pinned", tools={"allow": ["list_orders"]}, pin_version=1)
    layer = {"layer": "tenant", "connector": "shop", "tenant": "acme"}
    patch = {"tools": {"list_orders": {"title": "Our secret orders"}}}
    overlay = await create_overlay(it.ground, ACME, {**layer, "patch": patch})
    await it.imported(described("list_items"))

    refused = await refusal(it.promoted(2, Removal()))

    assert refused.code == "version.depended_on"
    expected = {whole: "emptied", half: "changed", by_key: "changed", overlay.id: "changed"}
    affected: Any = refused.facts["affected"]
    assert {each["id"]: each["becomes"] for each in affected} == expected
    assert await it.current() == 1
    plan = await it.promoted(2, Removal(plan=True))
    assert {each.id: each.becomes for each in plan.affected} == expected

    done = await it.promoted(2, CASCADE)

    assert {each.id for each in done.affected} == set(expected)
    assert (await read_server(it.ground, ACME, whole)).config["tools"]["allow"] == ["list_orders"]
    assert (await read_overlay(it.ground, ACME, overlay.id)).patch == patch
    version = await read_version(it.ground, BOLT, "shop", 2)
    assert "secret" not in repr(version)
    assert overlay.id not in repr(version)
    assert not [each for each in version.findings if each["code"].startswith("overlay.")]
    lines = (await list_audit(it.ground, ACME, Query())).items
    assert [line.target for line in lines if line.action == "overlay.met"] == [overlay.id]
    assert not [line for line in (await list_audit(it.ground, BOLT, Query())).items if line.action == "overlay.met"]
    assert (await it.rolled_back()).affected == ()


async def test_what_a_new_version_makes_of_the_houses_own_edits_is_a_finding_of_it() -> None:
    it = await shop("list_items", "list_orders")
    patch = {"tools": {"list_items": {"description": "Ours"}}}
    await create_overlay(it.ground, OWNER, {"layer": "connector", "connector": "shop", "patch": patch})
    paths = {"/list_items": {"get": operation("list_items", description="Theirs, and new")}}
    await it.imported(described("list_orders", paths=paths))
    done = await it.promoted(2, Removal())
    assert [each["code"] for each in done.version.findings] == ["overlay.conflict"]
    await it.rolled_back()
    again = await it.promoted(2, Removal())
    assert [each["code"] for each in again.version.findings] == ["overlay.conflict"]


async def test_an_import_that_others_have_overtaken_is_compared_with_what_is_served_then() -> None:
    it = await shop("list_items")
    await it.imported(described("list_items", "list_orders"))

    async def promote() -> None:
        it.imports.meanwhile = None
        await it.promoted(2)

    it.imports.meanwhile = promote
    made = await it.imported(described("list_items", "list_people"))
    assert (made.version.against, made.version.verdict) == (2, "breaking")
    assert len(it.imports.jobs) == 4

    async def again() -> None:
        await it.promoted(1 if await it.current() == 2 else 2)

    it.imports.meanwhile = again
    assert (await refusal(it.imported(described("x")))).code == "version.conflict"
    assert await it.states() == {1: "past", 2: "current", 3: "proposed"}


async def test_imports_side_by_side_get_numbers_of_their_own() -> None:
    it = await shop("list_items")
    texts = [described(f"n{number}") for number in range(4)]
    made = await asyncio.gather(
        *(import_version(it.ground, OWNER, "shop", {"source": {"text": text}}) for text in [*texts, texts[0]])
    )
    assert sorted({one.version.number for one in made}) == [2, 3, 4, 5]
    assert sum(not one.new for one in made) == 1


async def test_promotions_side_by_side_leave_one_version_that_is_served() -> None:
    it = await shop("list_items")
    for number in range(3):
        await it.imported(described(f"n{number}"))
    await asyncio.gather(
        *(promote_version(it.ground, OWNER, "shop", number, CASCADE) for number in (2, 3, 4)), return_exceptions=True
    )
    states = await it.states()
    assert list(states.values()).count("current") == 1
    assert states[await it.current()] == "current"


async def test_an_import_that_fails_changes_nothing() -> None:
    it = await shop("list_items")
    commits = len(it.grounds.commits)
    with pytest.raises(ApiloomError):
        await it.imported("no: document")
    assert await it.states() == {1: "current"}
    assert len(it.grounds.commits) == commits


async def test_a_connector_whose_document_was_handed_over_needs_another_one() -> None:
    it = await shop("list_items")
    made = await import_version(it.ground, OWNER, "shop", {"source": {"text": described("a")}})
    assert made.new
    assert (await refusal(import_version(it.ground, OWNER, "shop"))).code == "connector.source"
    assert (await read_connector(it.ground, OWNER, "shop")).source == {"text": True}


async def test_toolsets_follow_the_version_that_is_served() -> None:
    def grouped(*groups: str) -> str:
        names = ("list", "count", "newest", "oldest", "search")
        paths = {f"/{g}/{n}": {"get": operation(f"{n}_{g}", tags=[g])} for g in groups for n in names}
        return described(paths=paths)

    it = await shop()
    await it.imported(grouped("items", "orders", "people", "places"))
    assert (await list_toolsets(it.ground, OWNER, Query())).items == ()
    await it.promoted(2)
    assert {each.name for each in (await list_toolsets(it.ground, OWNER, Query())).items} == {
        "items",
        "orders",
        "people",
        "places",
    }
    await it.rolled_back()
    assert (await list_toolsets(it.ground, OWNER, Query())).items == ()


async def test_only_the_houses_operators_change_versions() -> None:
    it = await shop("list_items")
    await it.imported(described("a"))
    for who in (ACME, AUDITOR, agent("acme")):
        for asked in (
            import_version(it.ground, who, "shop"),
            promote_version(it.ground, who, "shop", 2, CASCADE),
            rollback_version(it.ground, who, "shop"),
            reject_version(it.ground, who, "shop", 2),
        ):
            assert (await refusal(asked)).code == "identity.forbidden"
    assert await it.states() == {1: "current", 2: "proposed"}
    for number in (0, -1, 3, 10**12):
        assert (await refusal(it.promoted(number))).code == "version.not_found"
    assert (await refusal(reject_version(it.ground, OWNER, "shop", 1))).code == "version.conflict"
    assert (await refusal(promote_version(it.ground, OWNER, "never", 1))).code == "connector.not_found"


async def test_every_change_leaves_a_line() -> None:
    it = await shop("list_items")
    await it.imported(described("a"))
    await it.promoted(2)
    await it.rolled_back()
    await it.imported(described("b"))
    await reject_version(it.ground, OPERATOR, "shop", 3)
    lines = (await list_audit(it.ground, OWNER, Query())).items
    assert sorted((line.action, line.target) for line in lines) == [
        ("connector.create", "shop"),
        ("version.import", "shop/2"),
        ("version.import", "shop/3"),
        ("version.promote", "shop/2"),
        ("version.reject", "shop/3"),
        ("version.rollback", "shop/1"),
    ]


async def test_work_for_one_tenants_connector_waits_in_that_tenants_line() -> None:
    it = await shop("list_items", tenants=["acme"])
    await it.imported(described("a"))
    assert [job.tenant for job in it.imports.jobs] == ["acme", "acme"]
    await patch_connector(it.ground, OWNER, "shop", {"tenants": None})
    await it.imported(described("b"))
    assert it.imports.jobs[-1].tenant == OPERATOR.id
