"""What a stolen database gives without its key: every byte of it is searched for every secret, in every spelling."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from apiloom.app.gateway.grants import Made
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.keydesk import create, rotate
from apiloom.app.gateway.place import read_place
from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.console.house import KeyAsk
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.server_tokens import rotate_tokens
from apiloom.store.records import ConnectSession, SignIn
from apiloom.vault.custody import PURPOSES
from apiloom.vault.oauth.terms import Tokens
from support.gateway import Gateway, gateway
from support.postgres import Postgres

CANARIES = {
    name: f"canary/{name}+{'x' * 7}~{number:02d} Ω"
    for number, name in enumerate(
        ("token", "password", "client", "house-client", "access", "refresh", "session", "sign-in", "rotated")
    )
}


SHOWN = ("shown as it is, all of it", "shown in hexadecimal!", "shown in base64 of some kind", "shown & escaped / all")
"""What is no secret and lies open, as the label of an account, in another spelling each."""


def spelled() -> str:
    plain, in_hex, in_base64, escaped = SHOWN
    encoded = base64.urlsafe_b64encode(f"a{in_base64}b".encode()).decode()
    return f"{plain}|{in_hex.encode().hex()}|{encoded}|{quote(escaped, safe='')}"


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it may stand in a file: as it is, in hexadecimal, base64 at each of three offsets, escaped."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset in range(3):
        # without the ends, which depend on what stands beside
        for encoded in (base64.b64encode(bytes(offset) + secret), base64.urlsafe_b64encode(bytes(offset) + secret)):
            yield encoded[4:-4]
    yield base64.b32encode(secret).rstrip(b"=")[:-1]
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield quote(text, safe="").encode()
    yield text.encode("unicode_escape")
    yield text.encode("utf-16-le")


async def fill(served: Gateway) -> dict[str, bytes]:
    """One of everything that holds a secret; all secrets by name, those that the gateway made included."""
    ground, found = served.ground, {name: text.encode() for name, text in CANARIES.items()}
    ascii_ = {name: text[:-2] for name, text in CANARIES.items()}
    found |= {name: text.encode() for name, text in ascii_.items()}
    await served.tenant("acme")
    await served.connector("notes", "https://notes.example.com")
    account = await create_account(
        ground, HOST, {"connector": "notes", "tenant": "acme", "credentials": {"token": {"token": ascii_["token"]}}}
    )
    await create_account(
        ground,
        HOST,
        {"connector": "notes", "credentials": {"token": {"token": ascii_["password"]}}, "label": spelled()},
    )
    for tenant, name in (("acme", "client"), (None, "house-client")):
        wanted = {"connector": "notes", "tenant": tenant, "client_id": "c", "secret": {"client_secret": ascii_[name]}}
        await create_oauth_client(ground, HOST, wanted)
    living = served.grounds.connections.living
    assert living is not None
    async with ground.store.writing() as work:
        scope = work.tenant("acme")
        tokens = Tokens(access=Secret(ascii_["access"]), refresh=Secret(ascii_["refresh"]))
        await living.grants.keep_new(scope, account, "token", Made(kind="code", tokens=tokens))
        plain = ascii_["session"].encode()
        await scope.connect_sessions.add(
            ConnectSession(
                id="cs_1",
                tenant="acme",
                connector="notes",
                digest=b"d",
                sealed=await ground.sealing.seal(scope, "acme", "cs_1", plain),
            )
        )
        house = work.house()
        sealed = await ground.sealing.seal(house, "", "sgn_1", ascii_["sign-in"].encode())
        await house.sign_ins.add(SignIn(id="sgn_1", client="c", digest=b"d", sealed=sealed))
    opened = await served.server(name="s", accounts=[account.id], tenant="acme")
    found["server token"] = opened.issued.text.encode()
    found["second token"] = (await rotate_tokens(ground, HOST, opened.server.id, {"grace_seconds": 60})).text.encode()
    found["api token"] = (await served.api_token("owner")).encode()
    for name in ("server token", "second token", "api token"):
        found[f"{name} without its form"] = found[name][4:47]
    custody = served.grounds.custody
    for purpose in PURPOSES:
        found[f"key {purpose}"] = custody.sub_key(purpose, 1)
    found["key-encryption key"] = base64.b64decode((served.grounds.place.key_file()).read_text().split()[0])
    return found


async def everything(served: Gateway, postgres: Postgres | None) -> bytes:
    """All that is kept: the files of SQLite with its log, or every column of every table as PostgreSQL gives it out."""
    folder = served.grounds.place.folder
    if folder is not None:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        assert any(path.name.endswith("-wal") and path.stat().st_size for path in files)
        return b"".join(path.read_bytes() for path in files)
    assert postgres is not None
    shown = bytearray()
    async with postgres.connected(served.grounds.place.url.rsplit("/", 1)[1]) as connection:
        tables = await connection.fetch("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
        assert len(tables) > 20
        for schema, table in tables:
            for row in await connection.fetch(f'SELECT * FROM "{schema}"."{table}"'):  # noqa: S608 - its own names
                for value in row.values():
                    shown += value if isinstance(value, bytes) else str(value).encode()
                    shown += b"\0"
    return bytes(shown)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_a_stolen_database_gives_no_secret_in_any_spelling(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    postgres: Postgres | None = None
    data = ""
    if engine == "postgresql":
        postgres = request.getfixturevalue("postgres")
        data = postgres.url(await postgres.database()).replace("+asyncpg", "")
        await create(read_place(data, {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "key")}))
    async with gateway(tmp_path, data=data) as served:
        found = await fill(served)
        for ask in (KeyAsk(word="rotate", tenant="acme"), KeyAsk(word="rotate", house=True), KeyAsk(word="rotate")):
            done = await rotate(served.grounds.place, ask, lambda _: None)
            assert not done["damaged"]
            # what was sealed anew still opens where it is used: account, client, grant and page
            assert done["sealed_anew"] >= (4 if ask.tenant else 2 if ask.house else 0)
        kept = await everything(served, postgres)
        assert b"acc_" in kept
        assert b"notes.example.com" in kept
        hits = [(name, form[:40]) for name, secret in found.items() for form in forms(secret) if form in kept]
        assert hits == []
        # the search finds what lies open, in each spelling
        assert all(any(form in kept for form in forms(shown.encode())) for shown in SHOWN)


async def test_the_database_with_another_key_opens_nothing(tmp_path: Path) -> None:
    async with gateway(tmp_path) as served:
        await fill(served)
        place = served.grounds.place
    other = read_place(str(place.folder), {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "other")})
    await create(other)
    with pytest.raises(DesignError) as error:
        await open_grounds(other, environment=other.environment)
    assert error.value.code == "custody.other"
