"""The way out as the environment sets it."""

from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from apiloom.app.outbound import open_sender, read_guard
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.net.guard import Guard
from apiloom.net.request import Request
from support.forms import resolve
from support.sockets import peer, says
from support.tls import identity, server_context

USUAL = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}"


def answer(body: str) -> bytes:
    return ANSWER.format(len(body), body).encode()


async def body_of(
    origin: str, environment: Mapping[str, str], homes: Container[str] = frozenset(), guard: Guard | None = None
) -> bytes:
    sender = open_sender(environment, homes, guard)
    try:
        return (await sender.send(Request(method="GET", origin=origin, target="/a", timeout=10))).body
    finally:
        await sender.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The client looks at the process's own variables, whatever this machine has."""
    for name in (*USUAL, *(name.upper() for name in USUAL)):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_the_usual_proxy_is_used_but_not_for_what_is_on_this_machine(no_proxies: pytest.MonkeyPatch) -> None:
    async with peer(says(answer("proxied"))) as proxy, peer(says(answer("direct"))) as it:
        no_proxies.setenv("http_proxy", proxy.origin)
        environment = {"http_proxy": proxy.origin}
        assert await body_of("http://api.invalid", environment) == b"proxied"
        assert proxy.targets() == [b"http://api.invalid/a"]
        assert await body_of(it.origin, environment) == b"direct"
        assert len(proxy.seen) == 1


async def test_a_proxy_of_our_own_name_takes_everything() -> None:
    async with peer(says(answer("proxied"))) as proxy, peer(says(answer("direct"))) as it:
        assert await body_of(it.origin, {"APILOOM_PROXY": proxy.origin}) == b"proxied"
        assert it.seen == []


async def test_authorities_and_a_client_certificate_come_from_files(tmp_path: Path) -> None:
    authority = identity("authority")
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "me.pem").write_bytes(identity("client", "client.example", by=authority).pem)
    context = server_context(identity("server", "127.0.0.1", by=authority), tmp_path, clients_of=authority)
    environment = {
        "APILOOM_CA_FILE": str(tmp_path / "ca.pem"),
        "APILOOM_CLIENT_CERTIFICATE": str(tmp_path / "me.pem"),
    }
    async with peer(says(answer("trusted")), tls=context) as it:
        assert await body_of(it.origin, environment, {it.origin}) == b"trusted"


async def test_a_client_certificate_is_shown_at_home_only(tmp_path: Path) -> None:
    authority = identity("authority")
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "me.pem").write_bytes(identity("client", "client.example", by=authority).pem)
    context = server_context(identity("server", "127.0.0.1", by=authority), tmp_path, clients_of=authority)
    environment = {
        "APILOOM_CA_FILE": str(tmp_path / "ca.pem"),
        "APILOOM_CLIENT_CERTIFICATE": str(tmp_path / "me.pem"),
    }
    async with peer(says(answer("trusted")), tls=context) as it:
        with pytest.raises(UpstreamError):
            await body_of(it.origin, environment, {"https://home.example"})
        assert it.seen == []


@pytest.mark.parametrize("name", ["APILOOM_CA_FILE", "APILOOM_CLIENT_CERTIFICATE"])
def test_a_file_that_is_not_there_is_told_with_the_variable_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(DesignError, match=f"^{name} names .*gone.pem, which cannot be read") as caught:
        open_sender({name: str(tmp_path / "gone.pem")}, ())
    assert caught.value.code == "net.settings"


@pytest.mark.parametrize("name", ["APILOOM_PROXY", "APILOOM_CA_FILE", "APILOOM_CLIENT_CERTIFICATE"])
def test_a_setting_that_cannot_be_used_is_told_at_the_start_without_its_value(tmp_path: Path, name: str) -> None:
    (tmp_path / "wrong").write_text("secret")
    value = "secret::" if name == "APILOOM_PROXY" else str(tmp_path / "wrong")
    with pytest.raises(DesignError) as caught:
        open_sender({name: value}, ())
    assert caught.value.code == "net.settings"
    assert "secret" not in caught.value.sentence()


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "socks9://me:s3cret@127.0.0.1:1"])
def test_a_proxy_of_no_known_kind_is_refused_instead_of_passed_by(proxy: str) -> None:
    with pytest.raises(DesignError, match="which is none") as told:
        open_sender({"APILOOM_PROXY": proxy}, frozenset())
    assert told.value.code == "net.settings"
    assert "s3cret" not in told.value.sentence()


# under a guard


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_under_a_guard_the_usual_proxy_is_asked_only_for_what_may_be_public(variable: str) -> None:
    guard = replace(read_guard({}), resolve=resolve)
    async with peer(says(answer("proxied"))) as proxy:
        environment = {variable: proxy.origin.removeprefix("http://"), "NO_PROXY": "excepted.example,*.inner.example"}
        assert await body_of("http://unknown.example", environment, guard=guard) == b"proxied"
        for origin in ("http://to-private.example", "http://10.0.0.1", "http://0x7f.1", "http://127.0.0.1:9"):
            with pytest.raises(DesignError) as caught:
                await body_of(origin, environment, guard=guard)
            assert caught.value.code == "net.address"
        assert len(proxy.seen) == 1


async def test_what_the_environment_excepts_from_its_proxy_is_looked_at_and_connected_to_here() -> None:
    async with peer(says(answer("proxied"))) as proxy, peer(says(answer("direct"))) as it:
        allowed = {"APILOOM_ALLOW_ADDRESSES": f"127.0.0.1:{it.port}, here.inner.example"}

        async def here(_host: str, _port: int) -> tuple[str, ...]:
            return ("127.0.0.1",)

        guard = replace(read_guard(allowed), resolve=here)
        port = it.port
        for excepted, host in (
            ("inner.example", "here.inner.example"),
            (".inner.example", "here.inner.example"),
            ("*.inner.example", "here.inner.example"),
            ("*", "here.inner.example"),
            ("127.0.0.0/8", "127.0.0.1"),
        ):
            environment = {"http_proxy": proxy.origin, "no_proxy": f"a.example, {excepted}"}
            assert await body_of(f"http://{host}:{port}", environment, guard=guard) == b"direct"
        assert proxy.seen == []
        environment = {"http_proxy": proxy.origin, "no_proxy": "ner.example"}
        assert await body_of(f"http://here.inner.example:{port}", environment, guard=guard) == b"proxied"


def test_a_list_that_cannot_be_read_is_told_at_the_start() -> None:
    with pytest.raises(DesignError, match=r"the list of allowed addresses has '10\.0\.0\.1/8'") as caught:
        read_guard({"APILOOM_ALLOW_ADDRESSES": "10.0.0.0/8, 10.0.0.1/8"})
    assert caught.value.code == "net.settings"
