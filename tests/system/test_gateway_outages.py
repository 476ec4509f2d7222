"""A gateway whose surroundings fail: the database goes away, the disk is full, keys are lost, it must stop.

Calls go on from memory; whoever changes something is told in one sentence; nothing is half-changed; and all of it ends
by itself when the trouble does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import resource
import secrets
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import create_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.servers import create_server, delete_server
from support.gateway import Gateway, arrival, ask, call, desk, document, gateway, http, names, until
from support.gateway_drill import Drill, Noted
from support.importing import described
from support.postgres import Postgres
from support.servers import Serving, apiloom, serving

pytestmark = pytest.mark.system

ALL = {"methods": ["read", "write", "custom"]}


# the database


@contextlib.contextmanager
def away(server: Postgres) -> Iterator[None]:
    """PostgreSQL stopped, and started again."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextlib.asynccontextmanager
async def on_postgres(server: Postgres, folder: Path, seconds: list[float]) -> AsyncIterator[Gateway]:
    """A running node on PostgreSQL whose patience a test can run out."""
    key = folder / "keys" / "key"
    key.parent.mkdir()
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    key.chmod(0o600)
    url = server.url(await server.database()).replace("+asyncpg", "")
    async with gateway(folder, data=url, running=True, seconds=lambda: seconds[0]) as house:
        yield house


async def refused(client: httpx.AsyncClient, house: Gateway, token: str, method: str, path: str, body: Any) -> None:
    """That the admin API says in one sentence that the store is away."""
    reply = await client.request(
        method, f"{house.url}/api/v1{path}", json=body, headers={"authorization": f"Bearer {token}"}
    )
    told = reply.json()
    assert (reply.status_code, told["code"]) == (503, "store.unreachable"), reply.text
    assert told["detail"] == "the store does not answer"
    assert int(reply.headers["retry-after"]) > 0


async def test_calls_outlive_the_database_and_all_recovers_by_itself(postgres: Postgres, tmp_path: Path) -> None:
    seconds = [0.0]
    with desk() as upstream:
        async with on_postgres(postgres, tmp_path, seconds) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            plain = house.at(await house.server(accounts=[account.id], config=ALL, expires_at=None))
            filtered = house.at(await house.server(accounts=[account.id], expires_at=None))
            ending = house.at(await house.server(accounts=[account.id], config=ALL))
            token = await house.api_token("owner")
            for url in (plain, filtered, ending):
                assert (await call(client, url, "list_notes"))["whose"] == "ada"
            ready = f"{house.url}/readyz"
            assert (await client.get(ready)).status_code == 200
            with away(postgres):
                for url in (plain, filtered, ending):
                    assert (await call(client, url, "list_notes"))["whose"] == "ada"
                assert (await client.get(ready)).status_code == 200
                wanted = {"source": {"text": described("a")}}
                for method, path, body in (
                    ("GET", "/servers", None),
                    ("POST", "/connectors", wanted),
                    ("POST", "/connectors/desk/versions", wanted),
                    ("POST", f"/accounts/{account.id}/servers", {"name": "x"}),
                    ("DELETE", f"/accounts/{account.id}", None),
                ):
                    await refused(client, house, token, method, path, body)
                seconds[0] = 60.5
                assert (await client.get(ready)).status_code == 503
                assert (await client.get(f"{house.url}/healthz")).status_code == 200
                answers = [(await ask(client, url, "tools/list")).status_code for url in (plain, filtered, ending)]
                assert answers == [200, 503, 503]
                assert (await call(client, plain, "list_notes"))["whose"] == "ada"
            async with asyncio.timeout(30):
                while (await client.get(ready)).status_code != 200:
                    await asyncio.sleep(0.05)
            for url in (plain, filtered, ending):
                assert (await call(client, url, "list_notes"))["whose"] == "ada"
            # what was done while it was away is not there, and what is done now is heard
            added = house.at(await house.server(accounts=[account.id]))
            assert (await call(client, added, "list_notes"))["whose"] == "ada"
            reply = await client.get(f"{house.url}/api/v1/servers", headers={"authorization": f"Bearer {token}"})
            assert len(reply.json()["items"]) == 4


