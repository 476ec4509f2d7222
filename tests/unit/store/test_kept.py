"""What is kept: found by its owner alone, for a while, within bounds, and gone without a trace."""

from __future__ import annotations

import gc
import os
import re
import stat

import pytest

from apiloom.calls.ports import Kept
from apiloom.identity.principal import Principal
from apiloom.store import kept as module
from apiloom.store.kept import Bounds, KeptFiles
from apiloom.store.spool import Spool

ANN, BOB = Principal(id="ann"), Principal(id="bob")
LARGE = 300_000
"""Bytes of a content that goes to disk."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def kept_by(keeper: KeptFiles, who: Principal, content: bytes, name: str = "") -> str:
    link = keeper.keep(who, content, mime_type="text/plain", name=name)
    assert link is not None
    return link.uri


def found(keeper: KeptFiles, who: Principal, uri: str) -> Kept:
    kept = keeper.open(who, uri)
    assert kept is not None
    return kept


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 2000], ids=["empty", "memory", "disk"])
def test_what_is_kept_comes_back_byte_for_byte_and_in_stretches(content: bytes) -> None:
    keeper = KeptFiles(clock=Clock())
    link = keeper.keep(ANN, content, mime_type="a/b", name="n")
    assert link is not None
    kept = found(keeper, ANN, link.uri)
    assert (kept.name, kept.mime_type, kept.size, kept.expires_at) == ("n", "a/b", len(content), 4600.0)
    assert kept.read(0, len(content) + 9) == content
    assert kept.read(3, 4) == content[3:7]
    assert kept.read(len(content), 9) == b""
    assert bool(kept.seal) == (len(content) > module.LARGEST_IN_MEMORY)


def test_uris_say_what_it_is_and_cannot_be_guessed() -> None:
    keeper = KeptFiles()
    uris = {kept_by(keeper, ANN, b"same") for _ in range(50)}
    assert len(uris) == 50
    assert all(re.fullmatch(r"apiloom://results/[A-Za-z0-9_-]{32}", uri) for uri in uris)
    draft = keeper.begin(ANN, "uploads")
    assert draft is not None
    assert draft.keep(mime_type="a/b").uri.startswith("apiloom://uploads/")


def test_another_ones_an_expired_and_an_unknown_uri_are_the_same_nothing() -> None:
    clock = Clock()
    keeper = KeptFiles(Bounds(seconds=10), clock)
    uri = kept_by(keeper, ANN, b"mine")
    assert keeper.open(BOB, uri) is None
    assert keeper.open(BOB, "apiloom://results/x") is None
    assert keeper.listing(BOB) == []
    clock.now += 9
    found(keeper, ANN, uri)
    clock.now += 1
    assert keeper.open(ANN, uri) is None
    assert keeper.listing(ANN) == []


def test_a_listing_is_in_the_order_of_keeping() -> None:
    keeper = KeptFiles()
    uris = [kept_by(keeper, ANN, b"x" * size) for size in (5, LARGE, 7)]
    assert [kept.uri for kept in keeper.listing(ANN)] == uris


def test_whoever_needs_room_makes_it_from_the_oldest_of_its_own() -> None:
    keeper = KeptFiles(Bounds(disk=4 * LARGE, share=0.5))
    others = kept_by(keeper, BOB, b"b" * LARGE)
    mine = [kept_by(keeper, ANN, bytes([number]) * LARGE) for number in range(3)]
    assert keeper.open(ANN, mine[0]) is None
    assert [found(keeper, ANN, uri).read(0, 1) for uri in mine[1:]] == [b"\1", b"\2"]
    found(keeper, BOB, others)


def test_what_has_no_room_is_refused_and_costs_nobody_anything() -> None:
    keeper = KeptFiles(Bounds(disk=3 * LARGE, share=0.5))
    mine, others = kept_by(keeper, ANN, b"a" * LARGE), kept_by(keeper, BOB, b"b" * LARGE)
    assert keeper.keep(ANN, b"x" * (2 * LARGE), mime_type="a/b") is None
    found(keeper, ANN, mine)
    found(keeper, BOB, others)


def test_others_together_cannot_push_anything_out() -> None:
    keeper = KeptFiles(Bounds(memory=10_000, share=1))
    mine = kept_by(keeper, ANN, b"a" * 4000)
    for number in range(20):
        keeper.keep(Principal(id=str(number)), b"x" * 3000, mime_type="a/b")
    found(keeper, ANN, mine)
    assert keeper.keep(Principal(id="new"), b"x" * 3000, mime_type="a/b") is None


def test_what_has_expired_makes_room_for_anyone() -> None:
    clock = Clock()
    keeper = KeptFiles(Bounds(disk=2 * LARGE, share=0.6, seconds=10), clock)
    kept_by(keeper, ANN, b"a" * LARGE)
    assert keeper.keep(BOB, b"b" * (LARGE + LARGE // 8), mime_type="a/b") is None
    clock.now += 10
    kept_by(keeper, BOB, b"b" * (LARGE + LARGE // 8))


def test_small_things_are_bounded_in_number_too() -> None:
    keeper = KeptFiles(Bounds(memory=64 * 1024, share=1))
    for _ in range(200):
        kept_by(keeper, ANN, b"")
    assert len(keeper.listing(ANN)) == 64


def test_files_are_bounded_in_number() -> None:
    keeper = KeptFiles(Bounds(files=4, share=0.5))
    drafts = [keeper.begin(BOB) for _ in range(3)]
    written = [draft is not None and draft.write(b"x" * LARGE) for draft in drafts]
    assert written == [True, True, False]
    kept_by(keeper, ANN, b"a" * LARGE)


def test_a_draft_that_is_dropped_or_forgotten_leaves_nothing() -> None:
    keeper = KeptFiles(Bounds(disk=2 * LARGE, files=2, share=1))
    for _ in range(8):
        draft = keeper.begin(ANN)
        assert draft is not None
        assert draft.write(b"x" * LARGE)
        draft.drop()
        forgotten = keeper.begin(ANN)
        assert forgotten is not None
        assert forgotten.write(b"x" * LARGE)
        del forgotten
    assert keeper.listing(ANN) == []
    kept_by(keeper, ANN, b"x" * (2 * LARGE))


def test_what_is_being_read_stays_although_it_is_forgotten() -> None:
    clock = Clock()
    keeper = KeptFiles(Bounds(disk=2 * LARGE, share=1, seconds=10), clock)
    reading = found(keeper, ANN, kept_by(keeper, ANN, b"a" * LARGE))
    clock.now += 10
    # its place on disk is not given to anyone while it is read
    assert keeper.keep(BOB, b"b" * (LARGE + 1), mime_type="a/b") is None
    assert reading.read(LARGE - 2, 9) == b"aa"
    del reading
    kept_by(keeper, BOB, b"b" * (LARGE + 1))


def test_a_full_disk_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    keeper = KeptFiles(Bounds(disk=2 * LARGE, share=1))
    with monkeypatch.context() as patched:
        patched.setattr("apiloom.store.spool.os.write", full)
        assert keeper.keep(ANN, b"x" * LARGE, mime_type="a/b") is None
    kept_by(keeper, ANN, b"x" * (2 * LARGE))


def test_closing_forgets_everything() -> None:
    keeper = KeptFiles()
    uris = [kept_by(keeper, ANN, b"x"), kept_by(keeper, ANN, b"x" * LARGE)]
    keeper.close()
    assert [keeper.open(ANN, uri) for uri in uris] == [None, None]


def test_a_file_is_its_owners_alone_and_has_no_name() -> None:
    spool = Spool(lambda _: None)
    spool.write(b"hello")
    number = spool._number
    told = os.fstat(number)
    assert stat.S_IMODE(told.st_mode) == 0o600
    assert told.st_nlink == 0
    assert not os.get_inheritable(number)
    del spool
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(number)
