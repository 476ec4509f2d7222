"""Credentials that are references: nothing is stored of them, and what they lead to is read again when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiloom.app.references import follow_now, opened_bao, places_of
from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account, patch_account
from apiloom.identity.principal import Principal
from apiloom.vault.references import STALE, Places, References, follow, read_reference
from support.gateway import Gateway, call, desk, gateway, http
from support.keyring_in_memory import NAMED, InMemory
from support.openbao import OpenBao
from support.upstream import Answer, Seen, Upstream, upstream

OWNER = Principal(id="token:key_o", role="owner", token="key_o")


@pytest.fixture(autouse=True)
def keyring() -> Iterator[type[InMemory]]:
    InMemory.entries.clear()
    InMemory.mode = ""
    yield InMemory
    InMemory.entries.clear()


def places(**environment: str) -> Places:
    return places_of({"APILOOM_KEYRING_BACKEND": NAMED, **environment})


async def read(reference: str, **environment: str) -> str:
    return (await follow(reference, places(**environment))).reveal()


async def refused(reference: str, **environment: str) -> ApiloomError:
    with pytest.raises(ApiloomError) as error:
        await read(reference, **environment)
    assert "\n" not in error.value.sentence()
    return error.value


async def test_each_kind_of_reference_is_followed(tmp_path: Path, openbao: OpenBao, keyring: type[InMemory]) -> None:
    file = tmp_path / "secret"
    file.write_text("of-a-file\n")
    file.chmod(0o400)
    keyring.entries["shop", "main"] = "of-a-keyring"
    openbao.put("secret/shop", token="of-version-2", other="x")
    openbao.put("secret/one", only="of-one")
    openbao.put("old/shop", value="of-version-1", other="x")
    assert await read("env:SHOP", SHOP="of-the-environment") == "of-the-environment"
    assert await read(f"file:{file}") == "of-a-file"
    assert await read("keyring:shop/main") == "of-a-keyring"
    for reference, value in {
        "bao:secret/shop#token": "of-version-2",
        "bao:secret/data/shop#token": "of-version-2",
        "bao:secret/one": "of-one",
        "bao:old/shop": "of-version-1",
        "bao:old/shop#other": "x",
    }.items():
        assert await read(reference, **openbao.environment) == value
        assert await asyncio.to_thread(follow_now, reference, openbao.environment) == value
    # whoever cannot wait may stand in a running loop
    assert follow_now("env:SHOP", {"SHOP": "now"}) == "now"


async def test_a_token_that_may_read_one_secret_and_nothing_else_is_enough(openbao: OpenBao) -> None:
    openbao.put("secret/narrow/shop", token="of-version-2")
    openbao.put("old/narrow/shop", token="of-version-1")
    paths = ("secret/data/narrow/shop", "old/narrow/shop")
    policy = "".join(f'path "{path}" {{ capabilities = ["read"] }}\n' for path in paths)
    narrow = {**openbao.environment, "BAO_TOKEN": openbao.token_for(policy)}
    for reference, value in {
        "bao:secret/narrow/shop#token": "of-version-2",
        "bao:secret/data/narrow/shop#token": "of-version-2",
        "bao:old/narrow/shop#token": "of-version-1",
    }.items():
        assert await read(reference, **narrow) == value
    assert (await refused("bao:secret/other#token", **narrow)).code == "bao.refused"


async def test_what_leads_nowhere_is_told_in_one_sentence_without_a_value(
    tmp_path: Path, openbao: OpenBao, keyring: type[InMemory]
) -> None:
    openbao.put("secret/shop", token="hunter2", other="x", number="")
    keyring.entries["shop", "large"] = "x" * 70_000
    for reference in (
        "",
        "env",
        "env:",
        "env:A B",
        "x:y",
        "bao:",
        "bao:#a",
        "keyring:a",
        "keyring:/b",
        "file:",
        "e" * 2000,
    ):
        assert (await refused(reference)).code == "credentials.form"
    for reference in ("env:NONE", "file:/nowhere", f"file:{tmp_path}", "keyring:a/b"):
        assert (await refused(reference)).code == "credentials.ref"
    assert (await refused("keyring:shop/large")).code == "keyring.large"
    for reference in ("bao:secret/none#x", "bao:secret/shop#none", "bao:secret/shop", "bao:secret/shop#number"):
        assert (await refused(reference, **openbao.environment)).code == "credentials.ref"
    for reference in ("bao:../sys/seal", "bao:secret/../x", "bao:/x", "bao:secret/a b", "bao:secret/a?b=c#d"):
        assert (await refused(reference, **openbao.environment)).code == "credentials.ref"
    assert (await refused("bao:secret/shop#token")).code == "bao.settings"
    error = await refused("bao:secret/shop#token", **{**openbao.environment, "BAO_TOKEN": "wrong"})
    assert error.code == "bao.refused"
    assert "hunter2" not in error.sentence()
    shared = tmp_path / "shared"
    shared.write_text("hunter2")
    for mode in (0o644, 0o640, 0o604):
        shared.chmod(mode)
        error = await refused(f"file:{shared}")
        assert error.code == "credentials.ref"
        assert "hunter2" not in error.sentence()


@pytest.mark.parametrize("said", ["garbage", "[]", '{"data": 7}', "x" * 2_000_000])
async def test_what_is_no_openbao_is_told(said: str) -> None:
    with upstream(lambda _: Answer(said.encode())) as api:
        async with opened_bao({"BAO_ADDR": api.url, "BAO_TOKEN": "t"}) as bao:
            with pytest.raises(UpstreamError) as error:
                await bao.read("secret/x", "token")
            assert error.value.code in {"bao.answer", "bao.unreachable"}
            assert said[:5] not in error.value.sentence()


async def test_what_is_no_text_is_no_secret() -> None:
    with upstream(lambda _: Answer({"data": {"token": 7}})) as api:
        async with opened_bao({"BAO_ADDR": api.url, "BAO_TOKEN": "t"}) as bao:
            assert await bao.read("secret/x", "token") is None


class Vault:
    """A place of references that counts how often it is asked, and fails when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.value = "one"
        self.down = False
        self.now = 1000.0


