"""The table of revisions, and results as its rows ask for them."""

import json

import pytest

from apiloom.protocol import results
from apiloom.protocol.revisions import MODERN, NEWEST_LEGACY, REVISIONS, SUPPORTED, UNSTATED, negotiated


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


@pytest.mark.parametrize("row", REVISIONS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("meta", [b"{}", b'{"a":1}'])
@pytest.mark.parametrize("structured", [None, b'{"x":[1]}'])
def test_a_call_result_is_json_whatever_is_in_it(row: object, meta: bytes, structured: bytes | None) -> None:
    assert row in REVISIONS.values()
    for failed in (True, False):
        for content in (b"", results.text_block("x"), results.text_block("a") + b"," + results.text_block("\ud800")):
            signed = results.signature(row, b'{"name":"n","version":"1"}')  # type: ignore[arg-type]
            read = json.loads(
                results.call_result(row, content, structured=structured, failed=failed, meta=meta, signed=signed)  # type: ignore[arg-type]
            )
            assert read["isError"] is failed


def test_what_an_outcome_says_about_itself_cannot_pose_as_the_server() -> None:
    meta = b'{"io.modelcontextprotocol/serverInfo":{"name":"evil"}}'
    signed = results.signature(MODERN, b'{"name":"we","version":"1"}')
    read = json.loads(results.call_result(MODERN, b"", structured=None, failed=False, meta=meta, signed=signed))
    assert read["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "we"


def test_a_resource_without_a_name_is_named_by_its_bytes() -> None:
    first, again, other = (json.loads(results.blob_block(data, "a/b", "")) for data in (b"1", b"1", b"2"))
    assert first == again
    assert first["resource"]["uri"] != other["resource"]["uri"]


def test_instructions_and_titles_are_left_out_when_empty() -> None:
    server = results.implementation("n", "", "1", titled=True)
    assert json.loads(server) == {"name": "n", "version": "1"}
    assert "instructions" not in json.loads(results.initialization(NEWEST_LEGACY, server=server, instructions=""))
    assert "instructions" not in json.loads(results.discovery(MODERN, instructions="", hints=b"", signed=b""))