async def test_a_server_that_was_never_called_comes_when_the_database_does(postgres: Postgres, tmp_path: Path) -> None:
    with desk() as upstream:
        async with on_postgres(postgres, tmp_path, [0.0]) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            cold = house.at(await house.server(accounts=[account.id]))
            with away(postgres):
                reply = await ask(client, cold, "tools/list")
                assert reply.status_code == 503
                assert "retry-after" in reply.headers
            assert (await call(client, cold, "list_notes"))["whose"] == "ada"


async def test_changes_made_while_a_node_hears_nothing_are_heard_afterwards(postgres: Postgres, tmp_path: Path) -> None:
    with desk() as upstream:
        async with on_postgres(postgres, tmp_path, [0.0]) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            before = await names(client, url)
            key = await create_api_token(house.ground, HOST, {"role": "agent", "name": "soon gone"})
            with away(postgres):
                assert await names(client, url) == before
            await house.version("desk", 2, document({"/new": {"get": {"operationId": "readNew", "responses": {}}}}))
            async with house.ground.store.writing() as work:
                await work.house().api_tokens.remove(key.token.id)
            await house.promote("desk", 2)
            assert await names(client, url) == ["read_new"]
            assert (await ask(client, f"{house.url}/mcp", "tools/list", token=key.text)).status_code == 401