async def test_a_value_is_held_for_a_minute_and_longer_while_its_place_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault = Vault()

    async def told(_reference: str, _places: Places) -> Secret:
        vault.asked += 1
        await asyncio.sleep(0)
        if vault.down:
            raise UpstreamError("it cannot be asked", code="bao.unreachable")
        return Secret(vault.value)

    monkeypatch.setattr("apiloom.vault.references.follow", told)
    held = References(places(), clock=lambda: vault.now)

    async def resolve(*, anew: bool = False) -> str:
        return (await held.resolve("bao:secret/x", anew=anew)).reveal()

    assert await asyncio.gather(*[resolve() for _ in range(50)]) == ["one"] * 50
    assert vault.asked == 1
    vault.value = "two"
    vault.now += 59
    assert await resolve() == "one"
    assert (await resolve(anew=True), vault.asked) == ("two", 2)
    vault.value = "three"
    # however often somebody says that it no longer counts
    assert [await resolve(anew=True) for _ in range(20)] == ["two"] * 20
    vault.now += 61
    assert await resolve() == "three"
    vault.down = True
    vault.now += STALE
    assert await resolve() == "three"
    with pytest.raises(UpstreamError):
        await resolve(anew=True)
    vault.now += 1
    with pytest.raises(UpstreamError):
        await resolve()
    assert "three" not in repr(held)
    vault.down = False


