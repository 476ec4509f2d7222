"""Sealed text comes back as it went, or not at all."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.seal import LONGEST, Sealer

OURS = Sealer(b"k" * 32)
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(payload=st.binary(max_size=200), purpose=st.text(max_size=10), bound=st.binary(max_size=40))
def test_what_was_sealed_comes_back(payload: bytes, purpose: str, bound: bytes) -> None:
    text = OURS.seal(purpose, payload, bound)
    assert OURS.unseal(purpose, text, bound) == payload
    assert set(text) <= set(ALPHABET)


@given(payload=st.binary(max_size=60), at=st.integers(min_value=0), sign=st.sampled_from(ALPHABET))
def test_any_altered_character_is_refused(payload: bytes, at: int, sign: str) -> None:
    text = OURS.seal("p", payload)
    at %= len(text)
    altered = text[:at] + sign + text[at + 1 :]
    assert (OURS.unseal("p", altered) is None) == (altered != text)


def test_every_other_spelling_of_the_last_character_is_refused() -> None:
    """Its unused bits would say the same bytes to a lenient reader."""
    for size in range(1, 4):
        text = OURS.seal("p", b"x" * size)
        same = [text[:-1] + sign for sign in ALPHABET if OURS.unseal("p", text[:-1] + sign) is not None]
        assert same == [text]


@given(payload=st.binary(max_size=60), cut=st.integers(min_value=1, max_value=30), more=st.text(ALPHABET, min_size=1))
def test_shortened_and_lengthened_text_is_refused(payload: bytes, cut: int, more: str) -> None:
    text = OURS.seal("p", payload)
    assert OURS.unseal("p", text[:-cut]) is None
    assert OURS.unseal("p", text + more) is None
    assert OURS.unseal("p", more + text) is None


@pytest.mark.parametrize(
    ("key", "purpose", "bound"),
    [(b"other" * 7, "p", b"b"), (b"k" * 32, "q", b"b"), (b"k" * 32, "p", b"c"), (b"k" * 32, "pb", b"")],
)
def test_another_key_purpose_or_bond_opens_nothing(key: bytes, purpose: str, bound: bytes) -> None:
    text = OURS.seal("p", b"payload", b"b")
    assert Sealer(key).unseal(purpose, text, bound) is None


@pytest.mark.parametrize("text", ["", "=", "é", "a b", "A" * 21, "A" * (LONGEST + 1), "\ud800", "AAAA=", "////", "A\n"])
def test_text_of_no_seal_is_refused_whatever_it_is(text: str) -> None:
    assert OURS.unseal("p", text) is None


def test_a_text_longer_than_any_is_not_looked_at() -> None:
    payload = b"x" * LONGEST
    assert OURS.unseal("p", OURS.seal("p", payload)) is None


def test_the_payload_can_be_read_by_anyone_and_holds_no_key() -> None:
    content = base64.urlsafe_b64decode(OURS.seal("p", b"seen by all") + "=")
    assert content[16:] == b"seen by all"
    assert b"k" * 32 not in content