async def test_a_database_that_hangs_holds_up_no_call(postgres: Postgres, tmp_path: Path) -> None:
    seconds = [0.0]
    with desk() as upstream:
        async with on_postgres(postgres, tmp_path, seconds) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            with hanging(postgres):
                for _ in range(20):
                    assert (await call(client, url, "list_notes"))["whose"] == "ada"
                seconds[0] = 60.5
                assert (await client.get(f"{house.url}/readyz")).status_code == 503
            async with asyncio.timeout(30):
                while (await client.get(f"{house.url}/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)
            assert (await call(client, url, "list_notes"))["whose"] == "ada"


@contextlib.contextmanager
def hanging(server: Postgres) -> Iterator[None]:
    """PostgreSQL with all its processes standing still."""
    leader = int((server.folder / "cluster" / "postmaster.pid").read_text().split()[0])
    processes = [leader, *map(int, Path(f"/proc/{leader}/task/{leader}/children").read_text().split())]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


async def test_connections_that_are_cut_all_the_time_stop_neither_calls_nor_the_node(
    postgres: Postgres, tmp_path: Path
) -> None:
    async def cut() -> None:
        async with postgres.connected() as connection:
            while True:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'apiloom'"
                )
                await asyncio.sleep(0.02)

    with desk() as upstream:
        async with on_postgres(postgres, tmp_path, [0.0]) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            token = await house.api_token("owner")
            head = {"authorization": f"Bearer {token}"}
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            made, calls = [], 1
            cutting = asyncio.create_task(cut())
            try:
                for number in range(60):
                    reply = await client.post(
                        f"{house.url}/api/v1/accounts/{account.id}/servers", json={"name": f"n{number}"}, headers=head
                    )
                    assert reply.status_code in (201, 503), reply.text
                    if reply.status_code == 201:
                        made.append(reply.json()["url"])
                    else:
                        assert reply.json()["code"] == "store.unreachable"
                    assert (await call(client, url, "list_notes"))["whose"] == "ada"
                    calls += 1
            finally:
                cutting.cancel()
                await asyncio.gather(cutting, return_exceptions=True)
            for each in made:
                assert (await call(client, each, "list_notes"))["whose"] == "ada"
            # the node hears of changes by itself still
            after = house.at(await create_server(house.ground, HOST, {"accounts": [account.id]}))
            async with asyncio.timeout(30):
                while (await ask(client, after, "tools/list")).status_code != 200:
                    await asyncio.sleep(0.02)
            assert (await call(client, after, "list_notes"))["whose"] == "ada"
            # each call has its line, once, although the store was away when most of them were to be written
            await house.node.journal.flush()
            async with house.ground.store.reading() as work:
                lines = await work.house().audit.every({"action": "call"})
            assert len(lines) == calls + len(made) + 1


async def test_a_node_follows_on_after_what_nobody_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = []

    with desk() as upstream:
        async with gateway(tmp_path, running=True) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            gone = await house.server(accounts=[account.id])
            assert (await ask(client, house.at(gone), "tools/list")).status_code == 200
            take = house.node._take

            def stumble(touched: Any) -> None:
                if not failures:
                    failures.append(touched)
                    raise KeyError("nobody expected this")
                take(touched)

            monkeypatch.setattr(house.node, "_take", stumble)
            await delete_server(house.ground, HOST, gone.server.id, Removal())
            made = house.at(await create_server(house.ground, HOST, {"accounts": [account.id]}))
            async with asyncio.timeout(30):
                while (await ask(client, made, "tools/list")).status_code != 200:
                    await asyncio.sleep(0.02)
            assert failures
            assert (await ask(client, house.at(gone), "tools/list")).status_code == 404


# what ends a start


def around(folder: Path) -> dict[str, str]:
    return {"APILOOM_DATA": str(folder / "house"), "APILOOM_KEY_FILE": str(folder / "keys" / "key")}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with a gateway's house and key, which has served and was stopped."""
    with serving("--token-file", str(tmp_path / "owner"), environment=around(tmp_path)) as node:
        assert node.stop() == 0
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def ends(folder: Path, *words: str, listen: str = "127.0.0.1:0", **more: str) -> str:
    """The one sentence with which a start ends that changes nothing."""
    before = contents(folder)
    token = "--token-file" in words
    told = () if token else ("--token-file", str(folder / "owner"))
    done = apiloom("serve", "--http", listen, *told, *words, environment={**around(folder), **more})
    assert done.returncode in (1, 2, 70), done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    after = contents(folder)
    for passing in ("house/apiloom.db-wal", "house/apiloom.db-shm", "house/apiloom.db.node"):
        before.pop(passing, None)
        after.pop(passing, None)
    assert before == after
    return done.stderr


def serves(folder: Path, *, owner: str = "owner") -> None:
    """That a gateway starts here, and who has the token is its owner."""
    with serving("--token-file", str(folder / "owner"), environment=around(folder)) as node:
        token = (folder / owner).read_text().strip()
        reply = httpx.get(f"{node.url}/api/v1/whoami", headers={"authorization": f"Bearer {token}"}, timeout=30)
        assert reply.json()["role"] == "owner"


def test_a_key_that_is_missing_another_or_open_to_others_ends_the_start(kept: Path) -> None:
    file = kept / "keys" / "key"
    key = file.read_bytes()
    file.chmod(0o644)
    assert "chmod 600" in ends(kept)
    file.chmod(0o600)
    file.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    assert "key" in ends(kept)
    file.write_text("no key\n")
    assert "base64" in ends(kept)
    file.unlink()
    assert str(file) in ends(kept)
    file.write_bytes(key)
    file.chmod(0o600)
    serves(kept)


def test_a_store_of_a_later_release_or_no_store_at_all_ends_the_start(kept: Path) -> None:
    store = kept / "house" / "apiloom.db"
    whole = store.read_bytes()
    with contextlib.closing(sqlite3.connect(store)) as opened:
        opened.execute("UPDATE installation SET value = '99' WHERE name IN ('schema', 'schema_least')")
        opened.commit()
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert "later release" in ends(kept)
    store.write_bytes(b"this is a letter to my aunt, and no database\n" * 200)
    assert "the store" in ends(kept)
    store.unlink()
    store.mkdir()
    assert "the store" in ends(kept)
    store.rmdir()
    store.write_bytes(whole)
    store.chmod(0o600)
    serves(kept)


def test_a_folder_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("no folder")
    assert "data folder" in ends(tmp_path, APILOOM_DATA=str(tmp_path / "letter" / "house"))
    (tmp_path / "open").mkdir(mode=0o755)
    assert "chmod 700" in ends(tmp_path, APILOOM_DATA=str(tmp_path / "open"))
    assert "postgresql://" in ends(tmp_path, APILOOM_DATA="mysql://root@127.0.0.1/x")
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"postgresql://apiloom:hush-hush@127.0.0.1:{free.getsockname()[1]}/x"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    told = ends(tmp_path, APILOOM_DATA=nobody, APILOOM_KEY=key)
    assert "the store does not answer" in told
    assert "hush" not in told


def test_a_port_that_is_taken_ends_the_start_before_there_is_a_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "is taken" in ends(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}")
    assert not (tmp_path / "house").exists()


def test_an_owner_whose_token_cannot_be_written_is_not_made(kept: Path) -> None:
    house = kept / "fresh"
    house.mkdir()
    (house / "owner").mkdir()
    done = apiloom("serve", "--http", "127.0.0.1:0", "--token-file", str(house / "owner"), environment=around(house))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    (house / "owner").rmdir()
    serves(house)


# a disk that is full


def fill(node: Serving, most: int | None) -> None:
    """No file of a node may grow beyond so many bytes; None: as long as it likes."""
    hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard if most is None else most, hard))


