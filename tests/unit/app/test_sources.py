"""Opening a SOURCE: what it is, how far its references reach, and what is refused unread."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apiloom.app.cachedir import cache_folder, home_folder
from apiloom.app.main import build_house
from apiloom.app.sources import MISSING, Opened, open_source, opened_text
from apiloom.base.errors import DesignError, UpstreamError

DOCUMENT = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {}\n"


Follow = Callable[[str], bool]
Web = Callable[[str, Follow], bytes]


def no_web(url: str, follow: Follow) -> bytes:
    raise AssertionError(f"{url} was fetched")


def open_it(source: object, fetch_url: Web = no_web, *, remote_refs: bool = False) -> Opened:
    return open_source(str(source), remote_refs=remote_refs, fetch_url=fetch_url, say=lambda _: None)


def refusal(source: object, fetch_url: Web = no_web) -> DesignError:
    with pytest.raises(DesignError) as caught:
        open_it(source, fetch_url)
    assert "\n" not in caught.value.sentence()
    assert caught.value.hint
    return caught.value


def unreachable(opened: Opened, location: object) -> str:
    with pytest.raises(DesignError) as caught:
        opened.fetch(str(location))
    return caught.value.code


def test_a_file_is_opened_and_remembered(tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(DOCUMENT)
    opened = open_it(path)
    assert opened.document.content == DOCUMENT.encode()
    assert opened.document.location == str(path)
    assert opened.reads == {str(path): hashlib.sha256(DOCUMENT.encode()).hexdigest()}


def test_a_relative_path_has_an_absolute_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    monkeypatch.chdir(tmp_path)
    assert open_it("api.yaml").document.location == str(tmp_path / "api.yaml")


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(DOCUMENT)
    assert open_it(path.as_uri()).document.location == str(path)


def test_what_is_read_later_is_remembered_too(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    (tmp_path / "pet.yaml").write_text("{}")
    opened = open_it(tmp_path / "api.yaml")
    assert opened.fetch(str(tmp_path / "pet.yaml")) == b"{}"
    assert set(opened.reads) == {str(tmp_path / "api.yaml"), str(tmp_path / "pet.yaml")}


def test_a_missing_file_is_told_in_one_sentence_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "petstore.yaml").write_text(DOCUMENT)
    error = refusal(tmp_path / "petstor.yaml")
    assert error.code == "document.not_found"
    assert "petstor.yaml" in error.message
    assert "petstore.yaml" in error.hint


@pytest.mark.parametrize("source", ["nowhere/at/all.yaml", "", " ", "a" * 5_000, "nul\0byte", "ftp://x/y"])
def test_a_strange_source_is_a_missing_file(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "api.yaml").write_text(DOCUMENT)  # an empty source is not the folder we stand in
    monkeypatch.chdir(tmp_path)
    assert refusal(source).code == "document.not_found"


@pytest.mark.parametrize("source", ["mcp:https://example.com/mcp", "stdio:some-server --flag"])
def test_mcp_sources_come_later(source: str) -> None:
    error = refusal(source)
    assert error.code == "document.mcp_later"
    assert "MCP source" in error.sentence()


def test_an_existing_path_comes_before_every_other_meaning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-", "mcp:x", "stdio:x"):
        Path(name).write_text(DOCUMENT)
        assert open_it(name).document.location == str(tmp_path / name)


def test_standard_input_is_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened = open_source(
        "-", remote_refs=False, fetch_url=no_web, say=lambda _: None, stdin=io.BytesIO(b"openapi: 3.1.0")
    )
    assert (opened.document.location, opened.document.content) == ("-", b"openapi: 3.1.0")
    assert unreachable(opened, "/etc/hosts") == "document.out_of_reach"


class Endless(io.RawIOBase):
    """Gives as much as it is asked for."""

    def read(self, size: int = -1) -> bytes:
        assert 0 < size < 200_000_000
        return bytes(size)


def test_endless_standard_input_is_refused_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DesignError) as caught:
        open_source("-", remote_refs=False, fetch_url=no_web, say=lambda _: None, stdin=Endless())  # type: ignore[arg-type]
    assert caught.value.code == "document.too_large"


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert refusal(path).code == "document.too_large"


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert refusal(tmp_path / "pipe.yaml").code == "document.not_a_file"
    assert refusal("/dev/zero").code == "document.not_a_file"


def test_a_folder_holds_its_best_known_shallowest_document(tmp_path: Path) -> None:
    (tmp_path / "spec" / "deep").mkdir(parents=True)
    (tmp_path / "node_modules").mkdir()
    for name in ("spec/openapi.json", "spec/other.yaml", "spec/deep/openapi.yaml"):
        (tmp_path / name).write_text(DOCUMENT)
    (tmp_path / "spec/openapi.json").write_text('{\n  "openapi": "3.1.0",\n  "paths": {}\n}')
    (tmp_path / "notes.yaml").write_text("note: see openapi")
    (tmp_path / "node_modules/openapi.yaml").write_text(DOCUMENT)
    (tmp_path / ".openapi.yaml").write_text(DOCUMENT)
    assert open_it(tmp_path).document.location == str(tmp_path / "spec/openapi.json")


def test_a_folder_with_several_documents_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(DOCUMENT)
    (tmp_path / "b.yaml").write_text("swagger: '2.0'\npaths: {}")
    error = refusal(tmp_path)
    assert error.code == "document.ambiguous"
    assert "a.yaml" in error.message
    assert "b.yaml" in error.message


def test_a_folder_without_a_document_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: 1")
    assert refusal(tmp_path).code == "document.not_found"


def project(root: Path) -> Opened:
    """A document in a project: ``work/shop/api/openapi.yaml``, with neighbours near and far."""
    for name in (
        "work/shop/api/openapi.yaml",
        "work/shop/schemas/pet.yaml",
        "work/shop/api/near.json",
        "work/other/x.yaml",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(DOCUMENT)
    return open_it(root / "work/shop/api/openapi.yaml")


def test_references_reach_the_folder_and_the_one_above(tmp_path: Path) -> None:
    opened = project(tmp_path)
    assert opened.fetch(str(tmp_path / "work/shop/api/near.json"))
    assert opened.fetch(str(tmp_path / "work/shop/schemas/pet.yaml"))


@pytest.mark.parametrize(
    "place", ["work/other/x.yaml", "work/shop/../other/x.yaml", "work/shop/.git/config.yaml", "work/shop/notes.txt"]
)
def test_references_reach_no_further(place: str, tmp_path: Path) -> None:
    opened = project(tmp_path)
    (tmp_path / "work/shop/.git").mkdir()
    (tmp_path / "work/shop/.git/config.yaml").write_text("a: 1")
    (tmp_path / "work/shop/notes.txt").write_text("a: 1")
    assert unreachable(opened, tmp_path / place) == "document.out_of_reach"
    assert unreachable(opened, "/etc/passwd") == "document.out_of_reach"


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    opened = project(tmp_path)
    (tmp_path / "work/shop/api/link.yaml").symlink_to(tmp_path / "work/other/x.yaml")
    (tmp_path / "work/shop/api/fine.yaml").symlink_to(tmp_path / "work/shop/schemas/pet.yaml")
    assert unreachable(opened, tmp_path / "work/shop/api/link.yaml") == "document.out_of_reach"
    assert opened.fetch(str(tmp_path / "work/shop/api/fine.yaml"))


def test_a_home_is_nobodys_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "work"))
    opened = project(tmp_path)
    assert opened.fetch(str(tmp_path / "work/shop/schemas/pet.yaml"))
    monkeypatch.setenv("HOME", str(tmp_path / "work/shop"))
    opened = project(tmp_path)
    assert unreachable(opened, tmp_path / "work/shop/schemas/pet.yaml") == "document.out_of_reach"


def test_a_folder_given_as_the_source_is_all_there_is(tmp_path: Path) -> None:
    project(tmp_path)
    opened = open_it(tmp_path / "work/shop/api")
    assert opened.fetch(str(tmp_path / "work/shop/api/near.json"))
    assert unreachable(opened, tmp_path / "work/shop/schemas/pet.yaml") == "document.out_of_reach"


def test_a_missing_or_folder_neighbour_is_told(tmp_path: Path) -> None:
    opened = project(tmp_path)
    (tmp_path / "work/shop/api/folder.yaml").mkdir()
    assert unreachable(opened, tmp_path / "work/shop/api/gone.yaml") == "document.not_found"
    assert unreachable(opened, tmp_path / "work/shop/api/folder.yaml") == "document.not_a_file"


def test_a_url_is_fetched_and_reaches_its_own_origin(tmp_path: Path) -> None:
    asked: list[str] = []

    def web(url: str, follow: Follow) -> bytes:
        asked.append(url)
        return DOCUMENT.encode()

    opened = open_it("HTTP://Example.com/api/openapi.yaml#top", web)
    assert opened.document.location == "http://Example.com/api/openapi.yaml"
    assert opened.fetch("http://example.com/schemas.yaml")
    assert unreachable(opened, "http://other.com/schemas.yaml") == "document.out_of_reach"
    assert unreachable(opened, "https://example.com/schemas.yaml") == "document.out_of_reach"
    assert unreachable(opened, str(tmp_path / "x.yaml")) == "document.out_of_reach"
    assert asked == ["http://Example.com/api/openapi.yaml", "http://example.com/schemas.yaml"]
    assert set(opened.reads) == set(asked)


def test_other_places_are_reached_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    opened = open_it(tmp_path / "api.yaml", lambda _, follow: b"{}", remote_refs=True)
    assert opened.fetch("https://other.com/s.yaml") == b"{}"
    closed = open_it(tmp_path / "api.yaml")
    assert unreachable(closed, "https://other.com/s.yaml") == "document.out_of_reach"


def test_a_redirected_document_refers_to_where_it_ended_and_its_references_stay_there() -> None:
    asked: list[str] = []

    def web(url: str, follow: Follow) -> bytes:
        asked.append(url)
        if url == "https://example.com/api.yaml?key=secret":
            assert follow("https://cdn.example.com/v1/api.yaml?sig=hidden")
            return DOCUMENT.encode()
        assert follow("https://cdn.example.com/elsewhere.yaml")
        if not follow("http://169.254.169.254/latest"):
            raise DesignError("another place", code="document.fetch")
        return b"{}"

    opened = open_it("https://example.com/api.yaml?key=secret", web)
    assert opened.document.location == "https://cdn.example.com/v1/api.yaml"
    assert unreachable(opened, "https://cdn.example.com/v1/pet.yaml") == "document.fetch"
    assert unreachable(opened, "https://example.com/pet.yaml") == "document.out_of_reach"
    assert "secret" not in repr(opened.reads) + repr(opened.document)
    assert "hidden" not in repr(opened.reads) + repr(opened.document)


def test_what_could_not_be_read_is_remembered_as_missing(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    opened = open_it(tmp_path / "api.yaml")
    assert unreachable(opened, tmp_path / "pet.yaml") == "document.not_found"
    assert opened.reads[str(tmp_path / "pet.yaml")] == MISSING
    (tmp_path / "pet.yaml").write_text("{}")
    assert opened.fetch(str(tmp_path / "pet.yaml")) == b"{}"
    assert opened.reads[str(tmp_path / "pet.yaml")] == hashlib.sha256(b"{}").hexdigest()


def test_an_unreachable_url_is_upstreams_fault_but_an_unreachable_reference_the_documents(tmp_path: Path) -> None:
    def web(url: str, follow: Follow) -> bytes:
        raise UpstreamError(f"nobody listens at {url}", code="net.refused")

    with pytest.raises(UpstreamError):
        open_it("http://localhost:1/openapi.yaml", web)
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    opened = open_it(tmp_path / "api.yaml", web, remote_refs=True)
    assert unreachable(opened, "https://other.com/s.yaml") == "document.fetch"


@pytest.mark.parametrize("url", ["http://user:secret@x.com/a.yaml", "http://", "https:///a", "http://[bad/a"])
def test_a_url_with_a_secret_or_without_a_host_is_refused_and_not_repeated(url: str) -> None:
    error = refusal(url)
    assert error.code == "document.fetch"
    assert "secret" not in error.sentence()


def test_text_held_by_a_program_refers_to_nothing() -> None:
    opened = opened_text("application document", b"{}")
    assert opened.document.content == b"{}"
    assert unreachable(opened, "/x.yaml") == "document.out_of_reach"


def test_a_machine_without_home_and_temporary_folder_reads_a_file_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> Path:
        raise RuntimeError("no home")

    def unusable() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.setattr("tempfile.gettempdir", unusable)
    for name in ("APILOOM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    assert open_it(tmp_path / "api.yaml").document.content
    assert not cache_folder().parent.is_dir()
    assert build_house().surroundings.home == home_folder()


def test_standard_input_gives_its_document_as_often_as_it_is_asked() -> None:
    stdin = io.BytesIO(DOCUMENT.encode())
    for _ in range(2):
        opened = open_source("-", remote_refs=False, fetch_url=no_web, say=lambda _: None, stdin=stdin)
        assert opened.document.content == DOCUMENT.encode()
