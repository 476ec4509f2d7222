"""Connect sessions: who may make one, what it may ask, which ways it offers, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.flows.asking import Query, Removal
from apiloom.flows.connect_account import Given, connect_account
from apiloom.flows.connect_create import Started, create_session
from apiloom.flows.connect_links import Place, first_link_for, link_for
from apiloom.flows.connect_page import find_visit, load_asked
from apiloom.flows.connect_ports import Granted, Needs
from apiloom.flows.connect_visit import bind, returned, submit, told
from apiloom.flows.connect_wanted import contrast, is_origin, read_look
from apiloom.flows.connect_ways import Way, needed_by, ways_of
from apiloom.flows.connecting import (
    KEPT_FOR,
    MADE_WITH,
    delete_session,
    list_sessions,
    read_session,
    redeem,
    state_of,
)
from apiloom.flows.sweeper import sweep
from apiloom.model.api import SecurityScheme
from apiloom.store.records import Account, ApiToken, Grant, OAuthClient, Tenant, TokenFamily
from support.connecting import EITHER, notes
from support.consents import Consents
from support.grounds import AUDITOR, HOST_OWNER, NOON, OWNER, Grounds, add_connector, admin, agent, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")
BROWSER = "b" * 43
SHOP: dict[str, Any] = {"connector": "shop"}


async def house(**members: Any) -> Grounds:
    """The shop, and notes whose accounts are granted by OAuth or take a key; acme allows one origin."""
    grounds = await with_shop(**members)
    async with grounds.ground.store.writing() as work:
        rows = work.house().tenants
        acme = await rows.load("acme")
        assert acme is not None
        metadata = {"connect_origins": ["https://app.example.com", "https://evil.example.com/path", 7]}
        await rows.save(Tenant(id="acme", name="Acme", metadata=metadata, created_at=NOON), acme.revision)
        await add_connector(work.house(), "notes", notes(EITHER))
        client = OAuthClient(id="ocl_1", connector="notes", scheme="Account", client_id="c", scopes=("profile",))
        await work.house().oauth_clients.add(client)
    return grounds


async def opened(grounds: Grounds, **wanted: Any) -> tuple[Started, str]:
    started = await create_session(grounds.ground, OWNER, {"tenant": "acme", **wanted})
    text = started.url.rpartition("/")[2]
    async with grounds.ground.store.writing() as work:  # the one who made it is a token that there is
        rows = work.tenant("acme").connect_sessions
        session = await rows.load(started.session.id)
        assert session is not None
        known = {name: value for name, value in session.wanted.items() if name != MADE_WITH}
        await rows.save(replace(session, created_by="host", wanted=known), session.revision)
    await bind(grounds.ground, text, BROWSER)
    return started, text


async def every(grounds: Grounds, rows: str) -> list[Any]:
    async with grounds.ground.store.reading() as work:
        return list(await getattr(work.house(), rows).every())


async def typed(grounds: Grounds, text: str, number: int = 1, **values: str) -> Any:
    session = await find_visit(grounds.ground, text)
    return await submit(grounds.ground, text, session, number, values)


async def test_a_link_is_shown_once_and_kept_as_a_hash() -> None:
    grounds = await house()
    started = await create_session(grounds.ground, ACME, SHOP)
    text = started.url.removeprefix("https://loom.example.com/connect/")
    assert text.startswith(f"{started.session.id}.")
    assert started.url not in repr(started)
    secret = text.partition(".")[2]
    (kept,) = await every(grounds, "connect_sessions")
    assert secret not in repr(kept)
    assert secret.encode() not in kept.digest
    assert (kept.tenant, kept.connector, kept.state, kept.expires_at) == ("acme", "shop", "open", NOON + 900)
    assert started.embed_url == ""


@pytest.mark.parametrize(
    ("who", "wanted", "code"),
    [
        (AUDITOR, {"tenant": "acme"}, "identity.forbidden"),
        (agent("acme"), {}, "identity.forbidden"),
        (BOLT, {"tenant": "acme"}, "identity.forbidden"),
        (BOLT, {"connector": "vault"}, "connector.not_found"),
        (admin("acme", end_user="ann"), {"end_user": "bob"}, "identity.wider"),
        (admin("acme", expires_at=NOON + 100), {"expires_in": 101}, "identity.wider"),
        (ACME, {"connector": None}, "field.form"),
        (ACME, {"account": "acc_x"}, "field.form"),
        (ACME, {"connector": None, "account": "acc_x"}, "account.not_found"),
        (ACME, {"expires_in": 86401}, "field.bounds"),
        (ACME, {"variables": {"nope": "x"}}, "server.variable"),
        (ACME, {"scopes": ["a b"]}, "field.form"),
        (ACME, {"allowed_origins": ["https://evil.example.com"]}, "connect.origin"),
        (ACME, {"allowed_origins": ["https://evil.example.com/path"]}, "connect.origin"),
        (ACME, {"allowed_origins": ["*"]}, "connect.origin"),
        (ACME, {"return_url": "https://evil.example.com/"}, "connect.origin"),
        (ACME, {"unknown": 1}, "field.unknown"),
        (ACME, {"look": {"logo": "https://evil.example.com/x.png"}}, "field.form"),
        (ACME, {"look": {"logo": "data:image/png;base64,aGVsbG8="}}, "field.form"),
        (ACME, {"look": {"logo": "data:image/svg+xml;base64,PHN2Zz4="}}, "field.form"),
        (ACME, {"look": {"colours": {"accent": "red;}*{}"}}}, "field.form"),
        (ACME, {"look": {"colours": {"text": "#777777", "background": "#888888"}}}, "field.form"),
        (ACME, {"look": {"colours": {"text": "#777777"}}}, "field.form"),
        (ACME, {"look": {"language": "xx"}}, "field.form"),
    ],
)
async def test_nobody_asks_for_what_they_may_not(who: Any, wanted: dict[str, Any], code: str) -> None:
    grounds = await house()
    with pytest.raises((CallerError, DesignError)) as refused:
        await create_session(grounds.ground, who, {**SHOP, **wanted})
    assert refused.value.code == code
    assert await every(grounds, "connect_sessions") == []


async def test_a_token_that_stands_for_a_person_makes_links_for_that_person() -> None:
    grounds = await house()
    ann = admin("acme", end_user="ann")
    assert (await create_session(grounds.ground, ann, SHOP)).session.end_user == "ann"
    bobs = await create_session(grounds.ground, ACME, {**SHOP, "end_user": "bob"})
    await refusal(delete_session(grounds.ground, ann, bobs.session.id, Removal()), "identity.wider")


async def test_another_tenants_session_is_like_one_that_never_was() -> None:
    grounds = await house()
    started = await create_session(grounds.ground, ACME, SHOP)
    unknown = await refusal(read_session(grounds.ground, BOLT, "cs_" + "a" * 20), "connect_session.not_found")
    foreign = await refusal(read_session(grounds.ground, BOLT, started.session.id), "connect_session.not_found")
    assert foreign.message.replace(started.session.id, "ID") == unknown.message.replace("cs_" + "a" * 20, "ID")
    await refusal(delete_session(grounds.ground, BOLT, started.session.id, Removal()), "connect_session.not_found")
    assert (await list_sessions(grounds.ground, BOLT, Query())).items == ()
    await refusal(delete_session(grounds.ground, AUDITOR, started.session.id, Removal()), "identity.forbidden")
    await delete_session(grounds.ground, ACME, started.session.id, Removal())
    assert await every(grounds, "connect_sessions") == []


async def test_an_account_that_is_connected_anew_stays_what_it_is() -> None:
    grounds = await house()
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        await scope.accounts.add(Account(id="acc_1", tenant="acme", connector="shop", end_user="ann", label="Main"))
    for wanted in ({"label": "x"}, {"variables": {"region": "us"}}, {"external_id": "x"}, {"end_user": "bob"}):
        await refusal(create_session(grounds.ground, ACME, {"account": "acc_1", **wanted}), "field.form")
    started, text = await opened(grounds, account="acc_1")
    assert (started.session.connector, started.session.end_user) == ("shop", "ann")
    step = await typed(grounds, text, **{"c:key:token": "new"})
    assert step.session.result == {"account": "acc_1", "identity": {}, "reconnected": True}
    (account,) = await every(grounds, "accounts")
    assert (account.label, account.schemes, account.revision) == ("Main", ("key",), 2)


async def test_what_was_typed_is_forgotten_once_it_is_used() -> None:
    grounds = await house()
    _, text = await opened(grounds, connector="notes")
    step = await typed(grounds, text, 1)
    assert step.url.startswith("https://auth.example.com/authorize?")
    (session,) = await every(grounds, "connect_sessions")
    assert session.state == "authorizing"
    state = step.url.partition("state=")[2].partition("&")[0]
    done = await returned(grounds.ground, BROWSER, state, f"code=ann&state={state}")
    assert done.error is None
    assert done.link == text
    (session,) = await every(grounds, "connect_sessions")
    assert text.encode() not in session.sealed[::-1]
    assert session.result["identity"] == {"sub": "ann"}
    (grant,) = await every(grounds, "grants")
    assert grant.scopes == ("email", "openid", "profile"), "the least, and what the client adds"


async def test_a_code_of_a_client_that_became_another_is_not_exchanged() -> None:
    grounds = await house()
    _, text = await opened(grounds, connector="notes")
    step = await typed(grounds, text, 1)
    async with grounds.ground.store.writing() as work:
        rows = work.house().oauth_clients
        await rows.remove("ocl_1")
        await rows.add(OAuthClient(id="ocl_2", connector="notes", scheme="Account", client_id="d"))
    state = step.url.partition("state=")[2].partition("&")[0]
    done = await returned(grounds.ground, BROWSER, state, f"code=ann&state={state}")
    assert done.error is not None
    assert done.error.code == "connect.state"
    assert await every(grounds, "accounts") == []


async def test_an_external_id_that_was_taken_meanwhile_gives_back_what_was_granted() -> None:
    consents = Consents()
    grounds = await house(connecting=consents)
    _, text = await opened(grounds, connector="notes", external_id="crm-1")
    step = await typed(grounds, text, 1)
    async with grounds.ground.store.writing() as work:
        taken = Account(id="acc_1", tenant="acme", connector="shop", external_id="crm-1")
        await work.tenant("acme").accounts.add(taken)
    await refusal(create_session(grounds.ground, ACME, {**SHOP, "external_id": "crm-1"}), "store.exists")
    state = step.url.partition("state=")[2].partition("&")[0]
    done = await returned(grounds.ground, BROWSER, state, f"code=ann&state={state}")
    assert done.error is not None
    assert done.error.code == "store.exists"
    assert consents.returned == ["ann"]
    assert await every(grounds, "grants") == []


@pytest.mark.parametrize("works", [True, False])
async def test_a_new_account_counts_only_once_it_was_tried(works: bool) -> None:
    seen: list[tuple[str, bool]] = []
    grounds: Grounds

    async def call(account: str, _tool: str) -> Mapping[str, Any]:
        (there,) = await every(grounds, "accounts")
        seen.append((account, there.enabled))
        return {"ok": works, "tool": "list_items"}

    grounds = await house(test_call=call)
    _, text = await opened(grounds, **SHOP, check=True)
    if works:
        step = await typed(grounds, text, **{"c:key:token": "k"})
        (account,) = await every(grounds, "accounts")
        assert account.enabled
        assert step.session.state == "done"
        assert len(await every(grounds, "events")) == 1
    else:
        await refusal(typed(grounds, text, **{"c:key:token": "k"}), "connect.untried")
        assert await every(grounds, "accounts") == []
        assert await every(grounds, "events") == []
        assert (await every(grounds, "connect_sessions"))[0].state == "bound"
    assert [enabled for _, enabled in seen] == [False], "nobody calls it before it was tried"


async def test_somebody_of_whom_nothing_is_known_anew_is_somebody_else() -> None:
    grounds = await house()
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        await scope.accounts.add(Account(id="acc_1", tenant="acme", connector="notes"))
        await scope.grants.add(
            Grant(id="acc_1/Account", tenant="acme", account="acc_1", scheme="Account", identity={"email": "a@b"})
        )
    _, text = await opened(grounds, account="acc_1")
    step = await typed(grounds, text, 1)
    state = step.url.partition("state=")[2].partition("&")[0]
    done = await returned(grounds.ground, BROWSER, state, f"code=ann&state={state}")
    assert done.error is not None
    assert done.error.code == "connect.identity"


async def identified(grounds: Grounds) -> None:
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        await scope.accounts.add(Account(id="acc_1", tenant="acme", connector="notes"))
        await scope.grants.add(
            Grant(id="acc_1/Account", tenant="acme", account="acc_1", scheme="Account", identity={"sub": "ann"})
        )


async def test_what_is_typed_does_not_take_the_place_of_somebody_who_signed_in() -> None:
    grounds = await house()
    await identified(grounds)
    _, text = await opened(grounds, account="acc_1")
    asked = await load_asked(grounds.ground, await find_visit(grounds.ground, text))
    assert [way.consents for way in asked.ways] == [("Account",)], "a key is not offered"
    step = await typed(grounds, text, 2, **{"c:Key:token": "eves"})
    assert step.session.state == "authorizing", "nor taken"
    _, other = await opened(grounds, account="acc_1", allow_other_identity=True)
    assert (await typed(grounds, other, 2, **{"c:Key:token": "anns"})).session.state == "done"


async def test_where_nobody_can_sign_in_any_more_a_key_is_refused_all_the_same() -> None:
    grounds = await house()
    await identified(grounds)
    async with grounds.ground.store.writing() as work:
        await work.house().oauth_clients.remove("ocl_1")
    _, text = await opened(grounds, account="acc_1")
    for number in (1, 2):
        values = {"c:Key:token": "eves", "c:Account:token": "eves"}
        await refusal(typed(grounds, text, number, **values), "connect.identity")
    assert (await every(grounds, "accounts"))[0].schemes == ()
    assert [grant.identity for grant in await every(grounds, "grants")] == [{"sub": "ann"}]


async def test_a_tenant_has_nothing_more_asked_with_the_houses_client() -> None:
    grounds = await house()
    wanted = {"connector": "notes", "scopes": ["email", "profile"]}
    started = await create_session(grounds.ground, ACME, wanted)
    wider = {**wanted, "scopes": ["email", "mail.send"]}
    assert "mail.send" in str(await refusal(create_session(grounds.ground, ACME, wider), "identity.wider"))
    assert (await every(grounds, "connect_sessions")) == [started.session]
    await create_session(grounds.ground, OWNER, {**wider, "tenant": "acme"})
    async with grounds.ground.store.writing() as work:
        own = OAuthClient(id="ocl_2", tenant="acme", connector="notes", scheme="Account", client_id="c")
        await work.tenant("acme").oauth_clients.add(own)
    late = (await create_session(grounds.ground, ACME, wider)).session
    async with grounds.ground.store.writing() as work:
        await work.tenant("acme").oauth_clients.remove("ocl_2")
    asked = await load_asked(grounds.ground, late)
    assert asked.consent(asked.way(1), "Account", {}).scopes == ("email", "openid", "profile"), (
        "its own client is gone meanwhile"
    )


@pytest.mark.parametrize("gone", ["token", "sign-in", "ended"])
async def test_a_link_ends_with_the_token_or_the_sign_in_that_made_it(gone: str) -> None:
    grounds = await house()
    who = replace(ACME, id="token:key_acme", token="fam_1 key_acme")
    async with grounds.ground.store.writing() as work:
        await work.tenant("acme").api_tokens.add(
            ApiToken(id="key_acme", tenant="acme", name="t", role="tenant-admin", digest=b"d" * 32)
        )
        family = TokenFamily(id="fam_1", tenant="acme", client="c", subject="s", expires_at=NOON + 5000)
        family = await work.tenant("acme").token_families.add(family)
    started = await create_session(grounds.ground, who, SHOP)
    text = started.url.rpartition("/")[2]
    assert (await bind(grounds.ground, text, BROWSER)).state == "bound"
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        if gone == "token":
            await scope.api_tokens.remove("key_acme")
        elif gone == "sign-in":
            await scope.token_families.remove("fam_1")
        else:
            await scope.token_families.save(replace(family, ended=True), family.revision)
    await refusal(find_visit(grounds.ground, text), "connect.gone")


async def test_a_session_makes_one_account_though_two_forms_of_it_are_tried_at_once() -> None:
    consents, twice = Consents(), asyncio.Barrier(2)

    async def call(_account: str, _tool: str) -> Mapping[str, Any]:
        async with asyncio.timeout(10):
            await twice.wait()  # both are tried before either has finished
        return {"ok": True, "tool": "list_notes"}

    grounds = await house(connecting=consents, test_call=call)
    _, text = await opened(grounds, connector="notes", check=True)
    asked = await load_asked(grounds.ground, await find_visit(grounds.ground, text))
    way = asked.way(1)

    def given(code: str) -> Given:
        granted = Granted(tokens=code, identity={"sub": code})
        return Given(way=way, variables={}, credentials={}, grants=((asked.consent(way, "Account", {}), granted),))

    one, two = await asyncio.gather(*(connect_account(grounds.ground, asked, given(code)) for code in ("one", "two")))
    assert one.result == two.result
    (account,) = await every(grounds, "accounts")
    assert (account.id, account.enabled) == (one.result["account"], True)
    (grant,) = await every(grounds, "grants")
    assert sorted([grant.identity["sub"], *consents.returned]) == ["one", "two"], "what the loser was granted goes back"
    assert len(await every(grounds, "events")) == 1
    await connect_account(grounds.ground, asked, given("three"))
    assert consents.returned[1:] == ["three"]


async def test_what_a_session_came_to_is_told_to_the_first_that_asked_for_it() -> None:
    grounds = await house()
    started = await create_session(grounds.ground, HOST_OWNER, {**SHOP, "tenant": "acme"})
    text = started.url.rpartition("/")[2]
    await bind(grounds.ground, text, BROWSER, "a" * 64)
    await bind(grounds.ground, text, BROWSER, "f" * 64)
    await typed(grounds, text, **{"c:key:token": "k"})
    assert (await told(grounds.ground, text, "f" * 64))[1] == ""
    assert (await told(grounds.ground, text, "a" * 64))[1]


async def test_of_several_scopes_that_would_do_the_least_are_asked_for() -> None:
    grounds = await house()
    started = await create_session(grounds.ground, ACME, {"connector": "notes"})
    asked = await load_asked(grounds.ground, started.session)
    all_, read = (("Account", ("mail.all",)),), (("Account", ("mail.read",)),)
    either = replace(asked, needs=replace(asked.needs, tools=((all_, read), (all_, read))))
    assert either.consent(either.way(1), "Account", {}).scopes == ("mail.read", "profile")
    one = replace(asked, needs=replace(asked.needs, tools=((all_, read), (all_,))))
    assert one.consent(one.way(1), "Account", {}).scopes == ("mail.all", "profile"), "what one tool needs serves both"


async def test_links_for_agents_are_for_the_accounts_person_and_for_nobody_unnamed() -> None:
    grounds = await house()
    async with grounds.ground.store.writing() as work:
        account = await work.tenant("acme").accounts.add(
            Account(id="acc_1", tenant="acme", connector="notes", end_user="ann")
        )
    link = await link_for(grounds.ground, account, ("more",))
    assert link is not None
    session = await find_visit(grounds.ground, link.url.rpartition("/")[2])
    asked = await load_asked(grounds.ground, session)
    assert (session.end_user, session.account) == ("ann", "acc_1")
    assert asked.consent(asked.way(1), "Account", {}).scopes == ("email", "openid", "profile", "more")
    assert await first_link_for(grounds.ground, Place("acme", "notes", "")) is None
    first = await first_link_for(grounds.ground, Place("acme", "notes", "bob"))
    assert first is not None
    assert (await find_visit(grounds.ground, first.url.rpartition("/")[2])).end_user == "bob"
    assert await link_for(replace(grounds.ground, connecting=None), account) is None


async def test_what_came_of_a_session_is_kept_for_a_day_after_its_end() -> None:
    grounds = await house()
    started = await create_session(grounds.ground, ACME, SHOP)
    grounds.clock.now += 901
    assert state_of(await read_session(grounds.ground, ACME, started.session.id), grounds.clock()) == "expired"
    await sweep(grounds.ground)
    assert len(await every(grounds, "connect_sessions")) == 1
    grounds.clock.now += KEPT_FOR
    assert (await sweep(grounds.ground)).connect_sessions == 1


async def test_a_copy_that_nobody_has_claimed_connects_nothing() -> None:
    grounds = await house()
    _, text = await opened(grounds, **SHOP)
    async with grounds.ground.store.writing() as work:
        account = await work.tenant("acme").accounts.add(Account(id="acc_1", tenant="acme", connector="notes"))
    asleep = replace(grounds.ground, dormant=lambda: True)
    session = await find_visit(asleep, text)
    await refusal(submit(asleep, text, session, 1, {"c:key:token": "k"}), "store.dormant")
    await refusal(create_session(asleep, ACME, SHOP), "store.dormant")
    assert await link_for(asleep, account) is None


async def test_without_a_page_there_are_no_sessions() -> None:
    grounds = await house(connecting=None)
    await refusal(create_session(grounds.ground, ACME, SHOP), "connect.unavailable")
    await refusal(redeem(grounds.ground, ACME, {"code": "cs_x.y"}), "connect.code")


def scheme(name: str, kind: Any = "apiKey", **more: Any) -> SecurityScheme:
    place = {"place": "header", "name": name} if kind == "apiKey" else {}
    return SecurityScheme(id=name, kind=kind, **place, **more)


def needs(*tools: list[dict[str, list[str]]], **more: Any) -> Needs:
    schemes = {name: scheme(name) for name in "abc"} | {"o": scheme("o", "oauth2"), "m": scheme("m", "mutualTLS")}
    read = tuple(
        tuple(tuple((name, tuple(scopes)) for name, scopes in need.items()) for need in tool) for tool in tools
    )
    return Needs(schemes=schemes, tools=read, **more)


A, B, C, O, M = {"a": []}, {"b": []}, {"c": []}, {"o": ["read"]}, {"m": []}  # noqa: E741


@pytest.mark.parametrize(
    ("asked", "consents", "ways"),
    [
        (needs(), (), [()]),
        (needs([A]), (), [("a",)]),
        (needs([A, B]), (), [("a",), ("b",)]),
        (needs([{"a": [], "b": []}]), (), [("a", "b")]),
        (needs([A, O]), (), [("a",), ("o",)]),
        (needs([A, O]), ("o",), [("o",), ("a",)]),
        (needs([A], [B]), (), [("a", "b")]),
        (needs([A], [A, B], [B]), (), [("a", "b")]),
        (needs([A, B], [B, C]), (), [("b",), ("a", "b"), ("b", "c")]),
        (needs([A], [{}]), (), [("a",)]),
        (needs([A, {}], [B]), (), [("b",)]),
        (needs([A, {}]), (), [("a",)]),
        (needs([{}]), (), [()]),
        (needs([M], [A]), (), [("a",)]),
        (needs([M]), (), [()]),
    ],
)
def test_a_way_opens_every_tool_with_as_little_as_it_can(asked: Needs, consents: Any, ways: list[Any]) -> None:
    assert [tuple(sorted(way.schemes)) for way in ways_of(asked, consents)] == ways


def test_an_account_is_connected_anew_the_way_it_was() -> None:
    asked = needs([A, B, O])
    assert ways_of(asked, ("o",), ("b",))[0].schemes == ("b",)


def test_only_the_scopes_of_a_way_are_asked() -> None:
    asked = needs([{"o": ["read"]}, A], [{"o": ["read", "write"], "b": []}, A])
    assert needed_by(asked, Way(number=1, consents=("o",))) == [((("o", ("read",)),),)]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com:8443", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://vendor.localhost", True),
        ("https://[2001:db8::1]", True),
        ("http://app.example.com", False),
        ("https://app.example.com/", False),
        ("https://app.example.com:443", False),
        ("https://app.example.com:0443", False),
        ("https://app.example.com:99999", False),
        ("https://App.example.com", False),
        ("https://*.example.com", False),
        ("https://a@b.example.com", False),
        ("https://a..b", False),
        ("https://", False),
        ("null", False),
        ("*", False),
        ("https://a.example.com https://b.example.com", False),
        ("https://a.example.com;script-src", False),
        ("http://localhost.evil.example.com", False),
    ],
)
def test_an_origin_is_what_browsers_write(text: str, known: bool) -> None:
    assert is_origin(text) is known


def test_a_look_keeps_what_can_be_read() -> None:
    assert read_look(None) == {}
    look = {"name": "N", "colours": {"accent": "#ABCDEF"}, "language": "de"}
    assert read_look(look) == {**look, "colours": {"accent": "#abcdef"}}
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0


async def test_two_that_finish_at_once_make_one_account() -> None:
    grounds = await house()
    _, text = await opened(grounds, **SHOP)
    session = await find_visit(grounds.ground, text)
    first = await submit(grounds.ground, text, session, 1, {"c:key:token": "one"})
    second = await submit(grounds.ground, text, session, 1, {"c:key:token": "two"})
    assert first.session.result == second.session.result
    (account,) = await every(grounds, "accounts")
    async with grounds.ground.store.reading() as work:
        scope = work.tenant("acme")
        opened_ = await grounds.ground.sealing.open(scope, "acme", account.id, account.sealed)
    assert json.loads(opened_) == {"key": {"token": "one"}}
