"""Addresses to listen on, and who may reach a server there."""

import socket

import pytest

from apiloom.app.listen import bind
from apiloom.app.serve import allowed_hosts, url_of
from apiloom.base.errors import DesignError
from apiloom.console.house import Listen
from apiloom.wire.settings import LOOPBACK_HOSTS


def test_port_zero_takes_any_free_port() -> None:
    with bind("127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] > 0


def test_a_taken_port_is_told_in_one_sentence_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(DesignError) as caught:
            bind("127.0.0.1", port)
    assert caught.value.code == "listen.taken"
    assert caught.value.sentence() == (
        f"port {port} on 127.0.0.1 is taken: choose another with --http HOST:PORT, or port 0 for any free one"
    )


def test_an_address_of_another_machine_is_told_in_one_sentence() -> None:
    with pytest.raises(DesignError) as caught:
        bind("192.0.2.1", 0)
    assert caught.value.code == "listen.address"


def test_a_loopback_server_answers_loopback_names_only() -> None:
    assert allowed_hosts(Listen(), "127.0.0.1", guarded=False) == LOOPBACK_HOSTS


def test_a_server_with_a_token_answers_any_name() -> None:
    assert allowed_hosts(Listen(), "0.0.0.0", guarded=True) == ("*",)


def test_an_open_server_answers_its_own_names_but_not_any() -> None:
    hosts = allowed_hosts(Listen(open=True), "0.0.0.0", guarded=False)
    assert "*" not in hosts
    assert f"{socket.gethostname()}:*" in hosts


def test_an_address_bound_by_number_is_answered_to() -> None:
    assert "10.0.0.7:*" in allowed_hosts(Listen(open=True), "10.0.0.7", guarded=False)
    assert "[fd00::7]:*" in allowed_hosts(Listen(open=True), "fd00::7", guarded=False)


def test_the_public_url_decides_the_host() -> None:
    hosts = allowed_hosts(Listen(public_url="https://mcp.example.com"), "0.0.0.0", guarded=True)
    assert hosts == ("mcp.example.com", *LOOPBACK_HOSTS)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8787"),
        ("0.0.0.0", "http://127.0.0.1:8787"),
        ("::", "http://[::1]:8787"),
        ("192.0.2.7", "http://192.0.2.7:8787"),
    ],
)
def test_the_address_that_is_told_can_be_called(host: str, url: str) -> None:
    assert url_of(host, 8787) == url
