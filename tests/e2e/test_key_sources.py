"""Where the key-encryption key comes from: each source opens a gateway, is rotated, and says clearly what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.keydesk import create, rotate, show
from apiloom.app.gateway.place import Place, read_place
from apiloom.app.main import main
from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, DesignError
from apiloom.console.house import KeyAsk
from apiloom.vault.custody import read_keys
from support.keyring_in_memory import NAMED, InMemory
from support.openbao import OpenBao
from support.postgres import Postgres

ROTATE = KeyAsk(word="rotate")


def quiet(_: str) -> None:
    """Nobody watches."""


def house(folder: Path, **around: str) -> Place:
    return read_place(str(folder / "house"), {"XDG_CONFIG_HOME": str(folder / "config"), **around})


async def keys_of(place: Place) -> tuple[str, bytes]:
    """The fingerprint that a place is opened under, and the key that hashes its tokens."""
    grounds = await open_grounds(place, environment=place.environment)
    try:
        return grounds.custody.fingerprint, grounds.custody.sub_key("tokens", 1)
    finally:
        await grounds.close()


async def code_of(place: Place) -> str:
    with pytest.raises(ApiloomError) as error:
        await keys_of(place)
    assert "\n" not in error.value.sentence()
    assert error.value.hint
    return error.value.code


@pytest.fixture
def keyring() -> Iterator[type[InMemory]]:
    InMemory.entries.clear()
    InMemory.mode = ""
    InMemory.go.clear()
    yield InMemory
    InMemory.mode = ""
    InMemory.go.set()
    InMemory.entries.clear()


async def test_a_key_in_the_keyring_opens_the_gateway_and_is_rotated_there(
    tmp_path: Path, keyring: type[InMemory]
) -> None:
    place = house(tmp_path, APILOOM_KEY="keyring:apiloom/main", APILOOM_KEYRING_BACKEND=NAMED)
    made = await create(place)
    assert made["source"] == "the keyring, apiloom/main"
    before = await keys_of(place)
    assert before[0] == made["fingerprint"]
    with pytest.raises(CallerError) as error:
        await create(place)
    assert error.value.code == "custody.there"
    done = await rotate(place, ROTATE, quiet)
    assert len(keyring.entries["apiloom", "main"].split()) == 2
    assert await keys_of(place) == (done["now"], before[1])
    assert done["now"] != before[0]
    keyring.entries.clear()
    assert await code_of(place) == "custody.missing"


@pytest.mark.parametrize("mode", ["locked", "broken"])
async def test_a_keyring_that_is_locked_or_fails_is_refused_without_its_words(
    tmp_path: Path, keyring: type[InMemory], mode: str
) -> None:
    place = house(tmp_path, APILOOM_KEY="keyring:apiloom/main", APILOOM_KEYRING_BACKEND=NAMED)
    await keys_of(place)
    keyring.mode = mode
    with pytest.raises(DesignError) as error:
        await keys_of(place)
    assert error.value.code == "keyring.unusable"
    assert "hunter2" not in error.value.sentence() + repr(error.value.facts)


@pytest.mark.parametrize(
    "named",
    [
        "keyrings.alt.file.PlaintextKeyring",
        "keyring.backends.chainer.ChainerBackend",
        "keyring.backends.fail.Keyring",
        "keyring.backends.null.Keyring",
        "support.keyring_in_memory.NoKeyring",
        "support.keyring_in_memory.Missing",
        "nowhere.at.All",
        "x",
    ],
)
async def test_a_keyring_that_asks_or_keeps_secrets_in_plain_is_never_used(tmp_path: Path, named: str) -> None:
    place = house(tmp_path, APILOOM_KEY="keyring:apiloom/main", APILOOM_KEYRING_BACKEND=named)
    assert await code_of(place) == "keyring.unusable"
    assert await code_of(house(tmp_path, APILOOM_KEY="keyring:apiloom")) == "custody.source"


async def test_a_key_that_transit_wraps_opens_the_gateway_on_every_node_and_is_rotated_there(
    tmp_path: Path, openbao: OpenBao, postgres: Postgres
) -> None:
    openbao.transit_key("loom")
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    place = read_place(data, {"APILOOM_KEY": "bao:loom", **openbao.environment})
    before = await keys_of(place)
    assert await keys_of(place) == before
    assert (await show(place))["sources"] == [{"source": "OpenBao, the transit key loom", "keys": [before[0]]}]
    row = await wrapped(place)
    assert row.startswith(b"bao\nloom\nvault:v1:")
    done = await rotate(place, ROTATE, quiet)
    assert done["now"] == before[0]
    assert (await wrapped(place)).startswith(b"bao\nloom\nvault:v2:")
    assert await keys_of(place) == before
    # what the transit key had wrapped before is worth nothing once its old version is given up
    openbao.ask("POST", "transit/keys/loom/config", {"min_decryption_version": 2})
    assert await keys_of(place) == before


async def wrapped(place: Place) -> bytes:
    grounds = await open_grounds(place, environment=place.environment)
    try:
        rows = await grounds.keys.rows()
        return next(row.wrapped for row in rows if row.purpose == "root")
    finally:
        await grounds.close()


async def test_a_gateway_moves_from_a_file_to_transit_and_back(tmp_path: Path, openbao: OpenBao) -> None:
    openbao.transit_key("moved")
    file = tmp_path / "old.key"
    at_file = house(tmp_path, APILOOM_KEY=f"file:{file}")
    before = await keys_of(at_file)
    assert before[0] == read_keys(file)[0].fingerprint
    assert await code_of(house(tmp_path, APILOOM_KEY="bao:moved", **openbao.environment)) == "custody.missing"
    both = house(tmp_path, APILOOM_KEY=f"bao:moved,file:{file}", **openbao.environment)
    assert await keys_of(both) == before
    done = await rotate(both, ROTATE, quiet)
    at_bao = house(tmp_path, APILOOM_KEY="bao:moved", **openbao.environment)
    assert await keys_of(at_bao) == (done["now"], before[1])
    assert await code_of(at_file) == "custody.other"
    back = house(tmp_path, APILOOM_KEY=f"file:{tmp_path / 'new.key'},bao:moved", **openbao.environment)
    done = await rotate(back, ROTATE, quiet)
    assert await keys_of(house(tmp_path, APILOOM_KEY=f"file:{tmp_path / 'new.key'}")) == (done["now"], before[1])


async def test_what_openbao_refuses_is_told_in_one_sentence_and_changes_nothing(
    tmp_path: Path, openbao: OpenBao
) -> None:
    openbao.transit_key("strict")
    place = house(tmp_path, APILOOM_KEY="bao:strict", **openbao.environment)
    before = await keys_of(place)

    def given(**around: str) -> Place:
        return house(tmp_path, **{"APILOOM_KEY": "bao:strict", **openbao.environment, **around})

    assert await code_of(given(BAO_TOKEN="wrong-token")) == "bao.refused"
    assert await code_of(given(BAO_TOKEN="")) == "bao.settings"
    assert await code_of(given(BAO_ADDR="")) == "bao.settings"
    assert await code_of(given(BAO_ADDR="http://bao.example.com:8200")) == "bao.settings"
    assert await code_of(given(BAO_ADDR="ftp://127.0.0.1")) == "bao.settings"
    assert await code_of(given(BAO_ADDR="http://127.0.0.1:1")) == "bao.unreachable"
    assert await code_of(given(APILOOM_KEY="bao:../sys")) in {"bao.settings", "custody.missing"}
    # one that may only use the key: it is wrapped anew as the operator has turned it
    least = 'path "transit/+/strict" { capabilities = ["update"] }'
    limited = given(BAO_TOKEN=openbao.token_for(least))
    assert await keys_of(limited) == before
    openbao.ask("POST", "transit/keys/strict/rotate")
    await rotate(limited, ROTATE, quiet)
    assert (await wrapped(limited)).startswith(b"bao\nstrict\nvault:v2:")
    # the token may lie in a file that is renewed by others
    file = tmp_path / "token"
    file.write_text(f"{openbao.token}\n")
    file.chmod(0o644)
    assert await code_of(given(BAO_TOKEN="", BAO_TOKEN_FILE=str(file))) == "bao.settings"
    file.chmod(0o600)
    assert await keys_of(given(BAO_TOKEN="", BAO_TOKEN_FILE=str(file))) == before


async def test_a_root_key_of_another_store_opens_nothing(tmp_path: Path, openbao: OpenBao) -> None:
    openbao.transit_key("shared")
    places = [house(tmp_path / name, APILOOM_KEY="bao:shared", **openbao.environment) for name in ("a", "b")]
    for place in places:
        await keys_of(place)
    theirs = await wrapped(places[1])
    grounds = await open_grounds(places[0], environment=places[0].environment)
    async with grounds.store.writing() as work:
        rows = work.house().house_keys
        mine = next(row for row in await rows.every() if row.purpose == "root")
        await rows.save(type(mine)(**{**as_members(mine), "wrapped": theirs}), mine.revision)
    await grounds.close()
    assert await code_of(places[0]) == "custody.other"


def as_members(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}  # type: ignore[attr-defined]


async def test_a_keyring_that_does_not_answer_keeps_nobody_waiting_for_long(
    tmp_path: Path, keyring: type[InMemory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiloom.vault.keyrings.PATIENCE", 0.05)
    keyring.mode = "silent"
    assert (
        await code_of(house(tmp_path, APILOOM_KEY="keyring:a/b", APILOOM_KEYRING_BACKEND=NAMED)) == "keyring.unusable"
    )


def test_keys_are_made_shown_and_rotated_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("APILOOM_DATA", "APILOOM_KEY", "APILOOM_GATEWAY", "APILOOM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APILOOM_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.chdir(tmp_path)

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*words, "--data", str(tmp_path / "house")])
        return (code, *capsys.readouterr())

    code, _, err = typed("key", "show")
    assert (code, "there is no store at" in err) == (2, True)
    code, out, _ = typed("key", "create")
    assert (code, f"is made in the file {tmp_path / 'key'}" in out) == (0, True)
    assert (typed("key", "create")[0], len(read_keys(tmp_path / "key"))) == (2, 1)
    assert typed("tenant", "list")[0] == 0
    code, out, _ = typed("key", "rotate", "--json")
    new, old = read_keys(tmp_path / "key")
    assert (code, json.loads(out)["now"]) == (0, new.fingerprint)
    code, out, _ = typed("key", "show")
    assert f"{new.fingerprint}  in use" in out
    assert f"{old.fingerprint}\n" in out
    assert "tokens     version 1" in out
    assert typed("key", "rotate", "--tenant", "default")[:2] == (0, "data key of default: now version 1\n")
    assert "data-keys version 2" in typed("key", "rotate", "--house")[1]
    for words, code in ((("--tenant", "nobody"), 2), (("--tenant", "default", "--house"), 2)):
        assert typed("key", "rotate", *words)[0] == code
    for line in (tmp_path / "key").read_text().split():
        assert line not in "".join(str(typed("key", word)) for word in ("show", "rotate"))
