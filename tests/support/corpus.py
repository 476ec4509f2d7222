"""The corpus of real API documents, found by ``APILOOM_CORPUS``, else in ``../shared/corpus`` beside the project."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """One document: ``id`` for messages, ``path`` its entry file, ``folder`` the folder of a multi-file one."""

    id: str
    path: Path
    format: str
    valid: bool


def corpus_root() -> Path:
    """The corpus folder; a test that needs it and finds none must fail, saying so."""
    root = Path(os.environ.get("APILOOM_CORPUS") or _PROJECT.parent / "shared" / "corpus")
    if not (root / "manifest.jsonl").is_file():
        raise AssertionError(f"no corpus at {root}: set APILOOM_CORPUS to the folder that holds manifest.jsonl")
    return root


def openapi_documents() -> list[CorpusDocument]:
    """Every OpenAPI and Swagger document of the corpus, in the order of its manifest."""
    root = corpus_root()
    lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines() if line.strip()]
    return [
        CorpusDocument(
            id=line["path"],
            path=root / line["path"],
            format=line["format"],
            valid=str(line.get("validator", "")).startswith("valid"),
        )
        for line in lines
        if line["format"].startswith(("openapi", "swagger"))
    ]
