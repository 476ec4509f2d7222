"""The gate of a node: live tokens come in, and nobody learns why another does not."""

from __future__ import annotations

import pytest

from apiloom.app.gateway.admission import GONE, UNAUTHORIZED, Admission, Admitted
from apiloom.app.gateway.memory import Memory, Touched
from apiloom.identity.index import TokenIndex
from apiloom.identity.tokens import TokenHasher, mint
from apiloom.store.records import ApiToken, Server, ServerToken

HASHER = TokenHasher({1: b"k" * 32}, 1)
HERE = "127.0.0.1"


class Door:
    """A node that knows one server with a token and one API token, both until second 10; and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.api, self.server = mint("ala"), mint("als")
        self.memory = memory = Memory(TokenIndex(HASHER))
        touched = Touched()
        memory._take_server("srv_1", Server(id="srv_1", tenant="acme", name="desk"), touched)
        digest = HASHER.digest(self.server)[0]
        token = ServerToken(id="tok_1", tenant="acme", server="srv_1", digest=digest, expires_at=10.0)
        memory._take_server_token("tok_1", token, touched)
        digest = HASHER.digest(self.api)[0]
        key = ApiToken(id="key_1", tenant="acme", name="", role="agent", digest=digest, expires_at=10.0)
        memory._take_api_token("key_1", key, touched)
        self.gate = Admission(memory, lambda: self.now, lambda: False)


@pytest.mark.parametrize("shown", ["Bearer ", "bearer ", "BEARER  "])
def test_a_live_token_comes_in_as_its_principal(shown: str) -> None:
    door = Door()
    for token, who in ((door.api, "token:key_1"), (door.server, "server:srv_1")):
        for admitted in (
            door.gate.by_bearer(f"{shown}{token} ".encode(), HERE),
            door.gate.by_name("srv_1", f"{shown}{token}".encode(), HERE),
        ):
            assert isinstance(admitted, Admitted)
            assert admitted.principal.id == who


def test_wrong_expired_revoked_and_malformed_tokens_get_one_refusal() -> None:
    door = Door()
    door.memory._take_server_token("tok_1", None, Touched())
    door.now = 10.0
    shown = [door.api, door.server, mint("als"), mint("ala"), door.api[:-1], "", "\xff", f"{door.api} {door.api}"]
    heads = [b"Bearer " + text.encode("latin-1") for text in shown]
    heads += [b"", b"Bearer", b"\xff\xfe", b"Basic " + door.api.encode()]
    for head in heads:
        assert door.gate.by_bearer(head, HERE) is UNAUTHORIZED
        assert door.gate.by_name("srv_1", head, HERE) is UNAUTHORIZED
    for token in (door.server, mint("als"), "", "\xff"):
        assert door.gate.by_path(token, b"", HERE) is GONE


def test_a_live_token_of_another_scheme_or_kind_stays_out() -> None:
    door = Door()
    token = door.api.encode()
    for head in (b"Basic " + token, token, b"Bearer\t" + token, b"Bearer" + token):
        assert door.gate.by_bearer(head, HERE) is UNAUTHORIZED
    # an API token is no secret URL, and that of a server opens no admin API
    assert door.gate.by_path(door.api, b"", HERE) is GONE
    assert door.gate.own(door.server) is None
    principal = door.gate.own(door.api)
    assert principal is not None
    assert principal.id == "token:key_1"
