"""The key-encryption key: where it comes from, who may read it, and that nobody ever sees it."""

import base64
import copy
import os
import pickle
import secrets
import stat
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import DesignError, HouseFault
from apiloom.vault.custody import (
    MOST_KEYS,
    PURPOSES,
    Custody,
    RootKey,
    check_apart,
    create_key,
    derived_custody,
    fresh_custody,
    other_key,
    parse_keys,
    put_key_first,
    read_keys,
)

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def refused(error: pytest.ExceptionInfo[DesignError]) -> str:
    """The code of a refusal, once it is sure that it shows nothing of the key."""
    shown = "".join(traceback.format_exception(error.value)) + repr(error.value.facts) + error.value.sentence()
    assert TEXT not in shown
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
    assert "\n" not in error.value.sentence()
    return error.value.code


def test_a_created_key_is_read_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    place = tmp_path / "keys" / "apiloom.key"
    made = create_key(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert len(base64.b64decode(place.read_text())) == 32
    assert [key.fingerprint for key in read_keys(place)] == [made.fingerprint]
    assert [entry.name for entry in place.parent.iterdir()] == ["apiloom.key"]


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    assert len({create_key(tmp_path / f"{n}").fingerprint for n in range(50)}) == 50


@pytest.mark.parametrize("there", ["a file", "an empty file", "a folder", "a link to nothing"])
def test_nothing_that_is_there_is_ever_overwritten(tmp_path: Path, there: str) -> None:
    place = tmp_path / "apiloom.key"
    if there == "a folder":
        place.mkdir()
    elif there == "a link to nothing":
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.write_text(TEXT if there == "a file" else "")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DesignError) as error:
        create_key(place)
    assert refused(error) == "custody.exists"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert there != "a file" or place.read_text() == TEXT


def test_a_key_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DesignError) as error:
        create_key(tmp_path / "apiloom.key")
    assert refused(error) == "custody.file"
    assert "No space left on device" in error.value.message
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_no_place_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "key", tmp_path / "file" / "deeper" / "key"):
        with pytest.raises(DesignError) as error:
            create_key(place)
        assert refused(error) == "custody.file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o601, 0o610])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "apiloom.key"
    place.write_text(TEXT)
    place.chmod(mode)
    with pytest.raises(DesignError) as error:
        read_keys(place)
    assert refused(error) == "custody.file"
    assert "chmod 600" in error.value.hint


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ones_own_is_read_through_a_link_too(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "apiloom.key"
    place.write_text(f"{TEXT}\n")
    place.chmod(mode)
    link = tmp_path / "link"
    link.symlink_to(place)
    assert read_keys(link)[0].fingerprint == read_keys(place)[0].fingerprint == RootKey(KEY).fingerprint


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "apiloom.key"
    create_key(place)
    owner = place.stat().st_uid
    real = os.fstat

    def someone_elses(number: int) -> os.stat_result:
        found = list(real(number))
        found[4] = owner + 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", someone_elses)
    with pytest.raises(DesignError) as error:
        read_keys(place)
    assert refused(error) == "custody.file"


def test_a_missing_key_says_that_a_new_one_does_not_help(tmp_path: Path) -> None:
    with pytest.raises(DesignError) as error:
        read_keys(tmp_path / "apiloom.key")
    assert refused(error) == "custody.missing"
    assert "a new key opens nothing" in error.value.hint
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DesignError) as error:
            read_keys(place)
        assert refused(error) == "custody.file"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        KEY.hex(),
        TEXT[:-2],
        TEXT + "A",
        TEXT[:20] + "\n" + TEXT[20:],
        TEXT.replace("=", "=="),
        "A" * 43 + "=",
        base64.b64encode(b"ab" * 16).decode(),
        base64.b64encode(KEY + b"x").decode(),
        "é" * 44,
        TEXT * 1000,
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    place = tmp_path / "apiloom.key"
    place.write_text(text)
    place.chmod(0o600)
    for read in (lambda: parse_keys(text), lambda: read_keys(place)):
        with pytest.raises(DesignError) as error:
            read()
        assert refused(error) == "custody.form"
        assert not text or text not in error.value.sentence()


@pytest.mark.parametrize("key", [b"", bytes(32), b"x" * 32, KEY[:31], KEY + b"x"])
def test_bytes_that_are_no_key_are_refused(key: bytes) -> None:
    with pytest.raises(DesignError) as error:
        RootKey(key)
    assert refused(error) == "custody.form"


@given(st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) >= 12))
def test_either_alphabet_of_base64_is_read(key: bytes) -> None:
    known = RootKey(key).fingerprint
    for encoded in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
        text = encoded.decode()
        assert [key.fingerprint for key in parse_keys(text)] == [known]
        assert parse_keys(f" {text.rstrip('=')}\r\n")[0].fingerprint == known


def test_the_first_keys_of_an_older_store_are_those_of_the_standard() -> None:
    def standard(info: bytes) -> bytes:
        return HKDF(SHA256(), 32, b"apiloom key-encryption key", info).derive(KEY)

    root = RootKey(KEY)
    assert root.derived("tokens") == standard(b"sub-key/tokens/1")
    assert root.wrapping() == standard(b"house-keys")
    assert root.fingerprint == standard(b"fingerprint")[:16].hex()


def test_what_was_made_with_a_key_is_found_by_every_later_release() -> None:
    """These stand in stores: a change here would make every token and seal unknown."""
    custody = derived_custody(RootKey(KEY))
    assert custody.fingerprint == "4343a24e34a8c2be89cca9bd3dbb43fe"
    assert custody.sub_key("tokens", 1).hex()[:16] == "9d55bbe05900fa13"
    assert custody.sub_key("seals", 1).hex()[:16] == "e4da4b753d8e242f"
    assert custody.sub_key("sessions", 1).hex()[:16] == "2efdbefcb9ca870d"
    assert custody.sub_key("data-keys", 1).hex()[:16] == "eeb02b0db5e40865"


