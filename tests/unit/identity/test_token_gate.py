"""The gate of a gateway: live tokens come in, and nobody learns why another does not."""

import pytest

from apiloom.identity.gate import Refusal, TokenGate
from apiloom.identity.index import Holder, TokenIndex, server_holder
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import TokenHasher, mint

HASHER = TokenHasher({1: b"k" * 32}, 1)
ANN = Principal(id="key_1", token="key_1", tenant="acme", role="agent", expires_at=10.0)
SERVER = server_holder(token="tok_1", tenant="acme", server="srv_1", expires_at=None)


class Door:
    """An index with one API token and one of a server, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.index = TokenIndex(HASHER)
        self.api, self.server = mint("ala"), mint("als")
        self.index.put(HASHER.digest(self.api)[0], Holder(ANN))
        self.index.put(HASHER.digest(self.server)[0], SERVER)
        self.gate = TokenGate(self.index, lambda: self.now)


@pytest.mark.parametrize("shown", ["Bearer ", "bearer ", "BEARER  "])
def test_a_live_token_comes_in_as_its_principal(shown: str) -> None:
    door = Door()
    assert door.gate.admit(f"{shown}{door.api}".encode()) is ANN
    assert door.gate.admit(f"{shown}{door.server} ".encode()) is SERVER.principal


def test_wrong_expired_revoked_and_malformed_tokens_get_one_refusal() -> None:
    door = Door()
    door.index.remove("tok_1")
    door.now = 10.0
    shown = [door.api, door.server, mint("als"), mint("ala"), door.api[:-1], "", "\xff", f"{door.api} {door.api}"]
    refused = [door.gate.admit(b"Bearer " + text.encode("latin-1")) for text in shown]
    refused += [door.gate.admit(text) for text in (b"", b"Bearer", b"\xff\xfe", b"Basic " + door.api.encode())]
    assert all(answer is refused[0] for answer in refused)
    assert refused[0] == Refusal(challenge="Bearer")


def test_a_live_token_of_another_scheme_or_kind_stays_out() -> None:
    door = Door()
    only_api = TokenGate(door.index, lambda: 0.0, ("ala",))
    assert only_api.admit(b"Bearer " + door.api.encode()) is ANN
    assert isinstance(only_api.admit(b"Bearer " + door.server.encode()), Refusal)
    assert isinstance(door.gate.admit(b"Basic " + door.api.encode()), Refusal)
    assert isinstance(door.gate.admit(door.api.encode()), Refusal)
    assert isinstance(door.gate.admit(b"Bearer\t" + door.api.encode()), Refusal)
