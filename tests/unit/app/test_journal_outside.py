"""The journal outside of the store: what it says after crashes, forgeries, several writers and a long life."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from apiloom.app.gateway import journal_outside
from apiloom.app.gateway.journal_outside import Claim, Entry, OutsideJournal
from apiloom.store.ports import Ended

KEY = bytes(range(32))


def journal(
    folder: Path, *, installation: str = "ins_1", key: bytes = KEY, now: Callable[[], float] = lambda: 5.0
) -> OutsideJournal:
    return OutsideJournal(folder, installation, key, now)


def told(one: OutsideJournal) -> list[tuple[str, str, float, int]]:
    return [(entry.kind, entry.id, entry.until, entry.generation) for entry in one.read().entries]


def test_what_is_told_is_read_again_by_another_process(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.append([Ended(kind="server_token", id="tok_1"), Ended(kind="api_token", id="key_1", until=9.5)], 1, 7)
    first.append([Ended(kind="grant", id="acc_1/oauth", generation=3)], 1, 8)
    assert told(journal(tmp_path)) == [
        ("server_token", "tok_1", 0.0, 0),
        ("api_token", "key_1", 9.5, 0),
        ("grant", "acc_1/oauth", 0.0, 3),
    ]
    assert first.read().entries[0] == Entry(at=5.0, claim=1, was=7, kind="server_token", id="tok_1")
    assert stat.S_IMODE(first.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700


def test_what_was_told_is_not_told_again(tmp_path: Path) -> None:
    one = journal(tmp_path)
    for generation in (3, 3, 4, 4):
        one.append([Ended(kind="grant", id="acc_1/oauth", generation=generation)], 1, 1)
    assert [entry[3] for entry in told(one)] == [3, 4]


def test_lines_of_nobody_with_the_key_are_counted_and_not_heeded(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.append([Ended(kind="server_token", id="tok_1")], 1, 1)
    line = one.file.read_bytes()
    forged = line.replace(b"tok_1", b"tok_2")
    stranger = journal(tmp_path / "s", key=b"x" * 32)
    stranger.append([Ended(kind="tenant", id="acme")], 1, 1)
    other = journal(tmp_path / "o", installation="ins_2")
    other.append([Ended(kind="tenant", id="acme")], 1, 1)
    one.file.write_bytes(
        forged + stranger.file.read_bytes() + other.file.read_bytes() + b"\xff\n" + b"x" * 9000 + b"\n" + line
    )
    assert told(journal(tmp_path)) == [("server_token", "tok_1", 0.0, 0)]
    assert journal(tmp_path).read().forged >= 4


@pytest.mark.parametrize("cut", [2, 10, 80])
def test_a_line_that_a_crash_cut_costs_only_itself(tmp_path: Path, cut: int) -> None:
    one = journal(tmp_path)
    one.append([Ended(kind="server_token", id="tok_1")], 1, 1)
    one.append([Ended(kind="server_token", id="tok_2")], 1, 1)
    one.file.write_bytes(one.file.read_bytes()[:-cut])
    assert told(one) == [("server_token", "tok_1", 0.0, 0)]
    journal(tmp_path).append([Ended(kind="server_token", id="tok_3")], 1, 1)
    assert [entry[1] for entry in told(one)] == ["tok_1", "tok_3"]


def test_it_stays_small_and_keeps_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_outside, "LARGEST", 20_000)
    clock = [0.0]
    one = journal(tmp_path, now=lambda: clock[0])
    one.append([Ended(kind="server_token", id="tok_old")], 1, 1)
    clock[0] = journal_outside.KEPT_SECONDS + 100
    one.append([Ended(kind="server_token", id="tok_kept")], 1, 1)
    for generation in range(1, 300):
        one.append([Ended(kind="grant", id="acc_1/oauth", generation=generation)], 1, 1)
    assert one.file.stat().st_size <= 21_000
    left = {(entry[1], entry[3]) for entry in told(journal(tmp_path))}
    assert ("acc_1/oauth", 299) in left
    assert ("tok_kept", 0) in left
    assert "tok_old" not in {name for name, _ in left}
    assert sorted(path.name for path in one.folder.iterdir()) == [one.file.name]


def test_an_end_is_told_again_for_what_was_made_anew_under_its_id(tmp_path: Path) -> None:
    clock = [1.0]
    one = journal(tmp_path, now=lambda: clock[0])
    for clock[0] in (1.0, 2.0):
        one.append([Ended(kind="grant", id="acc_1/oauth", generation=1)], 1, 1)
        one.append([Ended(kind="grant", id="acc_1/oauth")], 1, 1)
    assert [(entry.at, entry.generation) for entry in one.read().entries] == [(1.0, 1), (1.0, 0), (2.0, 1), (2.0, 0)]
    clock[0] = 3.0
    one.append([Ended(kind="grant", id="acc_1/oauth")], 1, 1)
    assert one.read().entries[-1].at == 3.0, "without a renewal in between, too"


def test_however_much_others_end_nothing_young_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_outside, "LARGEST", 5_000)
    one = journal(tmp_path)
    one.append([Ended(kind="server_token", id="tok_victim")], 1, 1)
    for number in range(400):
        one.append([Ended(kind="account", id=f"acc_{number}")], 1, 1)
        one.append([Ended(kind="grant", id="acc_busy/oauth", generation=number + 1)], 1, 1)
    read = journal(tmp_path).read()
    assert {entry.id for entry in read.entries} == {"tok_victim", "acc_busy/oauth", *(f"acc_{n}" for n in range(400))}
    assert read.dropped == 0
    assert sum(1 for entry in read.entries if entry.generation) < 400, "renewals are only the newest"


def test_what_had_to_be_dropped_is_told_by_a_line_that_only_we_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_outside, "LARGEST", 5_000)
    monkeypatch.setattr(journal_outside, "MOST", 20_000)
    clock = [0.0]
    one = journal(tmp_path, now=lambda: clock[0])
    for number in range(1, 401):
        clock[0] = float(number)
        one.append([Ended(kind="account", id=f"acc_{number}")], 1, 1)
    assert one.file.stat().st_size <= 21_000
    read = journal(tmp_path).read()
    left = [entry.at for entry in read.entries]
    assert left == [float(number) for number in range(int(read.dropped) + 1, 401)], "all that came after it is there"
    assert read.dropped > 0
    assert read.forged == 0


def test_what_is_written_apart_is_not_read_until_it_is_taken_over(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.append([Ended(kind="server_token", id="tok_1")], 1, 1, apart="copy")
    assert told(one) == []
    assert not journal(tmp_path).read([tmp_path]).is_there
    journal(tmp_path).adopt("other")
    assert told(one) == []
    for _ in range(2):
        journal(tmp_path).adopt("copy")
        assert told(one) == [("server_token", "tok_1", 0.0, 0)]
    assert sorted(path.name for path in one.folder.iterdir()) == [one.file.name]


def _write(folder: Path, name: str) -> None:
    journal_outside.LARGEST = 8_000  # type: ignore[misc]
    one = journal(folder)
    for generation in range(1, 100):
        one.append([Ended(kind="grant", id=name, generation=generation)], 1, 1)


def test_several_processes_write_one_file_and_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    one = journal(tmp_path)
    assert one.read().forged == 0
    assert {(entry[1], entry[3]) for entry in told(one)} >= {(name, 99) for name in "abc"}


def test_journals_of_other_machines_are_read_with_it(tmp_path: Path) -> None:
    one, two = journal(tmp_path / "a"), journal(tmp_path / "b", now=lambda: 2.0)
    one.append([Ended(kind="server_token", id="tok_1")], 1, 1)
    two.append([Ended(kind="server_token", id="tok_2")], 1, 1)
    two.write_claim(Claim(number=4, id="x", seq=9))
    for folder in (tmp_path / "b", two.folder):
        read = one.read([folder])
        assert [entry.id for entry in read.entries] == ["tok_2", "tok_1"]
        assert read.claim == Claim(number=4, id="x", seq=9)


def test_a_claim_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    one = journal(tmp_path)
    assert one.read_claim() is None
    one.write_claim(Claim(number=2, id="a", seq=5))
    assert journal(tmp_path).read_claim() == Claim(number=2, id="a", seq=5)
    assert journal(tmp_path, key=b"x" * 32).read_claim() is None
    file = one.folder / "claim"
    file.write_bytes(file.read_bytes().replace(b'"number":2', b'"number":3'))
    assert one.read_claim() is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r".+"):
        journal(tmp_path / "file").append([Ended(kind="server_token", id="tok_1")], 1, 1)
    assert journal(tmp_path / "file").read().entries == ()


def test_no_link_is_followed_when_writing(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("mine\n")
    one.file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r".+"):
        one.append([Ended(kind="server_token", id="tok_1")], 1, 1)
    assert (tmp_path / "elsewhere").read_text() == "mine\n"


def test_every_line_is_on_the_disk_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(journal_outside.os, "fsync", lambda number: (synced.append(number), real(number))[1])
    journal(tmp_path).append([Ended(kind="server_token", id="tok_1")], 1, 1)
    assert len(synced) == 1
    assert {one.name for one in dataclasses.fields(Entry)} == {
        "at",
        "claim",
        "was",
        "kind",
        "id",
        "until",
        "generation",
    }


def test_a_file_that_cannot_be_made_smaller_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_outside, "LARGEST", 100)
    one = journal(tmp_path)

    def full(_: Path, __: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for number in range(5):
        with contextlib.suppress(OSError):
            one.append([Ended(kind="account", id=f"acc_{number}")], 1, 1)
    assert [path.name for path in one.folder.iterdir()] == [one.file.name]
    assert {entry.id for entry in one.read().entries} == {f"acc_{number}" for number in range(5)}