def test_every_purpose_and_store_has_its_own_keys() -> None:
    made = [fresh_custody(RootKey(KEY)), fresh_custody(RootKey(KEY)), derived_custody(RootKey(KEY))]
    keys = [custody.sub_key(purpose, 1) for custody in made for purpose in PURPOSES]
    assert len({*keys, RootKey(KEY).wrapping()}) == 3 * len(PURPOSES) + 1
    assert all(len(key) == 32 for key in keys)


def test_several_versions_of_a_purpose_live_side_by_side_and_none_is_forgotten() -> None:
    custody = Custody({"tokens": {10: b"j" * 32, 9: b"i" * 32}}, "first")
    assert list(custody.sub_keys("tokens")) == [9, 10]
    assert custody.newest("tokens") == 10
    custody.take(Custody({"tokens": {11: b"k" * 32}, "seals": {1: b"s" * 32}}, "second"))
    assert list(custody.sub_keys("tokens")) == [9, 10, 11]
    assert (custody.newest("tokens"), custody.newest("seals"), custody.fingerprint) == (11, 1, "second")
    assert custody.knows("tokens", 9)
    assert not custody.knows("tokens", 12)
    for unknown in (("tokens", 12), ("secrets", 1)):
        with pytest.raises(HouseFault) as error:
            custody.sub_key(*unknown)
        assert error.value.code == "vault.sealed"


@pytest.mark.parametrize("held", [RootKey(KEY), derived_custody(RootKey(KEY))])
def test_keys_show_nothing_and_cannot_be_carried_off(held: object) -> None:
    shown = f"{type(held).__name__}(***)"
    assert repr(held) == str(held) == f"{held}" == shown
    assert not hasattr(held, "__dict__")
    for carry in (pickle.dumps, copy.copy, copy.deepcopy, lambda one: one.__getstate__()):
        with pytest.raises(TypeError) as error:
            carry(held)
        assert KEY.hex() not in str(error.value)


def test_several_keys_stand_on_lines_or_between_commas_and_each_counts_once() -> None:
    other = base64.b64encode(bytes(range(1, 33))).decode()
    for text in (f"{other}\n{TEXT}\n", f"{other},{TEXT}", f" {other} , {TEXT}\r\n", f"{other}\n{TEXT}\n{other}"):
        assert [key.fingerprint for key in parse_keys(text)] == [
            RootKey(bytes(range(1, 33))).fingerprint,
            RootKey(KEY).fingerprint,
        ]
    for text in (f"{other},,{TEXT}", f"{other} {TEXT}", f"{other},x", ",".join([TEXT] * (MOST_KEYS + 1))):
        with pytest.raises(DesignError) as error:
            parse_keys(text)
        assert refused(error) == "custody.form"


def test_a_new_key_is_put_in_front_of_the_old_ones_and_all_stay(tmp_path: Path) -> None:
    place, link = tmp_path / "real" / "key", tmp_path / "key"
    first = create_key(place)
    link.symlink_to(place)
    second = put_key_first(link)
    assert [key.fingerprint for key in read_keys(place)] == [second.fingerprint, first.fingerprint]
    assert link.is_symlink()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [entry.name for entry in place.parent.iterdir()] == ["key"]
    for _ in range(MOST_KEYS - 2):
        put_key_first(link)
    with pytest.raises(DesignError) as error:
        put_key_first(link)
    assert refused(error) == "custody.many"
    assert len(read_keys(place)) == MOST_KEYS


def test_a_key_file_that_cannot_be_rewritten_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key(tmp_path / "key")
    before = (tmp_path / "key").read_text()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DesignError) as error:
        put_key_first(tmp_path / "key")
    assert refused(error) == "custody.file"
    assert (tmp_path / "key").read_text() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_the_key_of_another_store_is_told_by_the_beginnings_of_fingerprints() -> None:
    error = other_key([RootKey(KEY)], "0123456789abcdef")
    assert error.code == "custody.other"
    assert "4343a24e" in error.message
    assert "01234567," not in error.message
    assert error.message.endswith("01234567")


def test_a_key_never_lies_in_the_folder_of_its_store(tmp_path: Path) -> None:
    store, keys = tmp_path / "data", tmp_path / "keys"
    store.mkdir()
    keys.mkdir()
    (tmp_path / "door").symlink_to(store)
    (store / "out").symlink_to(keys / "a.key")
    (keys / "in").symlink_to(store / "a.key")
    check_apart(keys / "a.key", store)
    check_apart(tmp_path / "data.key", store)
    inside = (store / "a.key", store / "deeper" / "a.key", tmp_path / "door" / "a.key", store / "out", keys / "in")
    for place in (*inside, keys / ".." / "data" / "a.key"):
        with pytest.raises(DesignError) as error:
            check_apart(place, store)
        assert refused(error) == "custody.inside"


def test_two_who_create_at_once_end_with_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, real, first = tmp_path / "apiloom.key", os.link, []

    def link(source: Path, target: Path) -> None:
        if not first:
            first.append(None)
            first[0] = create_key(place)
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(DesignError) as error:
        create_key(place)
    assert refused(error) == "custody.exists"
    assert read_keys(place)[0].fingerprint == first[0].fingerprint
    assert [entry.name for entry in tmp_path.iterdir()] == ["apiloom.key"]


def test_random_keys_are_keys() -> None:
    for _ in range(1000):
        RootKey(secrets.token_bytes(32))
