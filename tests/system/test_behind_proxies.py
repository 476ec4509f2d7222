"""A gateway behind real proxies, each with the configuration that the page about them has: whom they let in, what of a
request is believed, how streams, files and clients that leave go through them, and what their logs say.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from support.fronting import CALLER, KINDS, PATIENCE, PROXY, Scene, counted, scene
from support.gateway import READS, until, words
from support.prism import free_port
from support.shown_certificates import AUTHORITY, OTHER_AUTHORITY, SERVERS, as_bytes, as_element, as_pem, der_of
from support.tls import Identity, identity

pytestmark = pytest.mark.system


@pytest.fixture(scope="module", params=sorted(KINDS))
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp(request.param), KINDS[request.param]) as made:
        yield made


@contextlib.contextmanager
def beside(on: Scene, folder: Path, node: int = 0, **more: Any) -> Iterator[Scene]:
    """The same gateway, or another port, behind a further proxy of this kind that is set up otherwise."""
    with on.kind.run(folder / "beside", node or on.node.place[1], **more) as proxy:
        yield replace(on, proxy=proxy)


# who is let in


async def test_whom_the_rules_know_calls_with_a_certificate(on: Scene) -> None:
    for name in ("ada", "bob"):
        of = on.certificate(name)
        assert (await on.called(of))["whose"] == name
        assert (await on.asked(of, "/api/v1/whoami")).json()["role"] == "agent"
    reply = await on.asked(on.ada, "/mcp/s/notes")
    assert [tool["name"] for tool in reply.json()["result"]["tools"]] == READS
    assert await on.status(on.ada, "/mcp/s/other") == 404


async def test_either_version_of_tls_and_a_session_that_is_resumed_show_the_same_certificate(on: Scene) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = on.context(on.ada)
        context.minimum_version = context.maximum_version = version
        assert await asyncio.to_thread(resumed, on, context) == [(False, 200), (True, 200)]


def resumed(on: Scene, context: ssl.SSLContext) -> list[tuple[bool, int]]:
    """Whether a first connection, and one that goes on with its session, were resumed, and their statuses."""
    session, seen = None, []
    for _ in range(2):
        with on.connection() as line, context.wrap_socket(line, server_hostname="127.0.0.1", session=session) as tls:
            tls.sendall(on.posted())
            said = tls.recv(4096)
            session = tls.session
            seen.append((bool(tls.session_reused), int(said.split(b" ")[1])))
    return seen


async def test_everybody_else_is_refused_by_the_proxy_or_by_the_gateway(on: Scene) -> None:
    namesake = identity("clients' authority", days=3000)
    seen = {
        "none": await on.status(None),
        "none, at the admin API": await on.status(None, "/api/v1/whoami"),
        "nobody in the rules": await on.status(on.mallory),
        "an authority": await on.status(on.certificate("ada", ca=True)),
        "ended": await on.status(on.certificate("ada", seconds=(-3600, -1))),
        "to come": await on.status(on.certificate("ada", seconds=(600, 3600))),
        "another authority's": await on.status(on.certificate("ada", OTHER_AUTHORITY)),
        "of an authority of that name": await on.status(on.certificate("ada", namesake)),
        "its own": await on.status(identity("ada")),
        "for servers": await on.status(on.certificate("ada", uses=[SERVERS])),
    }
    by_gateway = list(seen)[:4]
    assert seen == {what: 401 if what in by_gateway else on.kind.refuses for what in seen}
    assert await on.status(on.ada) == 200


async def test_where_all_must_show_a_certificate_nobody_comes_without(on: Scene, tmp_path: Path) -> None:
    with beside(on, tmp_path, changes=on.kind.strict) as there:
        assert [await there.status(of) for of in (None, on.ada, on.mallory)] == [on.kind.refuses, 200, 401]


async def test_whom_a_list_of_the_proxy_revokes_is_refused(on: Scene, tmp_path: Path) -> None:
    eve = on.certificate("ada")
    for number, (those, status) in enumerate((((), 200), ((eve,), on.kind.refuses))):
        file = tmp_path / f"revoked{number}.pem"
        file.write_bytes(revoking(*those))
        changes = {there: here.format(file) for there, here in on.kind.listing.items()}
        with beside(on, tmp_path / str(number), changes=changes) as there:
            assert [await there.status(of) for of in (eve, on.ada)] == [status, 200]


def revoking(*those: Identity) -> bytes:
    """The authority's list of revoked certificates."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(AUTHORITY.certificate.subject, now, now + timedelta(days=1))
    for each in those:
        entry = x509.RevokedCertificateBuilder(each.certificate.serial_number, now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(AUTHORITY.key, hashes.SHA256()).public_bytes(Encoding.PEM)


async def test_an_edit_of_the_identity_file_turns_a_holder_away_and_cuts_what_runs(on: Scene) -> None:
    carl = on.certificate("carl")
    on.identify("ada", "bob", "carl")
    await on.become(200, carl)
    message, head = words("tools/call", {"name": "desk_wait_long", "arguments": {}})
    async with on.client(on.ada) as client:
        slow = asyncio.create_task(client.post("/mcp", json=message, headers=head))
        await counted(on.desk.arrived)
        on.identify("bob", "carl")
        try:
            assert (await asyncio.wait_for(slow, PATIENCE)).status_code == 404
            await counted(on.desk.left)
            assert [await on.status(of) for of in (on.ada, carl)] == [401, 200]
        finally:
            on.identify("ada", "bob")
    await on.become(200, on.ada)
    assert await on.status(carl) == 401


async def test_intermediate_authorities_come_from_the_client_and_where_named_from_the_file(on: Scene) -> None:
    between = on.certificate("between", ca=True, uses=())
    ada = on.certificate("ada", between)
    file = on.folder / "authorities.pem"
    assert await on.status(ada) == on.kind.refuses
    assert await on.status(ada, "/mcp", between) == 200
    chain = f":{base64.b64encode(der_of(between)).decode()}:"
    try:
        file.write_bytes(AUTHORITY.certificate_pem)
        on.identify("ada", "bob", authorities=f"file:{file}")
        await on.become(401, ada, "/mcp", between)
        # what a header says of the chain counts for nothing
        assert await on.status(ada, "/mcp", between, **{"client-cert-chain": chain}) == 401
        assert await on.status(on.ada) == 200
        file.write_bytes(between.certificate_pem + AUTHORITY.certificate_pem)
        await on.become(200, ada, "/mcp", between)
    finally:
        on.identify("ada", "bob")


async def test_a_token_that_is_bound_to_a_certificate_counts_beside_it_alone(on: Scene) -> None:
    fingerprint = base64.urlsafe_b64encode(hashlib.sha256(der_of(on.mallory)).digest()).decode().rstrip("=")
    now = time.time()
    bound = f"Bearer {on.issuer.token(now, aud='the gateway', cnf={'x5t#S256': fingerprint})}"
    plain = f"Bearer {on.issuer.token(now, aud='the gateway')}"
    for path in ("/mcp", "/mcp/s/notes", "/api/v1/whoami"):
        seen = [await on.status(of, path, authorization=bound) for of in (on.mallory, on.ada, None)]
        assert seen == [200, 401, 401], path
        # a token that is bound to none is good beside any certificate, and none
        assert [await on.status(of, path, authorization=plain) for of in (on.mallory, None)] == [200, 200]
    told = {on.kind.header: on.told(on.mallory)}
    assert await on.status(None, authorization=bound, **told) == 401
    assert await on.status(on.ada, authorization=bound, **told) == 401
    assert await on.straight(f"authorization: {bound}", *map(": ".join, told.items())) == 401


# who is believed

WRITTEN: dict[str, tuple[str, ...]] = {
    "as it is": ("{name}: {value}",),
    "small": ("{small}: {value}",),
    "large": ("{large}: {value}",),
    "twice": ("{name}: {value}", "{small}: {value}"),
    "twice, the first of them empty": ("{name}:", "{name}: {value}"),
    "with underscores": ("{under}: {value}",),
    "with a space before the colon": ("{name} : {value}",),
    "with a tab before the colon": ("{name}\t: {value}",),
    "folded": ("{name}:\r\n {value}",),
    "folded behind another": ("x-other: a\r\n {name}: {value}",),
    "behind a line feed alone": ("x-other: a\n{name}: {value}",),
    "behind a carriage return alone": ("x-other: a\r{name}: {value}",),
    "behind a zero": ("x-other: a\0\r\n{name}: {value}",),
    "with a dot for a dash": ("{dot}: {value}",),
    "named as one of the connection": ("{name}: {value}", "connection: {name}, close"),
    "with two lengths": ("{name}: {value}", "transfer-encoding: chunked"),
    "beside large headers": ("{name}: {value}", *(f"x-filler-{count}: {'a' * 900}" for count in range(13))),
}


def written(on: Scene, how: str) -> list[str]:
    name = on.kind.header
    places = {"name": name, "small": name.lower(), "large": name.upper(), "under": name.replace("-", "_")}
    return [line.format(value=on.told(on.ada), dot=name.replace("-", "."), **places) for line in WRITTEN[how]]


@pytest.mark.parametrize("how", WRITTEN)
async def test_a_header_that_a_client_writes_itself_is_never_believed(how: str, on: Scene) -> None:
    lines = written(on, how)
    for path in ("/mcp", "/mcp/s/notes"):
        for of in (None, on.mallory):
            assert await on.raw(of, *lines, path=path) in {400, 401}
        assert await on.straight(*lines, path=path) in {400, 401}
    # whoever has a certificate is whom it names
    of = on.certificate("bob")
    mine = [line.replace(on.told(on.ada), on.told(on.mallory)) for line in lines]
    assert await on.raw(of, *mine) in {200, 400}


async def test_a_proxy_without_the_line_that_strips_would_be_believed(on: Scene, tmp_path: Path) -> None:
    with beside(on, tmp_path, changes=on.kind.careless) as there:
        assert await there.raw(None, *written(on, "as it is")) == 200


async def test_a_field_behind_the_body_is_no_header(on: Scene) -> None:
    certificate = f"{on.kind.header}: {on.told(on.ada)}"
    for of in (None, on.mallory):
        assert await on.raw(of, trailer=certificate) == 401
        assert await on.raw(of, f"trailer: {on.kind.header}", "te: trailers", trailer=certificate) == 401
    # not even from the proxy itself
    assert await on.straight(certificate, source=PROXY) == 200
    assert await on.straight(trailer=certificate, source=PROXY) == 401
    authorization = f"authorization: Bearer {on.issuer.token(time.time(), aud='the gateway')}"
    assert await on.raw(None, authorization) == 200
    assert await on.raw(None, trailer=authorization) == 401


async def test_headers_of_other_proxies_mean_nothing(on: Scene) -> None:
    others = {
        "Client-Cert": as_bytes(on.ada),
        "X-SSL-Client-Cert": as_pem(on.ada),
        "X-Forwarded-Client-Cert": as_element(on.ada),
        "SSL-Client-Cert": as_pem(on.ada),
        "X-ARR-ClientCert": base64.b64encode(der_of(on.ada)).decode(),
        "X-Forwarded-User": "ada",
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": "CN=ada",
    }
    for of in (None, on.mallory):
        for name, value in others.items():
            assert await on.status(of, **{name: value}) == 401, name
        assert await on.status(of, **others) == 401


async def test_a_proxy_that_is_not_trusted_is_believed_nothing(on: Scene, tmp_path: Path) -> None:
    with beside(on, tmp_path, source="127.0.0.3") as there:
        assert [await there.status(of) for of in (on.ada, None)] == [401, 401]
        bearer = f"Bearer {on.issuer.token(time.time(), aud='the gateway')}"
        assert await there.status(on.ada, authorization=bearer) == 200


async def test_what_the_trusted_proxy_says_twice_folded_or_otherwise_is_not_believed(on: Scene) -> None:
    seen = {how: await on.straight(*written(on, how), source=PROXY) for how in WRITTEN}
    assert {how for how, status in seen.items() if status == 200} == {
        "as it is",
        "small",
        "large",
        "named as one of the connection",
        "beside large headers",
    }
    assert {status for status in seen.values() if status != 200} == {400, 401}


async def test_the_caller_is_where_the_proxy_says_and_nobody_else(on: Scene) -> None:
    far, near = (on.secret(name, allowed_addresses=[each]) for name, each in (("far", "192.0.2.1"), ("near", CALLER)))
    claims = (
        ("x-forwarded-for: 192.0.2.1",),
        ("x-forwarded-for: 192.0.2.1", "x-forwarded-for: 192.0.2.1"),
        (f"x-forwarded-for: 192.0.2.1, {PROXY}",),
        (f"x-forwarded-for: {'192.0.2.1, ' * 500}192.0.2.1",),
        ("forwarded: for=192.0.2.1",),
        ("x_forwarded_for: 192.0.2.1",),
        ("x-real-ip: 192.0.2.1", "true-client-ip: 192.0.2.1", "cf-connecting-ip: 192.0.2.1"),
    )
    assert [await on.raw(None, path=path) for path in (far, near)] == [404, 200]
    for lines in claims:
        assert await on.raw(None, *lines, path=far) in {400, 404}, lines
        assert await on.straight(*lines, path=far) == 404, lines
        if len(lines[0]) < 4000:
            assert await on.raw(None, *lines, path=near) == 200, lines
            assert await on.straight(*lines, path=near) == 200, lines
    assert await on.raw(None, trailer=claims[0][0], path=far) == 404
    # one that is trusted is believed what it says last
    assert await on.straight(*claims[0], path=far, source=PROXY) == 200
    assert await on.straight("x-forwarded-for: 192.0.2.1, 10.9.9.9", path=far, source=PROXY) == 404
    assert await on.straight("forwarded: for=192.0.2.1", path=far, source=PROXY) == 404
    assert await on.straight(trailer=claims[0][0], path=far, source=PROXY) == 404


async def test_what_the_gateway_calls_itself_follows_from_no_request(on: Scene) -> None:
    told = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "1",
        "x-forwarded-prefix": "/evil",
        "x-original-url": "/evil",
        "forwarded": "host=evil.example;proto=http",
    }
    metadata = "/.well-known/oauth-protected-resource/mcp"
    plain, claimed = await on.asked(None, metadata), await on.asked(None, metadata, **told)
    assert plain.status_code == 200
    assert plain.json() == claimed.json()
    assert plain.json()["resource"] == f"{on.public}/mcp"
    refusals = [await on.asked(None), await on.asked(None, **told)]
    assert {reply.headers["www-authenticate"] for reply in refusals} == {refusals[0].headers["www-authenticate"]}
    assert f'resource_metadata="{on.public}{metadata}"' in refusals[0].headers["www-authenticate"]
    assert await on.status(on.ada, host="evil.example") == 421
    assert await on.status(on.ada, origin=on.public) == 200
    assert await on.status(on.ada, origin="https://evil.example") == 403


