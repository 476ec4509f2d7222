"""What arrives at an API is valid by its own description, for real documents: Prism, which validates, is the judge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml_rs

from apiloom import load
from support.corpus import corpus_root
from support.prism import Judged, Tap, prism
from support.samples import UnmakeableError, sample
from support.servers import serving
from support.shop import DOCUMENT
from support.upstream import Seen, upstream

SECRETS = {
    "APILOOM_AUTH_BASICAUTH": "user:password",
    "APILOOM_AUTH_BEARERAUTH": "token",
    "APILOOM_AUTH_BEARERTOKEN": "Bearer token",
}

SAID_ASKEW = {
    "campaigns_create_campaign": "requires one of two members, one of which it does not define and forbids",
    "repos_update_inform_pages_site_96dc52": "requires one of five members, one of which it does not define",
}
"""Operations of GitHub whose bodies have a rule that no schema of flat arguments can keep; it is not checked here."""


def without_answers(path: Path, folder: Path) -> Path:
    """A document without the content of its answers, and without schemas that nothing else uses.

    Prism expands those of Stripe, which refer to each other in circles, for minutes and without end. Every request
    stays as it is described.
    """
    document = yaml_rs.loads(path.read_text())
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                for response in operation.get("responses", {}).values():
                    response.pop("content", None)
    schemas, used, waiting = document["components"]["schemas"], set(), references(document["paths"])
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting |= references(schemas[name])
    document["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in used}
    lean = folder / "lean.json"
    lean.write_text(json.dumps(document, default=str))
    return lean


def references(value: Any) -> set[str]:
    """The names of the schemas that a part of a document refers to."""
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(value, default=str)))


def arguments(api: Any, tool: Any) -> Iterator[dict[str, Any]]:
    """Arguments for a tool, valid by its canonical schema: the required ones; then also those that may be left out.

    Where a body must have one of several sets of members, giving all of them may be more than the document allows.
    What the house adds to a tool is no part of a request.
    """
    schema = {**tool.input_schema, "$defs": dict(api.loaded.schemas)}
    added = {each.name for each in tool.arguments if each.place == "control"}
    schema["properties"] = {name: each for name, each in schema["properties"].items() if name not in added}
    for optional in (False,) if "allOf" in schema else (False, True):
        try:
            made = sample(schema, optional=optional)
            if jsonschema_rs.is_valid(schema, made):
                yield made
        except (UnmakeableError, jsonschema_rs.ValidationError):
            continue


def evenly(names: list[str], count: int) -> list[str]:
    """So many of the names, spread over all of them."""
    return names[:: max(1, len(names) // count)]


def judged_calls(document: Path, mock: Path, folder: Path, count: int) -> tuple[list[Judged], list[str], set[str]]:
    """Call a spread of tools; what Prism said of each request, what was not sent, and the kinds of tools called."""
    api = load(document, base_url="http://127.0.0.1:9")
    tools = {name: tool for name, tool in api.loaded.tools.items() if name not in SAID_ASKEW}
    tools = {name: tool for name, tool in tools.items() if not tool.binding.own_servers}
    kinds, unsent = set(), []
    with prism(mock, folder) as mocked:
        tap = Tap(mocked.url)
        with (
            upstream(tap.answer) as tapped,
            serving(str(document), "--base-url", tapped.url, environment=SECRETS) as server,
        ):
            for name in evenly(sorted(tools), count):
                for made in arguments(api, tools[name]):
                    before = len(tap.judged)
                    answer = server.call(name, made)
                    if len(tap.judged) == before:
                        unsent.append(f"{name} {json.dumps(made)[:300]}: {json.dumps(answer)[:600]}")
                    else:
                        kinds.add(tools[name].kind)
    return tap.judged, unsent, kinds


def test_the_judge_finds_fault_with_a_wrong_request_and_none_with_a_right_one(tmp_path: Path) -> None:
    document = tmp_path / "shop.json"
    document.write_text(json.dumps(DOCUMENT))
    right = [("/items/7?fields=a", b""), ("/items?q=x", b""), ("/orders", b'{"customer":{},"lines":[]}')]
    wrong = [("/items/seven", b""), ("/items", b""), ("/orders", b'{"lines":[]}'), ("/nowhere", b"")]
    with prism(document, tmp_path) as mocked:
        tap = Tap(mocked.url)
        for target, body in right + wrong:
            headers = {"host": "shop", "content-type": "application/json"} if body else {"host": "shop"}
            tap.answer(Seen("POST" if body else "GET", target, headers, body))
    assert [bool(each.wrong) for each in tap.judged] == [False] * len(right) + [True] * len(wrong), tap.judged


@pytest.mark.system
@pytest.mark.parametrize(
    ("place", "lean"),
    [
        ("openapi/github__api.github.com__23.0.2.json", False),
        ("openapi/stripe__stripe__2022-11-15.yaml", True),
        ("swagger/kubernetes__swagger.json__unversioned.json", False),
    ],
)
def test_calls_arrive_valid_by_the_document_itself(place: str, lean: bool, tmp_path: Path) -> None:
    document = corpus_root() / place
    mock = without_answers(document, tmp_path) if lean else document
    judged, unsent, kinds = judged_calls(document, mock, tmp_path, 150)

    wrong = [f"{each.seen.method} {each.seen.target} {each.seen.body[:200]!r}: {each.wrong}" for each in judged]
    assert [told for told, each in zip(wrong, judged, strict=True) if each.wrong] == []
    assert unsent == []
    assert sum(not each.unread for each in judged) >= 200
    assert sum(each.unread for each in judged) <= 20
    assert {"read", "write"} <= kinds
