"""Bearers of an operator's issuer: who is let in where, what the others are told, and what is asked for how often."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.app.gateway.signin import Reception
from support.gateway import READS, Desk, Gateway, arrival, ask, call, desk, gateway, http, names, until, words
from support.issuer import EC, ED, OTHER_RSA, RSA, SigningIssuer, jwk, received, signing_issuer, unsigned


@dataclass
class Met:
    """A gateway with the server ``notes`` that recognises people by an issuer."""

    house: Gateway
    issuer: SigningIssuer
    client: httpx.AsyncClient
    desk: Desk
    reception: Reception
    file: Path
    seconds: list[float]

    def token(self, **more: Any) -> str:
        """A good token, but for what is said."""
        return self.issuer.token(self.house.clock(), **{"aud": "the gateway", **more})

    async def status(self, token: str, path: str = "/mcp") -> int:
        return (await ask(self.client, self.house.url + path, "tools/list", token=token)).status_code


@asynccontextmanager
async def met(folder: Path, **more: Any) -> AsyncIterator[Met]:
    seconds = [1000.0]
    with desk() as upstream, signing_issuer() as issuer:
        async with gateway(folder) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            await house.server(accounts=[account.id], name="notes")
            told = {"issuers": [issuer.settings(**more)]}
            reception = received(house, folder, told, clock=lambda: seconds[0])
            yield Met(house, issuer, client, upstream, reception, folder / "identity.json", seconds)


async def test_a_token_of_the_issuer_sees_and_calls_what_its_person_may(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        token = on.token()
        assert await names(on.client, f"{on.house.url}/mcp", token) == [f"desk_{name}" for name in READS]
        assert await names(on.client, f"{on.house.url}/mcp/s/notes", token) == READS
        answer = await call(on.client, f"{on.house.url}/mcp", "desk_list_notes", token=token)
        assert answer["whose"] == "ada"
        assert await on.status(on.token(sub="bob")) == 200


async def test_a_token_that_was_seen_asks_the_issuer_nothing(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        token = on.token()
        await on.status(token)
        asked = list(on.issuer.asked)
        assert asked == ["/.well-known/openid-configuration", "/jwks"]
        on.issuer.down = True
        for _ in range(5):
            assert await on.status(token) == 200
        assert on.issuer.asked == asked


async def test_strangers_are_told_where_to_get_a_token_and_for_what(tmp_path: Path) -> None:
    async with met(tmp_path, scopes=["mcp", "notes"]) as on:
        url = on.house.url
        for path in ("/mcp", "/mcp/s/notes", "/mcp/s/nowhere"):
            replies = [
                await ask(on.client, url + path, "tools/list", token=token)
                for token in ("", "x", on.token(exp=1), unsigned({"alg": "none"}, on.issuer.claims(0)))
            ]
            assert {reply.status_code for reply in replies} == {401}
            assert {reply.headers["www-authenticate"] for reply in replies} == {
                f'Bearer resource_metadata="{url}/.well-known/oauth-protected-resource{path}", scope="mcp notes"'
            }
            assert len({reply.content for reply in replies}) == 1
            told = (await on.client.get(f"{url}/.well-known/oauth-protected-resource{path}")).json()
            assert told == {
                "resource": url + path,
                "authorization_servers": [on.issuer.url],
                "bearer_methods_supported": ["header"],
                "resource_name": "apiloom",
                "scopes_supported": ["mcp", "notes"],
            }
        root = (await on.client.get(f"{url}/.well-known/oauth-protected-resource")).json()
        assert root["resource"] == f"{url}/mcp"
        assert (await on.client.get(f"{url}/.well-known/oauth-protected-resource/else")).status_code == 404


async def test_a_name_cannot_end_the_header_it_is_told_in(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        for name in ("a%22%0d%0aset-cookie:%20x=1", 'a"b', "%E2%82%AC"):
            reply = await ask(on.client, f"{on.house.url}/mcp/s/{name}", "tools/list")
            assert reply.status_code == 401
            assert "set-cookie" not in reply.headers
            assert reply.headers["www-authenticate"].count('"') == 2


async def test_a_token_without_a_needed_scope_is_told_all_of_them(tmp_path: Path) -> None:
    async with met(tmp_path, scopes=["mcp", "notes"]) as on:
        reply = await ask(on.client, f"{on.house.url}/mcp", "tools/list", token=on.token(scope="mcp other"))
        assert reply.status_code == 403
        metadata = f"{on.house.url}/.well-known/oauth-protected-resource/mcp"
        assert reply.headers["www-authenticate"] == (
            f'Bearer error="insufficient_scope", scope="mcp notes", resource_metadata="{metadata}"'
        )
        assert await on.status(on.token(scope="notes mcp")) == 200
        assert await on.status(on.token(scp=["notes", "mcp"])) == 200


async def on_api(on: Met, token: str = "", path: str = "/whoami") -> httpx.Response:
    """What the admin API answers."""
    heads = {"authorization": f"Bearer {token}"} if token else {}
    return await on.client.get(f"{on.house.url}/api/v1{path}", headers=heads)


async def test_strangers_at_the_admin_api_are_told_where_to_get_a_token(tmp_path: Path) -> None:
    async with met(tmp_path, api_scopes=["api"]) as on:
        metadata = f"{on.house.url}/.well-known/oauth-protected-resource/api/v1"
        of_a_server = on.house.server(connectors=["desk"], name="other")
        shown = ["", "x", on.token(exp=1), on.token(aud=f"{on.house.url}/mcp"), (await of_a_server).issued.text]
        replies = [await on_api(on, token) for token in shown]
        assert {reply.status_code for reply in replies} == {401}
        assert {reply.headers["www-authenticate"] for reply in replies} == {
            f'Bearer resource_metadata="{metadata}", scope="api"'
        }
        assert {reply.json()["code"] for reply in replies} == {"api.token"}
        assert len({frozenset({**reply.json(), "request_id": ""}.items()) for reply in replies}) == 1
        told = (await on.client.get(metadata)).json()
        assert (told["resource"], told["scopes_supported"]) == (f"{on.house.url}/api/v1", ["api"])
        assert told["authorization_servers"] == [on.issuer.url]


async def test_a_token_without_a_scope_of_the_admin_api_is_told_all_of_them(tmp_path: Path) -> None:
    async with met(tmp_path, api_scopes=["api", "admin"]) as on:
        reply = await on_api(on, on.token(scope="api mcp"))
        assert reply.status_code == 403
        metadata = f"{on.house.url}/.well-known/oauth-protected-resource/api/v1"
        assert reply.headers["www-authenticate"] == (
            f'Bearer error="insufficient_scope", scope="api admin", resource_metadata="{metadata}"'
        )
        assert reply.headers["content-type"] == "application/problem+json"
        assert (reply.json()["code"], reply.json()["hint"]) == ("api.scope", "get one with the scopes api admin")
        assert (await on_api(on, on.token(scope="admin api"))).status_code == 200
        assert (await on_api(on, on.token(scope="api mcp"), "/openapi.json")).status_code == 200


async def test_an_issuer_that_is_down_is_no_reason_to_ask_for_another_token(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        own = await on.house.api_token()
        on.issuer.down = True
        reply = await on_api(on, on.token())
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert (reply.json()["code"], reply.json()["status"]) == ("identity.unreachable", 503)
        assert "www-authenticate" not in reply.headers
        assert [(await on_api(on, token)).status_code for token in ("", own)] == [401, 200]
        on.issuer.down = False
        on.seconds[0] += 2
        assert (await on_api(on, on.token())).status_code == 200


async def test_a_token_is_good_only_for_the_url_it_was_given_for(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        url = on.house.url
        one, all_ = on.token(aud=f"{url}/mcp/s/notes"), on.token(aud=[f"{url}/mcp", "https://elsewhere.example"])
        assert [await on.status(one, path) for path in ("/mcp/s/notes", "/mcp", "/mcp/s/other")] == [200, 401, 401]
        assert [await on.status(all_, path) for path in ("/mcp/s/notes", "/mcp")] == [200, 200]
        foreign: list[Any] = [url, f"{url}/", f"{url}/mcp/", f"{url}/MCP", "https://elsewhere.example/mcp", None, 7, []]
        for audience in foreign:
            assert await on.status(on.token(aud=audience)) == 401
        for token in (one, on.token(aud=f"{url}/mcp")):
            reply = await on.client.get(f"{url}/api/v1/whoami", headers={"authorization": f"Bearer {token}"})
            assert reply.status_code == 401
        api = on.token(aud=f"{url}/api/v1")
        assert await on.status(api) == 401
        reply = await on.client.get(f"{url}/api/v1/whoami", headers={"authorization": f"Bearer {api}"})
        assert (reply.status_code, reply.json()["role"]) == (200, "agent")


def wrongs(on: Met) -> dict[str, str]:
    """Tokens that must let nobody in."""
    now, good = on.house.clock(), on.issuer.claims(on.house.clock(), aud="the gateway")
    public = jwk(RSA, "one")
    as_secret = json.dumps(public).encode()
    return {
        "no signature": unsigned({"alg": "none", "kid": "one"}, good, b"  "),
        "a public key as a shared secret": unsigned(
            {"alg": "HS256", "kid": "one", "typ": "at+jwt"}, good, hmac.digest(as_secret, b"x", "sha256")
        ),
        "another's key": on.token(key=OTHER_RSA),
        "a key of its own": on.token(key=OTHER_RSA, head={"jwk": jwk(OTHER_RSA, "one"), "kid": "one"}),
        "keys from elsewhere": on.token(key=OTHER_RSA, head={"jku": f"{on.issuer.url}/jwks", "x5u": on.issuer.url}),
        "an algorithm that is not allowed": on.token(head={"alg": "PS256"}),
        "another kind of key": on.token(key=ED, head={"alg": "EdDSA", "kid": "ed"}),
        "a header it insists on": unsigned({"alg": "RS256", "kid": "one", "crit": ["b64"], "b64": False}, good),
        "another kind of token": on.token(head={"typ": "logout+jwt"}),
        "another issuer": on.token(iss="https://elsewhere.example"),
        "an issuer by nearly the same name": on.token(iss=f"{on.issuer.url}/"),
        "ended": on.token(exp=int(now) - 60),
        "no end": on.token(exp=None),
        "an end that is no number": on.token(exp="9999999999"),
        "an endless end": on.token(exp=1e300),
        "to come": on.token(nbf=int(now) + 61),
        "made in the future": on.token(iat=int(now) + 61),
        "about nobody": on.token(sub=None),
        "about nothing": on.token(sub=""),
        "bound to a key": on.token(cnf={"jkt": "x"}),
        "changed afterwards": changed(on.token()),
        "too long": on.token(sub="a", note="x" * 20_000),
        "a bare scheme": "",
    }


def changed(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "root"}).encode()).rstrip(b"=").decode()
    return f"{head}.{other}.{signature}"


async def test_what_is_not_the_issuers_word_lets_nobody_in(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        assert await on.status(on.token()) == 200
        seen = {what: await on.status(token) for what, token in wrongs(on).items()}
        assert seen == dict.fromkeys(seen, 401)
        assert len(on.reception.guests) == 1


async def test_clocks_may_differ_by_a_minute(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        now = int(on.house.clock())
        assert await on.status(on.token(exp=now - 59)) == 200
        assert await on.status(on.token(nbf=now + 60, iat=now + 60)) == 200


async def test_each_kind_of_key_counts_where_it_is_allowed(tmp_path: Path) -> None:
    kinds = [
        (RSA, {"alg": "PS512"}),
        (EC, {"alg": "ES256", "kid": "ec"}),
        (ED, {"alg": "EdDSA", "kid": "ed"}),
        (RSA, {"kid": ""}),
    ]
    async with met(tmp_path, algorithms=["RS256", "PS512", "ES256", "EdDSA"]) as on:
        for key, head in kinds:
            assert await on.status(on.token(key=key, head=head)) == 200


async def test_a_token_stands_in_no_query(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        for name in ("access_token", "token"):
            reply = await ask(on.client, f"{on.house.url}/mcp?{name}={on.token()}", "tools/list")
            assert reply.status_code == 401


async def test_new_keys_are_asked_for_once_and_not_for_every_stranger(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        assert await on.status(on.token()) == 200
        on.issuer.keys = [jwk(OTHER_RSA, "two")]
        fetched = on.issuer.asked.count("/jwks")
        on.seconds[0] += 31
        fresh = {"key": OTHER_RSA, "head": {"kid": "two"}}
        assert set(await asyncio.gather(*(on.status(on.token(sub=str(n), **fresh)) for n in range(10)))) == {200}
        assert on.issuer.asked.count("/jwks") == fetched + 1
        for n in range(10):
            assert await on.status(on.token(head={"kid": f"made up {n}"})) == 401
        assert on.issuer.asked.count("/jwks") == fetched + 1
        # a key that is published no more signs nothing
        assert await on.status(on.token(sub="carol")) == 401


async def test_a_key_that_is_published_no_more_ends_what_it_signed(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        signed, other = on.token(), on.token(sub="bob", key=EC, head={"kid": "ec", "alg": "ES256"})
        slow = asyncio.create_task(
            ask(on.client, f"{on.house.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, signed)
        )
        await arrival(on.desk)
        assert await on.status(other) == 200
        on.issuer.keys = [jwk(EC, "ec")]
        on.seconds[0] += 800
        await on.reception.ask_again()
        assert (await on.status(signed), await on.status(other)) == (200, 200)
        assert on.issuer.asked.count("/jwks") == 1
        on.seconds[0] += 101
        await on.reception.ask_again()
        await until(lambda: len(on.reception.guests) == 1)
        assert not slow.done()
        await on.reception.ask_again()
        assert (await on.status(signed), await on.status(other)) == (401, 200)
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()


async def test_keys_go_on_serving_while_their_issuer_is_down(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        assert await on.status(on.token()) == 200
        on.issuer.down = True
        on.seconds[0] += 10_000
        assert await on.status(on.token(sub="bob")) == 200
        assert await on.status(on.token(sub="carol", head={"kid": "new"})) == 401


async def test_nobody_can_be_judged_before_the_keys_are_known(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        on.issuer.down = True
        reply = await ask(on.client, f"{on.house.url}/mcp", "tools/list", token=on.token())
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        on.issuer.down = False
        on.seconds[0] += 2
        assert await on.status(on.token()) == 200


async def test_a_stream_ends_with_the_token_it_was_opened_with(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        token = on.token(exp=int(on.house.clock()) + 30)
        slow = asyncio.create_task(
            ask(on.client, f"{on.house.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, token)
        )
        await arrival(on.desk)
        on.house.clock.now += 89
        await on.house.settle()
        assert not slow.done()
        on.house.clock.now += 1
        await on.house.settle()
        with pytest.raises(httpx.HTTPError):
            # the answer of one who may no longer have it breaks off
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert await on.status(token) == 401


async def test_opaque_tokens_are_asked_about_and_the_answer_counts_for_a_while(tmp_path: Path) -> None:
    asked = {"client_id": "gateway", "client_secret": "env:SIGN_IN_SECRET"}
    async with met(tmp_path) as on:
        told = on.issuer.settings(introspection={"url": f"{on.issuer.url}/introspect", **asked})
        on.file.write_text(json.dumps({"issuers": [told]}))
        assert on.reception.reload()
        now = on.house.clock()
        on.issuer.active["opaque-1"] = {"active": True, **on.issuer.claims(now, aud="the gateway")}
        on.issuer.active["opaque-2"] = {"active": True, **on.issuer.claims(now, aud="another")}
        assert [await on.status(f"opaque-{n}") for n in (1, 1, 2, 3, 3)] == [200, 200, 401, 401, 401]
        assert on.issuer.asked.count("/introspect") == 3
        head = on.issuer.api.last().headers["authorization"]
        assert base64.b64decode(head.removeprefix("Basic ")) == b"gateway:a+secret+of+the+tests"
        on.issuer.active.clear()
        assert await on.status("opaque-1") == 200
        on.house.clock.now += 61
        assert await on.status("opaque-1") == 401


async def test_no_issuer_is_asked_about_a_token_of_the_house(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        told = {"url": f"{on.issuer.url}/introspect", "client_id": "g", "client_secret": "env:SIGN_IN_SECRET"}
        on.file.write_text(json.dumps({"issuers": [on.issuer.settings(introspection=told)]}))
        assert on.reception.reload()
        live = await on.house.api_token(tenant="default")
        # damaged, cut off, over, or of a kind that is shown elsewhere: it may be live all the same
        family = f"{'a' * 20}.1.{'x' * 43}"
        for token in (live[:-1], f"{live}x", f"als_{live[4:]}", f"alr_{family}", f"alt_{family}", "ala_", "alr_"):
            assert await on.status(token) == 401
        assert "/introspect" not in on.issuer.asked
        assert await on.status("another's") == 401
        assert "/introspect" in on.issuer.asked


async def test_a_call_of_a_token_that_was_taken_back_is_cut(tmp_path: Path) -> None:
    asked = {"client_id": "gateway", "client_secret": "env:SIGN_IN_SECRET"}
    async with met(tmp_path) as on:
        told = on.issuer.settings(introspection={"url": f"{on.issuer.url}/introspect", **asked})
        on.file.write_text(json.dumps({"issuers": [told]}))
        on.reception.reload()
        on.issuer.active["opaque"] = {"active": True, **on.issuer.claims(on.house.clock(), aud="the gateway")}
        slow = asyncio.create_task(
            ask(on.client, f"{on.house.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, "opaque")
        )
        await arrival(on.desk)
        on.house.clock.now += 61
        await on.reception.ask_again()
        assert not slow.done()
        on.issuer.active.clear()
        on.house.clock.now += 61
        await on.reception.ask_again()
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()


async def test_a_changed_file_counts_at_once_and_a_wrong_one_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with met(tmp_path) as on:
        token = on.token()
        assert await on.status(token) == 200
        on.file.write_text('{"issuers": [{"issuer": "no address"}]}')
        assert not on.reception.reload()
        assert "the one before goes on" in caplog.text
        assert await on.status(token) == 200
        nobody = on.issuer.settings(principals=[{"when": {"sub": "bob"}, "tenant": "default"}])
        on.file.write_text(json.dumps({"issuers": [nobody]}))
        assert on.reception.reload()
        assert await on.status(token) == 401
        assert await on.status(on.token(sub="bob")) == 200


async def test_api_and_server_tokens_go_on_beside(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        token = await on.house.api_token(tenant="default")
        assert await on.status(token) == 200
        assert await on.status(token[:-1] + ("a" if token[-1] != "a" else "b")) == 401
        assert on.issuer.asked == []


async def test_audit_names_a_person_by_a_hash(tmp_path: Path) -> None:
    rules = [{"tenant": "default", "end_user": "{email}"}]
    async with met(tmp_path, principals=rules) as on:
        token = on.token(email="alice@example.com", email_verified=True)
        await call(on.client, f"{on.house.url}/mcp", "desk_list_notes", token=token)
        await on.house.node.flush()
        async with on.house.ground.store.reading() as work:
            lines = await work.house().audit.every()
        lines = [line for line in lines if line.principal.startswith("oidc:")]
        assert len(lines) == 1
        assert "alice" not in str(lines[0])


NOISE = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=200).map(lambda text: text.encode("latin-1")),
)


async def test_no_noise_is_ever_admitted_or_our_fault(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        good = on.token()
        assert await on.status(good) == 200
        front = on.house.node.front()
        known = len(on.reception.guests)
        for authorization in noise(good):
            status = await sent(front, authorization)
            assert status in {400, 401}, (status, authorization)
        assert len(on.reception.guests) == known


def noise(good: str) -> list[bytes]:
    """Headers that are nearly right, and ones that are nothing."""
    found: list[bytes] = []
    texts = st.one_of(
        NOISE,
        NOISE.map(lambda value: b"Bearer " + value),
        st.tuples(
            st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64"]), JSON),
            st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf"]), JSON),
        ).map(lambda pair: b"Bearer " + unsigned(*pair, b"x" * 64).encode()),
        st.tuples(st.integers(0, len(good) - 1), st.sampled_from("Aa0-_.~ \x00\xff")).map(
            lambda at: b"Bearer " + spoiled(good, *at).encode("latin-1")
        ),
    )

    @settings(max_examples=250, database=None, suppress_health_check=list(HealthCheck))
    @given(texts)
    def collect(value: bytes) -> None:
        found.append(value)

    collect()
    return [value for value in found if value.partition(b" ")[2].strip(b" ") != good.encode()]


def spoiled(good: str, at: int, sign: str) -> str:
    """A token with one sign changed, which is not the last of a part: some bits there mean nothing."""
    if good[at + 1 : at + 2] in {"", "."}:
        at -= 2
    sign = sign if good[at] != sign else "B"
    return good[:at] + sign + good[at + 1 :]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["RS256", "HS256", "none", "one", "at+jwt", "the gateway"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


async def sent(front: Any, authorization: bytes) -> int:
    """The status that a request with such a header gets, straight from the application."""
    message, head = words("tools/list")
    body = json.dumps(message).encode()
    headers = [(name.encode(), value.encode()) for name, value in head.items()]
    headers += [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"authorization", authorization)]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers, "query_string": b""}
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Any) -> None:
        told.append(event)

    await front(scope, receive, send)
    return int(told[0]["status"])
