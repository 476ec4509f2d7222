"""The compiled cache: what is kept, what is refused, and what a damaged file does."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from apiloom.catalog.listing import render_listing
from apiloom.compile.artefact import pack_parts
from apiloom.compile.cache import MOST_FILES, Cache
from support.catalogs import OK, catalog_of

PETS = catalog_of({"/pets": {"get": {"operationId": "listPets", "responses": OK}}})
READS = {"pets.yaml": "abc"}
KEPT = pack_parts(PETS, render_listing(PETS), options={"profile": "intersection"})


def always(_: Mapping[str, str]) -> bool:
    return True


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder", release="1")
    cache.put("k" * 64, READS, KEPT)
    found = cache.get("k" * 64, always)
    assert found is not None
    reads, artefact = found
    assert reads == READS
    assert artefact.title == PETS.title
    assert dict(artefact.tools) == PETS.tools
    assert dict(artefact.entries) == render_listing(PETS)


def test_a_file_whose_sources_changed_is_as_good_as_absent(tmp_path: Path) -> None:
    cache = Cache(tmp_path, release="1")
    cache.put("k" * 64, READS, KEPT)
    asked: list[Mapping[str, str]] = []

    def changed(reads: Mapping[str, str]) -> bool:
        asked.append(reads)
        return False

    assert cache.get("k" * 64, changed) is None
    assert asked == [{"pets.yaml": "abc"}]


def test_other_bytes_options_places_and_releases_have_other_keys(tmp_path: Path) -> None:
    cache = Cache(tmp_path, release="1")
    keys = {
        cache.key("a.yaml", b"one", {"profile": "intersection"}),
        cache.key("a.yaml", b"two", {"profile": "intersection"}),
        cache.key("b.yaml", b"one", {"profile": "intersection"}),
        cache.key("a.yaml", b"one", {"profile": "full"}),
        Cache(tmp_path, release="2").key("a.yaml", b"one", {"profile": "intersection"}),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("keep", [0, 1, 20, 60, -1])
def test_a_damaged_file_is_as_good_as_absent(tmp_path: Path, keep: int) -> None:
    cache = Cache(tmp_path, release="1")
    cache.put("k" * 64, READS, KEPT)
    (file,) = tmp_path.glob("*.catalog")
    content = file.read_bytes()
    file.write_bytes(content[:keep])
    assert cache.get("k" * 64, always) is None


def test_files_are_the_owners_only_and_their_number_is_bounded(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", release="1")
    for number in range(MOST_FILES + 5):
        cache.put(f"{number:064d}"[::-1], READS, KEPT)
    files = list((tmp_path / "cache").iterdir())
    assert len(files) == MOST_FILES
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_to_is_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = Cache(blocked, release="1")
    cache.put("k" * 64, READS, KEPT)
    assert cache.get("k" * 64, always) is None


def test_what_others_can_have_written_is_as_good_as_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    cache = Cache(folder, release="1")
    cache.put("k" * 64, READS, KEPT)
    (file,) = folder.glob("*.catalog")
    file.chmod(0o602)
    assert cache.get("k" * 64, always) is None
    file.chmod(0o600)
    folder.chmod(0o777)
    assert cache.get("k" * 64, always) is None
    cache.put("l" * 64, READS, KEPT)
    assert len(list(folder.iterdir())) == 1
    folder.chmod(0o700)
    assert cache.get("k" * 64, always) is not None
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.get("k" * 64, always) is None


def test_what_a_killed_process_left_behind_is_swept_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    Cache(tmp_path, release="1").put("k" * 64, READS, KEPT)
    assert not old.exists()
    assert new.exists()


def test_a_place_that_is_no_text_is_no_failure(tmp_path: Path) -> None:
    cache = Cache(tmp_path, release="1")
    key = cache.key("/x/\udcff.yaml", b"one", {})
    assert key != cache.key("/x/\udcfe.yaml", b"one", {})
    cache.put(key, {"/x/\udcff.yaml": "abc"}, KEPT)
    assert cache.get(key, always) is None


@pytest.mark.parametrize("head", [b"[]", b"{", b"", b"1"])
def test_a_head_of_another_shape_is_as_good_as_absent(head: bytes, tmp_path: Path) -> None:
    cache = Cache(tmp_path, release="1")
    cache.put("k" * 64, READS, KEPT)
    (file,) = tmp_path.glob("*.catalog")
    file.write_bytes(head + b"\n" + KEPT)
    assert cache.get("k" * 64, always) is None


def test_an_artefact_of_another_layout_is_as_good_as_absent(tmp_path: Path) -> None:
    cache = Cache(tmp_path, release="1")
    cache.put("k" * 64, READS, KEPT.replace(b"apiloom 3 ", b"apiloom 2 ", 1))
    assert cache.get("k" * 64, always) is None