async def test_a_full_disk_is_said_costs_no_call_and_is_over_when_it_is(tmp_path: Path) -> None:
    with desk() as upstream, serving("--token-file", str(tmp_path / "owner"), environment=around(tmp_path)) as node:
        drill = Drill(node.url, (tmp_path / "owner").read_text().strip(), Noted())
        try:
            paths = {f"/n{number}": {"get": {"operationId": f"n{number}", "responses": {}}} for number in range(50)}
            text = json.dumps({"openapi": "3.1.0", "info": {"title": "Desk", "version": "1"}, "paths": paths})
            wanted = {"slug": "desk", "source": {"text": text}, "options": {"base_url": upstream.api.url}}
            await drill.ask("POST", "/connectors", wanted)
            account = await drill.ask("POST", "/accounts", {"connector": "desk"})
            made = await drill.ask("POST", f"/accounts/{account['id']}/servers", {"name": "one"})
            before = await drill.ask("GET", "/connectors")
            async with http() as client:
                assert (await call(client, made["url"], "n1"))["path"] == "/n1"
                fill(node, 1024)
                head = {"authorization": f"Bearer {(tmp_path / 'owner').read_text().strip()}"}
                for path, body in (
                    ("/connectors", {**wanted, "slug": "other"}),
                    (f"/accounts/{account['id']}/servers", {"name": "two"}),
                ):
                    reply = await client.post(f"{node.url}/api/v1{path}", json=body, headers=head)
                    assert (reply.status_code, reply.json()["code"]) == (503, "store.unreachable"), reply.text
                for number in range(50):
                    assert (await call(client, made["url"], f"n{number}"))["path"] == f"/n{number}"
                # a connection that is opened now has to write its index of the log, and cannot
                read = await client.get(f"{node.url}/api/v1/connectors", headers=head)
                assert read.json() == before or (read.status_code, read.json()["code"]) == (503, "store.unreachable")
                fill(node, None)
                assert await drill.ask("GET", "/connectors") == before
                await drill.ask("POST", "/connectors", {**wanted, "slug": "other"})
                two = await drill.ask("POST", f"/accounts/{account['id']}/servers", {"name": "two"})
                assert (await call(client, two["url"], "n1"))["path"] == "/n1"
        finally:
            await drill.close()
        assert node.stop() == 0
        assert "Traceback" not in node.said()
    with contextlib.closing(sqlite3.connect(tmp_path / "house" / "apiloom.db")) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# told to stop


