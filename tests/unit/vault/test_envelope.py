"""Sealing: what is sealed opens where it was put, and nowhere else."""

import copy
import pickle
import subprocess
import sys
import traceback

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import CallerError, HouseFault
from apiloom.vault import envelope
from apiloom.vault.custody import Custody, RootKey, derived_custody, unopenable
from apiloom.vault.envelope import (
    SealingKey,
    key_version,
    new_key,
    open_sealed,
    seal,
    unwrap_key,
    wrap_key,
)

CUSTODY = derived_custody(RootKey(bytes(range(32))))
KEY = SealingKey(bytes(range(32, 64)))
PLAIN = b'{"DEFAULT":{"token":"s3cret-value"}}'
HERE = {"tenant": "acme", "record": "acc_1", "version": 1}

ids = st.text(st.characters(codec="utf-8"), max_size=12)
places = st.fixed_dictionaries({"tenant": ids, "record": ids, "version": st.integers(1, 2**32 - 1)})


def fails(sealed: bytes, key: SealingKey = KEY, **place: object) -> None:
    """It does not open, and what is said about it says nothing."""
    with pytest.raises(HouseFault) as error:
        open_sealed(sealed, key, **(HERE | place))
    assert error.value.code == "vault.sealed"
    shown = "".join(traceback.format_exception(error.value)) + repr(error.value.facts)
    assert "s3cret" not in shown
    assert len(sealed) < 16 or sealed.hex() not in shown
    assert error.value.sentence() == unopenable().sentence()


@given(plain=st.binary(max_size=300), place=places)
def test_what_is_sealed_opens_where_it_was_put(plain: bytes, place: dict[str, object]) -> None:
    sealed = seal(plain, KEY, **place)
    assert open_sealed(sealed, KEY, **place) == plain
    assert key_version(sealed) == place["version"]
    assert len(sealed) == 1 + 4 + 12 + len(plain) + 16


@given(one=places, other=places)
def test_what_lies_elsewhere_does_not_open(one: dict[str, object], other: dict[str, object]) -> None:
    sealed = seal(PLAIN, KEY, **one)
    if one != other:
        fails(sealed, **other)


@pytest.mark.parametrize(
    "place", [{"tenant": "beta"}, {"record": "acc_2"}, {"version": 2}, {"tenant": "acmeacc", "record": "_1"}]
)
def test_a_record_that_was_swapped_or_relabelled_does_not_open(place: dict[str, object]) -> None:
    fails(seal(PLAIN, KEY, **HERE), **place)


def test_a_version_that_was_rewritten_in_place_does_not_open() -> None:
    sealed = seal(PLAIN, KEY, **HERE)
    relabelled = sealed[:4] + b"\x02" + sealed[5:]
    assert key_version(relabelled) == 2
    fails(relabelled, version=2)


def test_not_one_bit_can_be_changed() -> None:
    sealed = seal(PLAIN, KEY, **HERE)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        fails(bytes(changed))


def test_nothing_can_be_cut_off_or_added() -> None:
    sealed = seal(PLAIN, KEY, **HERE)
    for length in range(len(sealed)):
        fails(sealed[:length])
        fails(sealed[len(sealed) - length :])
    fails(sealed + b"\0")
    fails(sealed + bytes(envelope.LARGEST + 100))


@given(st.binary(max_size=200))
def test_what_was_never_sealed_does_not_open(content: bytes) -> None:
    fails(content)


def test_another_key_does_not_open_it() -> None:
    fails(seal(PLAIN, KEY, **HERE), new_key())


def test_the_same_secret_never_looks_the_same() -> None:
    sealed = [seal(PLAIN, KEY, **HERE) for _ in range(500)]
    assert len({text[5:17] for text in sealed}) == 500
    assert not any(PLAIN[:8] in text for text in sealed)


def test_it_is_aes_256_gcm_with_everything_bound() -> None:
    """What stands in stores is read by every later release: this is the form, spelled out."""
    sealed = seal(PLAIN, KEY, **HERE)
    words = ("apiloom", "record", "acme", "acc_1", "1")
    bound = b"\x01\x00\x00\x00\x01" + b"".join(len(word).to_bytes(4, "big") + word.encode() for word in words)
    assert sealed[:5] == bound[:5]
    assert AESGCM(bytes(range(32, 64))).decrypt(sealed[5:17], sealed[17:], bound) == PLAIN


def test_a_secret_has_a_largest_size() -> None:
    largest = bytes(envelope.LARGEST)
    assert open_sealed(seal(largest, KEY, **HERE), KEY, **HERE) == largest
    with pytest.raises(CallerError) as error:
        seal(largest + b"x", KEY, **HERE)
    assert error.value.code == "vault.too_large"


@pytest.mark.parametrize("version", [0, -1, 2**32])
def test_versions_count_from_one(version: int) -> None:
    with pytest.raises(ValueError):
        seal(PLAIN, KEY, tenant="acme", record="acc_1", version=version)


def test_a_data_key_is_kept_wrapped_and_opens_what_it_sealed() -> None:
    key = new_key()
    wrapped = wrap_key(key, CUSTODY, tenant="acme", version=3)
    again = unwrap_key(wrapped, CUSTODY, tenant="acme", version=3)
    assert open_sealed(seal(PLAIN, key, **HERE), again, **HERE) == PLAIN
    assert key._key not in wrapped


@pytest.mark.parametrize("changed", ["tenant", "version", "custody", "bit", "cut", "sealed"])
def test_a_wrapped_key_opens_only_for_its_tenant_and_version_under_its_key(changed: str) -> None:
    wrapped = wrap_key(KEY, CUSTODY, tenant="acme", version=1)
    place = {"tenant": "acme", "version": 1}
    custody = CUSTODY
    match changed:
        case "tenant":
            place["tenant"] = "beta"
        case "version":
            place["version"] = 2
        case "custody":
            custody = derived_custody(RootKey(bytes(range(1, 33))))
        case "bit":
            wrapped = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
        case "cut":
            wrapped = wrapped[:-1]
        case "sealed":  # a sealed secret of 32 bytes is no data key
            own = SealingKey(CUSTODY.sub_key("data-keys", 1))
            wrapped = seal(bytes(32), own, tenant="acme", record="data key", version=1)
    with pytest.raises(HouseFault) as error:
        unwrap_key(wrapped, custody, **place)
    assert error.value.code == "vault.sealed"


def test_keys_wrapped_before_a_rotation_still_open_after_it() -> None:
    before = wrap_key(KEY, CUSTODY, tenant="acme", version=1)
    rotated = Custody({"data-keys": {1: CUSTODY.sub_key("data-keys", 1), 2: b"2" * 32}}, "")
    after = wrap_key(KEY, rotated, tenant="acme", version=1)
    assert (key_version(before), key_version(after)) == (1, 2)
    for wrapped in (before, after):
        assert unwrap_key(wrapped, rotated, tenant="acme", version=1)._key == KEY._key


def test_a_data_key_shows_nothing_and_cannot_be_carried_off() -> None:
    assert repr(KEY) == str(KEY) == "SealingKey(***)"
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            carry(KEY)


def test_the_library_is_loaded_when_first_needed_and_not_before() -> None:
    program = (
        "import sys, apiloom.vault.custody, apiloom.vault.envelope as e\n"
        "assert 'cryptography' not in sys.modules\n"
        "e.new_key()\n"
        "assert 'cryptography' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
