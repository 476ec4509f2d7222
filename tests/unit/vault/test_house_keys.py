"""Keys of the house, wrapped: they open in their own row of their own store, and nowhere else."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiloom.base.errors import HouseFault
from apiloom.vault.custody import RootKey
from apiloom.vault.house import unwrap_house_key, wrap_house_key, wrapped_under

ROOT = RootKey(bytes(range(32)))
OTHER = RootKey(bytes(range(1, 33)))
KEY = bytes(range(100, 132))
HERE = {"purpose": "tokens", "version": 1, "installation": "ins_1"}


def fails(wrapped: bytes, roots: tuple[RootKey, ...] = (ROOT, OTHER), **place: object) -> None:
    with pytest.raises(HouseFault) as error:
        unwrap_house_key(wrapped, roots, **(HERE | place))
    assert error.value.code == "vault.sealed"
    assert KEY.hex() not in repr(error.value.facts) + error.value.sentence()


def test_a_wrapped_key_opens_where_it_lies_under_any_of_the_keys_at_hand() -> None:
    wrapped = wrap_house_key(KEY, ROOT, **HERE)
    assert unwrap_house_key(wrapped, (OTHER, ROOT), **HERE) == KEY
    assert wrapped_under(wrapped) == ROOT.fingerprint
    assert KEY not in wrapped
    assert wrap_house_key(KEY, ROOT, **HERE) != wrapped


@pytest.mark.parametrize("place", [{"purpose": "seals"}, {"version": 2}, {"installation": "ins_2"}])
def test_swapped_or_relabelled_it_does_not_open(place: dict[str, object]) -> None:
    fails(wrap_house_key(KEY, ROOT, **HERE), **place)


def test_under_a_key_that_is_not_at_hand_it_does_not_open() -> None:
    wrapped = wrap_house_key(KEY, ROOT, **HERE)
    fails(wrapped, (OTHER,))
    fails(wrapped, ())
    # to say that it is under another key does not make it so
    fails(wrapped[:1] + bytes.fromhex(OTHER.fingerprint) + wrapped[17:])


def test_cut_changed_or_lengthened_it_does_not_open() -> None:
    wrapped = wrap_house_key(KEY, ROOT, **HERE)
    for bit in range(len(wrapped) * 8):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        fails(bytes(changed))
    for length in range(len(wrapped)):
        fails(wrapped[:length])
    fails(wrapped + b"\0")


def test_it_is_aes_256_gcm_with_everything_bound() -> None:
    """What stands in stores is read by every later release: this is the form, spelled out."""
    wrapped = wrap_house_key(KEY, ROOT, **HERE)
    words = ("apiloom", "house key", "tokens", "1", "ins_1")
    bound = wrapped[:17] + b"".join(len(word).to_bytes(4, "big") + word.encode() for word in words)
    assert AESGCM(ROOT.wrapping()).decrypt(wrapped[17:29], wrapped[29:], bound) == KEY