# what takes its time


@contextlib.asynccontextmanager
async def listening(on: Scene) -> AsyncIterator[AsyncIterator[str]]:
    """A stream of notifications, whose first one has come."""
    message, head = words("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    async with (
        asyncio.timeout(90),
        on.client(on.ada) as client,
        client.stream("POST", "/mcp/s/notes", json=message, headers=head) as stream,
    ):
        assert stream.status_code == 200
        pieces = stream.aiter_text()
        assert "acknowledged" in await anext(pieces)
        yield pieces


async def test_events_come_when_they_happen(on: Scene) -> None:
    server = next(each for each in on.admin("GET", "/servers").json()["items"] if each["name"] == "notes")
    async with listening(on) as pieces:
        for methods in (["write"], None):
            changed = on.admin("PATCH", f"/servers/{server['id']}", {"config": {"methods": methods}})
            assert changed.status_code == 200, changed.text
            assert "list_changed" in await anext(pieces)


async def test_streams_and_calls_outlast_the_patience_of_the_proxy(on: Scene, tmp_path: Path) -> None:
    with beside(on, tmp_path, changes=on.kind.hasty) as there:
        slow = asyncio.create_task(there.called(on.ada, "wait_long"))
        await counted(on.desk.arrived)
        async with listening(there) as pieces:
            # each comes after 15 seconds of silence: more than the proxy waits have passed after two
            for _ in range(2):
                assert (await anext(pieces)).startswith(":")
            assert not slow.done()
            on.desk.go.set()
            try:
                assert (await asyncio.wait_for(slow, PATIENCE))["whose"] == "ada"
            finally:
                on.desk.go.clear()


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_a_client_that_leaves_has_its_call_cancelled(accept: str, on: Scene) -> None:
    message, head = words("tools/call", {"name": "wait_long", "arguments": {}})
    async with on.client(on.ada) as client:
        slow = asyncio.create_task(client.post("/mcp/s/notes", json=message, headers={**head, "accept": accept}))
        await counted(on.desk.arrived)
        assert not on.desk.left.acquire(blocking=False)
        slow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await slow
    await counted(on.desk.left)


