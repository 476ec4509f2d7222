"""The key of cursors: kept for its user alone, the same in every process, and never a reason to fail."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apiloom.app.keys import user_sealer
from apiloom.base.seal import Sealer

KEY = "cursors.key"


def opens(sealer: Sealer, other: Sealer) -> bool:
    return other.unseal("test", sealer.seal("test", b"payload")) == b"payload"


def test_two_processes_of_one_user_open_what_either_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert opens(user_sealer(folder), user_sealer(folder))
    assert (folder / KEY).stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_another_user_opens_nothing(tmp_path: Path) -> None:
    assert not opens(user_sealer(tmp_path / "one"), user_sealer(tmp_path / "two"))


def test_many_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        sealers = list(pool.map(lambda _: user_sealer(tmp_path), range(24)))
    assert all(opens(sealers[0], other) for other in sealers)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_of_another_length_is_not_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY).write_bytes(content)
    (tmp_path / KEY).chmod(0o600)
    assert not opens(user_sealer(tmp_path), user_sealer(tmp_path))
    assert not opens(Sealer(content), user_sealer(tmp_path))


def test_a_key_that_others_may_know_is_not_used(tmp_path: Path) -> None:
    user_sealer(tmp_path)
    known = Sealer((tmp_path / KEY).read_bytes())
    (tmp_path / KEY).chmod(0o644)
    assert not opens(known, user_sealer(tmp_path))


def test_where_nothing_can_be_kept_there_is_a_key_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    sealer = user_sealer(blocked / "below")
    assert opens(sealer, sealer)
    assert not opens(sealer, user_sealer(Path(os.devnull) / "below"))
