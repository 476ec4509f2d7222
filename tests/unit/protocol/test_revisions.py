"""The table of revisions, and results as its rows ask for them."""

import json

import pytest

from apiloom.protocol import results
from apiloom.protocol.revisions import MODERN, NEWEST_LEGACY, REVISIONS, SUPPORTED, UNSTATED, Revision, negotiated


def test_the_table_is_newest_first_and_has_one_modern_row() -> None:
    assert list(SUPPORTED) == sorted(SUPPORTED, reverse=True)
    assert [row.name for row in REVISIONS.values() if row.modern] == [MODERN.name]
    assert all(name == row.name for name, row in REVISIONS.items())


@pytest.mark.parametrize(
    ("asked", "settled"),
    [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("", "2025-11-25"),
    ],
)
def test_initialize_settles_on_a_legacy_revision(asked: str, settled: str) -> None:
    assert negotiated(asked).name == settled


def test_only_the_oldest_revision_has_batches_and_no_structured_content() -> None:
    assert [row.name for row in REVISIONS.values() if row.batches] == [UNSTATED.name]
    assert [row.name for row in REVISIONS.values() if not row.structured] == [UNSTATED.name]


def given(row: Revision) -> results.Imprint:
    return results.imprint(row, b'{"name":"we","version":"1"}', ttl_ms=1, scope="private")


@pytest.mark.parametrize("row", REVISIONS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("meta", [b"{}", b'{"a":1}'])
@pytest.mark.parametrize("structured", [None, b'{"x":[1]}'])
@pytest.mark.parametrize("failed", [True, False])
def test_a_call_frame_is_json_whatever_is_in_it(
    row: Revision, meta: bytes, structured: bytes | None, failed: bool
) -> None:
    text = [results.TEXT_HEAD, b'"x"', results.TEXT_TAIL]
    for content in ([], text, [*text, b",", *text]):
        frame = results.call_frame(given(row), b"1", content, structured=structured, failed=failed, meta=meta)
        result = json.loads(frame)["result"]
        assert result["isError"] is failed
        assert result["content"] == [{"type": "text", "text": "x"}] * (len(content) // 3)
        assert ("structuredContent" in result) == (structured is not None and row.structured)
        assert ("_meta" in result) == (meta != b"{}" or row.modern)


def test_what_an_outcome_says_about_itself_cannot_pose_as_the_server() -> None:
    meta = b'{"io.modelcontextprotocol/serverInfo":{"name":"evil"}}'
    frame = results.call_frame(given(MODERN), b"1", [], structured=None, failed=False, meta=meta)
    assert json.loads(frame)["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "we"


def test_a_resource_without_a_name_is_named_by_its_bytes() -> None:
    first, again, other = (json.loads(results.blob_block(data, "a/b", "")) for data in (b"1", b"1", b"2"))
    assert first == again
    assert first["resource"]["uri"] != other["resource"]["uri"]


def test_instructions_and_titles_are_left_out_when_empty() -> None:
    assert json.loads(results.implementation("n", "", "1", titled=True)) == {"name": "n", "version": "1"}
    assert "instructions" not in json.loads(results.initialization(given(NEWEST_LEGACY), ""))
    assert "instructions" not in json.loads(results.discovery(given(MODERN), ""))