# files


async def test_large_files_go_through_and_strangers_are_told_no(on: Scene) -> None:
    size = 64 * 1024 * 1024

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // (1 << 20)):
            yield bytes(1 << 20)

    head = {"content-type": "application/octet-stream", "content-length": str(size)}
    async with on.client(on.ada) as client:
        for sent in (head, {"content-type": "application/octet-stream"}):
            reply = await client.post("/files", content=pieces(), headers=sent)
            assert (reply.status_code, reply.json()["size"]) == (201, size)
    async with on.client(None) as client:
        for mega in (1, 24):
            reply = await client.post("/files", content=bytes(mega << 20))
            assert reply.status_code == 401
    assert await on.raw(on.ada, path="/files", length=600 << 20) == 413
    async with on.client(on.ada) as client:
        head = {**words("tools/list")[1], "content-type": "application/json"}
        for mega, status in ((2, 400), (5, 413)):
            reply = await client.post("/mcp", content=b"[" + bytes(mega << 20), headers=head)
            assert reply.status_code == status


# logs


async def test_logs_tell_of_requests_and_hold_no_secret(on: Scene, tmp_path: Path) -> None:
    with beside(on, tmp_path, node=free_port()) as down, beside(on, tmp_path / "two") as there:
        secret = on.secret("hidden").removeprefix("/mcp/")
        paths = secret_paths(secret)
        seen = [await there.raw(None, f"referer: {on.public}/mcp/{secret}", path=path) for path in paths]
        assert seen[0] == 200
        assert await there.raw(None, path=f"/mcp/{secret}", length=600 << 20) == 413
        gone = [await down.raw(on.ada, path=path) for path in (f"/mcp/{secret}", "/mcp/s/notes")]
        assert set(gone) <= {502, 503}
        for each, count, places in (
            (there, len(paths) + 1, ("/mcp", "/api/v1/whoami")),
            (down, 2, ("/mcp", "/mcp/s/notes")),
        ):
            # a line is written after its answer
            await until(lambda each=each, count=count: each.proxy.written().count("\n") >= count)
            if on.kind.places:
                await until(lambda each=each, places=places: all(place in each.proxy.written() for place in places))
            assert secret not in each.proxy.written()
    with beside(on, tmp_path / "three", node=free_port(), changes=on.kind.leaky) as leaky:
        await leaky.raw(None, path=f"/mcp/{secret}")
        await until(lambda: secret in leaky.proxy.written())


def secret_paths(secret: str) -> list[str]:
    return [
        f"/mcp/{secret}",
        f"/mcp/{secret}/",
        f"/mcp/{secret}?profile=all",
        f"/mcp?profile={secret}",
        f"/mcp/s/notes?token={secret}",
        f"//mcp/{secret}",
        f"/%6Dcp/{secret}",
        f"/mcp/s/../{secret}",
        f"/api/v1/../../mcp/{secret}",
        f"/{secret}",
        f"/connect/{secret}",
        f"/oauth/callback?code={secret}&state={secret}",
        f"/oauth/device?user_code={secret}",
        f"/files/{secret}",
        f"/MCP/{secret}",
        "/api/v1/whoami",
    ]
