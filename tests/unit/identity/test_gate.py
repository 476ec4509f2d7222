"""Who is let in, and that nobody learns why not."""

import pickle

import pytest

from apiloom.identity.gate import BearerGate, OpenGate, Refusal
from apiloom.identity.principal import ANYONE, Principal

TOKEN = "als_" + "x" * 43


def test_an_open_gate_lets_everyone_in_as_nobody() -> None:
    assert OpenGate().admit(b"") is ANYONE
    assert OpenGate().admit(b"Bearer anything") is ANYONE


@pytest.mark.parametrize("shown", ["Bearer ", "bearer ", "BEARER  "])
def test_the_token_is_recognised_whatever_the_case_of_its_scheme(shown: str) -> None:
    assert BearerGate(TOKEN).admit(f"{shown}{TOKEN}".encode()) == Principal(id="bearer")


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer " + TOKEN[:-1].encode(),
        b"Bearer\t" + TOKEN.encode(),
        b"\xff\xfe",
    ],
)
def test_everything_else_gets_one_and_the_same_refusal(shown: bytes) -> None:
    assert BearerGate(TOKEN).admit(shown) == Refusal(challenge="Bearer")


def test_the_holder_can_be_named() -> None:
    gate = BearerGate(TOKEN, Principal(id="ann"))
    admitted = gate.admit(f"Bearer {TOKEN}".encode())
    assert isinstance(admitted, Principal)
    assert admitted.id == "ann"


def test_a_gate_keeps_no_token() -> None:
    gate = BearerGate(TOKEN)
    kept = [getattr(gate, name) for name in BearerGate.__slots__]
    assert TOKEN.encode() not in pickle.dumps(kept)
    assert TOKEN not in repr(gate)


def test_two_gates_of_one_token_hold_different_hashes() -> None:
    assert BearerGate(TOKEN)._digest != BearerGate(TOKEN)._digest
