"""Every tool of every OpenAPI and Swagger document of the corpus says on the wire what its arguments say.

The calls run in process and go through a real socket; the bytes that arrive there are judged by an oracle that reads
the documents for itself. What came of it is written to ``.cache/oracle/summary.txt``. Each tool is called with two of
the four sets of arguments, and with all of them where the environment says ``APILOOM_ORACLE=whole``. Run this file as a
program to try others: ``PYTHONPATH=tests python tests/corpus/test_oracle.py SEED [PART-OF-A-DOCUMENT'S-NAME]``.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from support import oracle_document
from support.corpus import CorpusDocument, openapi_documents
from support.oracle import parse_request
from support.oracle_calls import Effort, Tally, judge_document
from support.oracle_core import CoreOpinion
from support.oracle_judge import Asked
from support.oracle_socket import recording

WHOLE = os.environ.get("APILOOM_ORACLE") == "whole"
SUMMARY = Path(__file__).resolve().parents[2] / ".cache" / "oracle" / "summary.txt"

NOTHING_FITS = (
    "openapi/readmeio__schema-types__1.0.0.json: PUT /anything/quirks/polymorphism",
    "openapi/readmeio__schema-types__1.0.0.json: PATCH /anything/quirks/polymorphism",
)
"""Operations whose body must be a text and an integer at once."""

SAID_OTHERWISE = {
    "is valid under each of": "oneOf counts as anyOf here: documents write the one and mean the other",
    "EmptyQueryParameterValue": "an empty text is sent as such, also without allowEmptyValue",
    "Invalid header parameter: Accept-Encoding": "belongs to the HTTP client, which may say it where no argument does",
    "Missing required request body": "a form without members has no bytes, which is no body to the judge",
    "ReferencingError": "the judge gives up on references that lead nowhere",
}
"""Objections of the second judge that are no mistakes, by a part of their words."""


async def judged(effort: Effort, wanted: str = "") -> Tally:
    tally = Tally()
    async with recording() as upstream:
        for document in openapi_documents():
            if wanted in document.id:
                await judge_document(document.path, document.id, upstream, tally, effort)
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(tally.summary())
    return tally


@pytest.fixture(scope="module")
def tally() -> Tally:
    return asyncio.run(judged(Effort() if WHOLE else Effort(many=2)))


def test_every_call_says_on_the_wire_what_its_arguments_say(tally: Tally) -> None:
    told = [each.line()[:900] for each in tally.wrong]
    assert not told, "\n".join([f"{len(told)} wrong, all in {SUMMARY}", *told[:15]])
    assert tally.share() >= 0.999


def test_every_document_and_every_tool_takes_part(tally: Tally) -> None:
    assert tally.unread == []
    assert sorted(tally.unmade) == sorted(NOTHING_FITS)
    assert tally.counts["documents"] - tally.counts["documents without tools"] >= 200
    assert tally.counts["called tools"] == tally.counts["tools"] >= 14_000
    assert tally.counts["sent"] >= (50_000 if WHOLE else 26_000)


def test_next_to_every_tool_is_seen_to_be_exact_and_refusals_are_few(tally: Tally) -> None:
    assert tally.counts["tools shown exact"] >= (0.998 if WHOLE else 0.99) * tally.counts["tools"]
    assert tally.counts["refused"] <= 0.03 * tally.counts["calls"]
    assert tally.counts["plain"] <= 0.001 * tally.counts["calls"]


def test_bodies_of_every_kind_take_part(tally: Tally) -> None:
    least = {
        "application/json": 6_000,
        "application/x-www-form-urlencoded": 600,
        "application/merge-patch+json": 600,
        "multipart/form-data": 100,
        "text/plain": 20,
        "application/octet-stream": 12,
        "text/xml": 60,
        "image/png": 1,
    }
    assert {kind: tally.media[kind] for kind in least if tally.media[kind] < least[kind]} == {}


def is_small(document: CorpusDocument) -> bool:
    return document.format == "openapi" and document.valid and document.path.stat().st_size < 200_000


def is_beyond(asked: Asked) -> bool:
    """What the second judge cannot read: bodies that stay bytes to it; label and matrix paths are unknown to it."""
    known = ("application/json", "application/x-www-form-urlencoded", "text/")
    read = all(each.type.startswith(known) or "+json" in each.type for each in asked.operation.media)
    return not read or any(each.place == "path" and each.style != "simple" for each in asked.operation.parameters)


async def second_opinions() -> tuple[int, dict[str, list[str]]]:
    asked: list[tuple[Asked, bytes, str, str]] = []
    count, objections = 0, defaultdict(list)
    effort = Effort(most=15, sets=("required", "everything", "edges"))
    async with recording() as upstream:
        for document in filter(is_small, openapi_documents()):
            asked.clear()
            await judge_document(document.path, document.id, upstream, Tally(), effort, lambda *one: asked.append(one))
            judge = CoreOpinion(document.path, asked[0][3]) if asked else None
            for one, raw, origin, _ in asked:
                if judge is not None and not is_beyond(one):
                    count += 1
                    for told in judge.objections(parse_request(raw), origin):
                        known = next((words for words in SAID_OTHERWISE if words in told), "")
                        objections[known].append(f"{document.id} {one.operation.key}: {told} {raw!r}"[:900])
    oracle_document.load.cache_clear()
    return count, objections


def test_a_second_judge_finds_requests_valid_by_their_documents() -> None:
    count, objections = asyncio.run(second_opinions())
    assert count >= 1_000
    assert objections[""] == []
    assert sum(map(len, objections.values())) <= 0.04 * count


if __name__ == "__main__":
    seed, *part = [*sys.argv[1:], ""]
    print(re.sub(r"(?m)^(.{1000}).*$", r"\1", asyncio.run(judged(Effort(seed=seed), part[0])).summary()))