async def test_a_place_that_never_answers_is_waited_for_by_nobody_for_ever_and_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault, answers = Vault(), asyncio.Event()

    async def told(_reference: str, _places: Places) -> Secret:
        vault.asked += 1
        if vault.down:
            await answers.wait()
        return Secret(vault.value)

    monkeypatch.setattr("apiloom.vault.references.follow", told)
    monkeypatch.setattr("apiloom.vault.references.PATIENCE", 0.01)
    held = References(places(), clock=lambda: vault.now)
    assert (await held.resolve("file:/known")).reveal() == "one"
    vault.now += STALE
    vault.down, vault.value = True, "two"
    for _ in range(3):
        assert (await held.resolve("file:/known")).reveal() == "one"
        with pytest.raises(DesignError) as caught:
            await held.resolve("file:/other")
        assert caught.value.code == "credentials.ref"
    assert vault.asked == 3
    answers.set()
    assert (await held.resolve("file:/other")).reveal() == "two"
    assert vault.asked == 3


@pytest.mark.parametrize("name", ["APILOOM_KEY", "apiloom_key", "APILOOM_DATA", "BAO_TOKEN", "Vault_Token"])
async def test_what_opens_the_house_is_no_secret_of_an_account(name: str) -> None:
    assert (await refused(f"env:{name}", **{name: "hunter2"})).code == "credentials.form"


@contextmanager
def guarded(right: list[str]) -> Iterator[Upstream]:
    """An API that lets in the last of ``right`` and nobody else."""

    def answer(seen: Seen) -> Answer:
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        return Answer({"whose": token.partition("-")[0]}, status=200 if token == right[-1] else 401)

    with upstream(answer) as api:
        yield api


async def stored(served: Gateway) -> bytes:
    async with served.ground.store.reading() as work:
        account = (await work.tenant("default").accounts.every())[0]
        return await served.grounds.sealing.open(work.tenant("default"), "default", account.id, account.sealed)


async def test_an_account_that_refers_to_openbao_follows_it_and_stores_no_secret(
    tmp_path: Path, openbao: OpenBao
) -> None:
    right = ["ada-1"]
    openbao.put("secret/desk", token="ada-1")
    with guarded(right) as api:
        async with gateway(tmp_path, surroundings=openbao.environment) as served, http() as client:
            await served.connector("notes", api.url)
            account = await create_account(
                served.ground, HOST, {"connector": "notes", "credentials": {"token": {"ref": "bao:secret/desk#token"}}}
            )
            await served.settle()
            url = served.at(await served.server(name="s", accounts=[account.id]))
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            assert await stored(served) == b'{"token":{"ref":"bao:secret/desk#token"}}'
            # somebody rotates it there: the API refuses the old one, which is read again at once
            right.append("bea-2")
            openbao.put("secret/desk", token="bea-2")
            served.clock.now += 2
            assert (await call(client, url, "list_notes"))["whose"] == "bea"
            assert [seen.headers["authorization"] for seen in api.seen[1:]] == ["Bearer ada-1", "Bearer bea-2"]
            # and without a refusal within a minute
            openbao.put("secret/desk", token="cyd-3")
            right.append("cyd-3")
            served.clock.now += 61
            before = len(api.seen)
            assert (await call(client, url, "list_notes"))["whose"] == "cyd"
            assert len(api.seen) == before + 1
            # nothing there: the call is refused, and the caller is not told where it should be
            openbao.ask("DELETE", "secret/metadata/desk")
            served.clock.now += 61
            answer = await call(client, url, "list_notes")
            assert "lies where it cannot be read now" in answer
            assert "secret/desk" not in answer


async def test_only_who_may_name_places_of_the_host_gives_a_reference(tmp_path: Path) -> None:
    with desk() as api:
        async with gateway(tmp_path) as served:
            await served.connector("notes", api.api.url)
            wanted = {"connector": "notes", "credentials": {"token": {"ref": "env:HOME"}}}
            with pytest.raises(CallerError) as error:
                await create_account(served.ground, OWNER, wanted)
            assert error.value.code == "identity.forbidden"
            made = await create_account(served.ground, HOST, wanted)
            for wrong in ("nowhere", "env:APILOOM_KEY", "bao:"):
                with pytest.raises(DesignError) as refusal:
                    await patch_account(served.ground, HOST, made.id, {"credentials": {"token": {"ref": wrong}}})
                assert refusal.value.code == "credentials.form"
    assert read_reference("env:HOME") == ("env", "HOME")
