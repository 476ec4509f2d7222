"""Callers with client certificates, told of by a trusted proxy: who is let in where, and who is believed by nobody."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.app.gateway.signin import Reception
from apiloom.base.errors import DesignError
from apiloom.identity.certificates import certificate_in
from apiloom.identity.claims import Unfit
from support.gateway import READS, Desk, Gateway, arrival, desk, gateway, http, words
from support.issuer import received, signing_issuer
from support.shown_certificates import (
    AUTHORITY,
    OTHER_AUTHORITY,
    SERVERS,
    as_bytes,
    as_element,
    as_pem,
    der_of,
    shown_certificate,
)
from support.tls import Identity

HERE = ("127.0.0.1/32",)
RULES = [
    {"when": {"cn": ["ada", "bob"]}, "tenant": "default", "end_user": "{cn}"},
    {"when": {"cn": "root"}, "role": "operator"},
]


@dataclass
class Met:
    """A gateway with the server ``notes`` behind a proxy on this machine."""

    house: Gateway
    client: httpx.AsyncClient
    desk: Desk
    reception: Reception
    file: Path
    seconds: list[float]

    def certificate(self, name: str = "ada", by: Identity = AUTHORITY, **more: Any) -> Identity:
        return shown_certificate(name, by, self.house.clock(), **more)

    async def status(self, *told: str, path: str = "/mcp", token: str = "", header: str = "client-cert") -> int:
        """What is answered to a request with such headers of certificates."""
        return (await self.asked(*told, path=path, token=token, header=header)).status_code

    async def asked(self, *told: str, path: str = "/mcp", token: str = "", header: str = "client-cert") -> Any:
        message, head = words("tools/list")
        heads = [*head.items(), *((header, value) for value in told)]
        if token:
            heads.append(("authorization", f"Bearer {token}"))
        if path.startswith("/api"):
            return await self.client.get(self.house.url + path, headers=heads)
        return await self.client.post(self.house.url + path, json=message, headers=heads)

    def change(self, **certificates: Any) -> bool:
        self.file.write_text(json.dumps({"certificates": {"principals": RULES, **certificates}}))
        return self.reception.reload()


@asynccontextmanager
async def met(folder: Path, *, proxies: tuple[str, ...] = HERE, beside: Any = None, **more: Any) -> AsyncIterator[Met]:
    seconds = [1000.0]
    with desk() as upstream:
        async with gateway(folder, proxies=proxies) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            await house.server(accounts=[account.id], name="notes")
            told = {"certificates": {"principals": RULES, **more}, **(beside or {})}
            reception = received(house, folder, told, clock=lambda: seconds[0])
            yield Met(house, client, upstream, reception, folder / "identity.json", seconds)


async def test_a_certificate_lets_its_holder_in_where_the_rules_say(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        ada, root = as_bytes(on.certificate()), as_bytes(on.certificate("root"))
        for _ in range(2):
            reply = await on.asked(ada)
            assert [tool["name"] for tool in reply.json()["result"]["tools"]] == [f"desk_{name}" for name in READS]
            reply = await on.asked(ada, path="/mcp/s/notes")
            assert [tool["name"] for tool in reply.json()["result"]["tools"]] == READS
        assert await on.status(ada, path="/mcp/s/other") == 404
        who = (await on.asked(root, path="/api/v1/whoami")).json()
        assert who["role"] == "operator"
        assert (await on.asked(ada, path="/api/v1/whoami")).json()["role"] == "agent"
        assert await on.status(as_bytes(on.certificate("mallory"))) == 401
        assert await on.status() == 401
        reply = await on.client.post(f"{on.house.url}/files", content=b"x", headers={"client-cert": ada})
        assert reply.status_code in {200, 201}
        reply = await on.client.post(f"{on.house.url}/files", content=b"x")
        assert reply.status_code == 401


async def test_whoever_is_no_trusted_proxy_is_believed_nothing(tmp_path: Path) -> None:
    async with met(tmp_path, proxies=("10.0.0.0/8",)) as on:
        ada, root = as_bytes(on.certificate()), as_bytes(on.certificate("root"))
        reply = await on.asked(ada)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/mcp/s/notes", "/api/v1/whoami"):
            assert await on.status(root, path=path) == 401
        # where a forwarded address claims to be a proxy's it is the peer that counts
        message, head = words("tools/list")
        heads = {**head, "client-cert": ada, "x-forwarded-for": "10.0.0.1"}
        assert (await on.client.post(f"{on.house.url}/mcp", json=message, headers=heads)).status_code == 401
        assert len(on.reception.guests) == 0
        # nor does it take anything away from what else is shown
        token = await on.house.api_token(tenant="default")
        assert await on.status(ada, token=token) == 200
        assert await on.status(ada, ada, token=token) == 200


async def test_a_certificate_counts_only_where_nothing_else_is_shown(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        ada = as_bytes(on.certificate())
        assert await on.status(ada) == 200
        for wrong in ("x", "als_x", "Bearer"):
            assert await on.status(ada, token=wrong) == 401
            assert await on.status(ada, token=wrong, path="/api/v1/whoami") == 401
        message, head = words("tools/list")
        for shown in ("", "Basic YTpi", "Bearer"):
            heads = {**head, "client-cert": ada, "authorization": shown}
            assert (await on.client.post(f"{on.house.url}/mcp", json=message, headers=heads)).status_code == 401
        account = await on.house.account("desk", "bob-secret")
        config = {"require_api_token_auth": True}
        both = on.house.at(await on.house.server(accounts=[account.id], name="two", config=config))
        alone = on.house.at(await on.house.server(accounts=[account.id], name="one"))
        for url, status in ((both, 401), (alone, 200)):
            assert await on.status(ada, path=url.removeprefix(on.house.url)) == status
        # an API token is judged by itself, whoever the proxy saw
        token = await on.house.api_token(tenant="default")
        assert await on.status(ada, token=token) == 200
        assert await on.status("garbage", token=token) == 200


async def test_pages_of_other_origins_gain_nothing_by_a_certificate_in_a_browser(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        root = as_bytes(on.certificate("root"))
        token = await on.house.api_token("operator")
        url = f"{on.house.url}/api/v1/whoami"
        for told, status in (
            ({}, 200),
            ({"origin": on.house.url}, 200),
            ({"origin": on.house.url, "sec-fetch-site": "same-origin"}, 200),
            ({"origin": "https://evil.example"}, 401),
            ({"origin": "null"}, 401),
            ({"origin": ""}, 401),
            ({"sec-fetch-site": "cross-site"}, 401),
            ({"sec-fetch-site": "same-site"}, 401),
        ):
            assert (await on.client.get(url, headers={**told, "client-cert": root})).status_code == status, told
            by_token = {**told, "client-cert": root, "authorization": f"Bearer {token}"}
            assert (await on.client.get(url, headers=by_token)).status_code == 200


async def test_every_form_is_read_and_only_the_last_element_counts(tmp_path: Path) -> None:
    async with met(tmp_path, header="X-SSL-Cert") as on:
        ada, mallory = on.certificate(), on.certificate("mallory")
        bare = base64.b64encode(der_of(ada)).decode()
        for told in (as_pem(ada), bare, bare.replace("+", "%2B")):
            assert await on.status(told, header="X-SSL-Cert") == 200
        assert await on.status(as_pem(ada)) == 401
        assert await on.status(as_pem(ada) + as_pem(ada), header="X-SSL-Cert") == 401
        assert await on.status(f"{as_pem(ada)},{as_pem(ada)}", header="X-SSL-Cert") == 401
        assert on.change(header="X-Forwarded-Client-Cert")
        header = "x-forwarded-client-cert"
        for told, status in (
            (as_element(ada), 200),
            (as_element(ada, before=as_element(mallory)), 200),
            (as_element(mallory, before=as_element(ada)), 401),
            (f"{as_element(ada)},By=spiffe://house/proxy;Hash=00", 401),
            (f'{as_element(ada)};Cert="{as_pem(mallory)}"', 401),
            (f'Subject="x\\",Cert=\\"y";Cert="{as_pem(ada)}"', 200),
            (f'Subject="CN=x;Cert={as_pem(ada)}"', 401),
            (f"Cert={as_pem(ada)}", 401),
            (f"{as_element(ada)},", 401),
            (f'Cert="{as_pem(ada)}', 401),
        ):
            assert await on.status(told, header=header) == status, told
        assert on.change(header="X-Cert", format="rfc9440")
        assert await on.status(as_bytes(ada), header="x-cert") == 200


def wrongs(on: Met) -> dict[str, tuple[str, ...]]:
    """Headers that must let nobody in."""
    good = as_bytes(on.certificate())
    insists = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    signs = (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
    enciphers = (x509.KeyUsage(False, False, True, False, False, False, False, False, False), True)
    wrong = {
        "ended": on.certificate(seconds=(-3600, -60)),
        "to come": on.certificate(seconds=(61, 3600)),
        "an authority's": on.certificate(ca=True),
        "the authority itself": AUTHORITY,
        "for servers": on.certificate(uses=[SERVERS]),
        "insists on something": on.certificate(more=[insists]),
        "for signing certificates": on.certificate(more=[signs]),
        "for nothing that TLS does": on.certificate(more=[enciphers]),
        "of nobody": on.certificate(""),
        "of nobody in the rules": on.certificate("mallory"),
    }
    cut = base64.b64encode(der_of(on.certificate())[:-1]).decode()
    longer = base64.b64encode(der_of(on.certificate()) + b"\0").decode()
    return {
        **{what: (as_bytes(each),) for what, each in wrong.items()},
        "twice": (good, good),
        "twice, one of them empty": (good, ""),
        "cut": (f":{cut}:",),
        "longer": (f":{longer}:",),
        "without colons": (good[1:-1],),
        "with a parameter": (f"{good};a=1",),
        "a list": (f"{good}, {good}",),
        "empty": ("",),
        "two colons": ("::",),
        "one colon": (":",),
        "huge": (f":{'A' * 16_400}:",),
        "PEM": (as_pem(on.certificate()),),
    }


async def test_no_other_certificate_lets_anybody_in(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        seen = {what: await on.status(*told) for what, told in wrongs(on).items()}
        assert seen == dict.fromkeys(seen, 401)
        assert len(on.reception.guests) == 0
        replies = [await on.asked(*told) for told in wrongs(on).values()]
        assert len({(reply.content, reply.headers["www-authenticate"]) for reply in replies}) == 1


async def test_clocks_may_differ_by_a_minute(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        assert await on.status(as_bytes(on.certificate(seconds=(60, 3600)))) == 200
        assert await on.status(as_bytes(on.certificate(seconds=(-3600, -59)))) == 200


async def test_a_call_ends_with_the_certificate_it_was_made_with(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        told = as_bytes(on.certificate(seconds=(-60, 300)))
        message, head = words("tools/call", {"name": "desk_wait_long", "arguments": {}})
        slow = asyncio.create_task(
            on.client.post(f"{on.house.url}/mcp", json=message, headers={**head, "client-cert": told})
        )
        await arrival(on.desk)
        on.house.clock.now += 359
        await on.house.settle()
        assert not slow.done()
        on.house.clock.now += 1
        await on.house.settle()
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert await on.status(told) == 401


async def test_a_changed_file_counts_at_once_and_cuts(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        ada, bob = as_bytes(on.certificate()), as_bytes(on.certificate("bob"))
        message, head = words("tools/call", {"name": "desk_wait_long", "arguments": {}})
        slow = asyncio.create_task(
            on.client.post(f"{on.house.url}/mcp", json=message, headers={**head, "client-cert": ada})
        )
        await arrival(on.desk)
        assert on.change(principals=[{"when": {"cn": "bob"}, "tenant": "default"}])
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert [await on.status(told) for told in (ada, bob)] == [401, 200]
        on.file.write_text("{}")
        assert on.reception.reload()
        assert [await on.status(told) for told in (ada, bob)] == [401, 401]


async def test_authorities_are_asked_besides_and_a_change_of_theirs_counts(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(AUTHORITY.certificate_pem)
    async with met(tmp_path, authorities=f"file:{file}") as on:
        ours, theirs = as_bytes(on.certificate()), as_bytes(on.certificate(by=OTHER_AUTHORITY))
        forged = as_bytes(on.certificate(by=Identity(AUTHORITY.certificate, OTHER_AUTHORITY.key)))
        assert [await on.status(told) for told in (ours, theirs, forged)] == [200, 401, 401]
        assert not on.reception.reload()
        file.write_bytes(AUTHORITY.certificate_pem + OTHER_AUTHORITY.certificate_pem)
        assert on.reception.reload()
        assert [await on.status(told) for told in (ours, theirs, forged)] == [200, 200, 401]
        file.write_bytes(b"no certificates")
        assert not on.reception.reload()
        assert await on.status(theirs) == 200
        file.write_bytes(OTHER_AUTHORITY.certificate_pem)
        assert on.reception.reload()
        assert [await on.status(told) for told in (ours, theirs)] == [401, 200]


async def test_certificates_are_believed_from_somebody_and_not_from_everybody(tmp_path: Path) -> None:
    for proxies in ((), ("0.0.0.0/0",), ("10.0.0.0/8", "::/0")):
        with pytest.raises(DesignError) as error:
            async with met(tmp_path / str(len(proxies)), proxies=proxies):
                pass
        assert error.value.code == "gateway.proxies"


async def test_a_holder_is_the_same_after_a_renewal_and_named_by_a_hash(tmp_path: Path) -> None:
    rules = [{"when": {"uri": "spiffe://house/agent"}, "tenant": "default", "end_user": "{uri}"}]
    uri = x509.UniformResourceIdentifier("spiffe://house/agent")
    async with met(tmp_path, principals=rules) as on:
        for _ in range(2):
            told = as_bytes(on.certificate("", alternatives=[uri]))
            message, head = words("tools/call", {"name": "desk_list_notes", "arguments": {}})
            reply = await on.client.post(f"{on.house.url}/mcp", json=message, headers={**head, "client-cert": told})
            assert not reply.json()["result"]["isError"]
        two = as_bytes(on.certificate("", alternatives=[uri, x509.UniformResourceIdentifier("spiffe://house/b")]))
        assert await on.status(two) == 401
        await on.house.node.flush()
        async with on.house.ground.store.reading() as work:
            lines = [line for line in await work.house().audit.every() if line.principal.startswith("cert:")]
        assert len(lines) == 2
        assert len({line.principal for line in lines}) == 1
        assert "spiffe" not in str(lines[0].principal)


async def test_a_warm_call_asks_the_store_nothing_and_is_read_anew_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with met(tmp_path, principals=[{"tenant": "default", "servers": ["notes", "later"]}]) as on:
        told = as_bytes(on.certificate())
        assert await on.status(told) == 200
        certified = on.house.node.admission.welcome.certified  # type: ignore[union-attr]
        read: list[Any] = []
        recognise = certified._recognised  # type: ignore[union-attr]

        def counted(*arguments: Any) -> Any:
            read.append(arguments)
            return recognise(*arguments)

        monkeypatch.setattr(type(certified), "_recognised", lambda _self, *arguments: counted(*arguments))
        monkeypatch.setattr(on.house.grounds.store, "reading", None)
        for _ in range(5):
            assert await on.status(told) == 200
        assert read == []
        monkeypatch.undo()
        account = await on.house.account("desk", "bob-secret")
        await on.house.server(accounts=[account.id], name="later")
        assert await on.status(told, path="/mcp/s/later") == 404
        on.house.clock.now += 61
        assert await on.status(told, path="/mcp/s/later") == 200


async def test_strangers_have_so_many_turns_a_minute_and_those_known_before_their_own(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        ada, bob = as_bytes(on.certificate()), as_bytes(on.certificate("bob"))
        assert await on.status(ada) == 200
        mallory = as_bytes(on.certificate("mallory"))
        for _ in range(60):
            assert await on.status(mallory) == 401
        assert [await on.status(told) for told in (ada, bob)] == [200, 401]
        on.house.clock.now += 61
        assert await on.status(ada) == 200
        on.seconds[0] += 61
        assert await on.status(bob) == 200


async def test_a_session_belongs_to_whoever_holds_the_certificate(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        ada, bob = as_bytes(on.certificate()), as_bytes(on.certificate("bob"))
        opening = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        }
        head = {"accept": "application/json, text/event-stream"}
        url = f"{on.house.url}/mcp/s/notes"
        reply = await on.client.post(url, json=opening, headers={**head, "client-cert": ada})
        session = reply.headers["mcp-session-id"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        statuses = []
        for told in (ada, as_bytes(on.certificate()), bob):
            heads = {**head, "client-cert": told, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
            statuses.append((await on.client.post(url, json=listing, headers=heads)).status_code)
        assert statuses == [200, 200, 404]


# tokens that are bound to a certificate


def print_of(of: Identity) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(der_of(of)).digest()).decode().rstrip("=")


async def test_a_bound_token_counts_only_beside_its_certificate(tmp_path: Path) -> None:
    with signing_issuer() as issuer:
        async with met(tmp_path, beside={"issuers": [issuer.settings()], "certificates": {}}) as on:
            ada, eve = on.certificate(), on.certificate("eve", uses=[SERVERS])
            now = on.house.clock()

            def token(cnf: Any) -> str:
                return issuer.token(now, aud="the gateway", cnf=cnf)

            bound = token({"x5t#S256": print_of(eve)})
            for path in ("/mcp", "/mcp/s/notes", "/api/v1/whoami"):
                assert await on.status(token=bound, path=path) == 401
                assert await on.status(as_bytes(ada), token=bound, path=path) == 401
                assert await on.status(as_bytes(eve), as_bytes(eve), token=bound, path=path) == 401
                assert await on.status(as_bytes(eve), token=bound, path=path) == 200
                assert await on.status(as_bytes(ada), token=bound, path=path) == 401
                assert await on.status(token=bound, path=path) == 401
            # nobody can write the word that stands for a certificate
            assert await on.status(token=f"{bound} crt_{'0' * 64}") == 401
            assert await on.status(as_bytes(ada), token=f"{bound} x") == 401
            plain = issuer.token(now, aud="the gateway")
            assert [await on.status(*told, token=plain) for told in ((), (as_bytes(ada),))] == [200, 200]
            assert await on.status(token=f"{plain} x") == 401
            wrong: list[Any] = [
                {},
                None,
                [],
                {"jkt": "x"},
                {"x5t#S256": print_of(eve), "jkt": "x"},
                {"x5t#S256": print_of(eve) + "="},
                {"x5t#S256": ""},
                {"x5t#S256": 7},
            ]
            for cnf in wrong[:1] + wrong[2:]:
                assert await on.status(as_bytes(eve), token=token(cnf)) == 401, cnf
            # a certificate alone lets nobody in here: there are no rules
            assert await on.status(as_bytes(ada)) == 401
            # as the second of two factors it counts as any other token
            account = await on.house.account("desk", "bob-secret")
            config = {"require_api_token_auth": True}
            url = on.house.at(await on.house.server(accounts=[account.id], name="two", config=config))
            path = url.removeprefix(on.house.url)
            assert await on.status(token=bound, path=path) == 401
            assert await on.status(as_bytes(eve), token=bound, path=path) == 200


async def test_a_bound_token_counts_nowhere_without_certificates(tmp_path: Path) -> None:
    with signing_issuer() as issuer:
        async with met(tmp_path, beside={"issuers": [issuer.settings()], "certificates": {}}) as on:
            eve = on.certificate("eve")
            bound = issuer.token(on.house.clock(), aud="the gateway", cnf={"x5t#S256": print_of(eve)}, sub="bob")
            on.file.write_text(json.dumps({"issuers": [issuer.settings()]}))
            assert on.reception.reload()
            assert await on.status(as_bytes(eve), token=bound) == 401


# noise


HEADERS = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda value: b":" + base64.b64encode(value) + b":"),
    st.text(alphabet=st.sampled_from(',;="\\ CertHashURI%20-:+/'), max_size=80).map(lambda text: text.encode()),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=100).map(lambda text: text.encode("latin-1")),
)


async def test_no_noise_is_ever_admitted_or_our_fault(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(AUTHORITY.certificate_pem)
    async with met(tmp_path) as on:
        front = on.house.node.front()
        for form, write in (("rfc9440", as_bytes), ("pem", as_pem), ("xfcc", as_element)):
            assert on.change(format=form, authorities=f"file:{file}")
            ada = on.certificate()
            good = write(ada).encode()
            assert await sent(front, good) == 200
            for value in noise(good, der_of(ada)):
                on.seconds[0] += 61
                status = await sent(front, value)
                assert status == 401 or (status == 200 and is_in(form, value, ada)), (status, value)
            assert len(on.reception.guests) == 1


def is_in(form: Any, value: bytes, of: Identity) -> bool:
    """Whether a header that is written otherwise holds the very certificate still."""
    try:
        return certificate_in(form, value) == der_of(of)
    except Unfit:
        return False


def noise(good: bytes, der: bytes) -> list[bytes]:
    """Headers that are nearly right, and ones that are nothing."""
    found: list[bytes] = []

    @settings(max_examples=80, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(
            HEADERS,
            st.tuples(st.integers(0, len(der) - 1), st.integers(1, 255)).map(
                lambda at: b":" + base64.b64encode(der[: at[0]] + bytes([der[at[0]] ^ at[1]]) + der[at[0] + 1 :]) + b":"
            ),
            st.tuples(st.integers(0, len(good) - 1), HEADERS).map(lambda at: good[: at[0]] + at[1] + good[at[0] + 1 :]),
        )
    )
    def collect(value: bytes) -> None:
        found.append(value)

    collect()
    return [value for value in found if value.strip(b" \t") != good]


async def sent(front: Any, value: bytes) -> int:
    """The status that a request with such a header gets, straight from the application."""
    message, head = words("tools/list")
    body = json.dumps(message).encode()
    headers = [(name.encode(), each.encode()) for name, each in head.items()]
    headers += [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"client-cert", value)]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": headers,
        "query_string": b"",
        "client": ("127.0.0.1", 1),
    }
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Any) -> None:
        told.append(event)

    await front(scope, receive, send)
    return int(told[0]["status"])