async def test_a_node_told_to_stop_ends_calls_well_and_imports_without_a_trace(tmp_path: Path) -> None:
    large = json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Large", "version": "1"},
            "paths": {
                f"/n{number}": {"get": {"operationId": f"n{number}", "responses": {}}} for number in range(20_000)
            },
        }
    )
    small = json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Desk", "version": "1"},
            "paths": {"/slow": {"get": {"operationId": "waitLong", "responses": {}}}},
        }
    )
    token = tmp_path / "owner"
    with desk() as upstream, serving("--token-file", str(token), environment=around(tmp_path)) as node:
        drill = Drill(node.url, token.read_text().strip(), Noted())
        async with http() as client, http() as other:
            wanted = {"slug": "desk", "source": {"text": small}, "options": {"base_url": upstream.api.url}}
            await drill.ask("POST", "/connectors", wanted)
            account = await drill.ask("POST", "/accounts", {"connector": "desk"})
            made = await drill.ask("POST", f"/accounts/{account['id']}/servers", {"name": "one"})
            calling = asyncio.create_task(call(client, made["url"], "wait_long"))
            await arrival(upstream)
            body = json.dumps({"slug": "large", "source": {"text": large}}).encode()
            sent = asyncio.Event()

            async def sending() -> AsyncIterator[bytes]:
                yield body
                sent.set()

            importing = asyncio.create_task(
                other.post(
                    f"{node.url}/api/v1/connectors",
                    content=sending(),
                    headers={
                        "authorization": f"Bearer {token.read_text().strip()}",
                        "content-type": "application/json",
                        "content-length": str(len(body)),
                    },
                )
            )
            async with asyncio.timeout(30):
                await sent.wait()
                # whoever comes later is answered later: the node has what was sent before
                await drill.ask("GET", "/connectors")
                while not has_workers(node.process.pid):
                    await asyncio.sleep(0.01)
            began = time.monotonic()
            node.process.terminate()
            upstream.go.set()
            assert (await calling)["path"] == "/slow"
            await until(lambda: not node.alive())
            took = time.monotonic() - began
            [imported] = await asyncio.gather(importing, return_exceptions=True)
            await drill.close()
        assert node.process.returncode == 0
        assert took < 20
        assert "Traceback" not in node.said(), node.said()
    assert isinstance(imported, httpx.Response)
    was_told = imported.status_code == 201
    if not was_told:
        assert (imported.status_code, imported.json()["detail"]) == (503, "the gateway is stopping")
    with serving("--token-file", str(token), environment=around(tmp_path)) as node:
        drill = Drill(node.url, token.read_text().strip(), Noted())
        slugs = [each["slug"] for each in (await drill.ask("GET", "/connectors"))["items"]]
        assert "desk" in slugs
        assert "large" in slugs or not was_told
        if "large" in slugs:
            assert (await drill.ask("GET", "/connectors/large/versions/1"))["tools"] == 20_000
        await drill.close()


def has_workers(node: int) -> bool:
    """Whether a node has children."""
    return bool(Path(f"/proc/{node}/task/{node}/children").read_text().split())


async def test_a_node_told_to_stop_waits_a_while_for_calls_that_do_not_end(tmp_path: Path) -> None:
    token = tmp_path / "owner"
    with desk() as upstream, serving("--token-file", str(token), environment=around(tmp_path)) as node:
        drill = Drill(node.url, token.read_text().strip(), Noted())
        async with http() as client:
            paths = {"/slow": {"get": {"operationId": "waitLong", "responses": {}}}}
            text = json.dumps({"openapi": "3.1.0", "info": {"title": "Desk", "version": "1"}, "paths": paths})
            wanted = {"slug": "desk", "source": {"text": text}, "options": {"base_url": upstream.api.url}}
            await drill.ask("POST", "/connectors", wanted)
            account = await drill.ask("POST", "/accounts", {"connector": "desk"})
            made = await drill.ask("POST", f"/accounts/{account['id']}/servers", {"name": "one"})
            calling = asyncio.create_task(call(client, made["url"], "wait_long"))
            await arrival(upstream)
            testing = asyncio.create_task(
                client.post(
                    f"{node.url}/api/v1/accounts/{account['id']}/test",
                    json={"tool": "wait_long"},
                    headers={"authorization": f"Bearer {token.read_text().strip()}"},
                )
            )
            await arrival(upstream)
            node.process.terminate()
            await until(lambda: not node.alive())
            await asyncio.gather(calling, testing, return_exceptions=True)
            await drill.close()
        assert node.process.returncode == 0
        assert "Traceback" not in node.said(), node.said()
