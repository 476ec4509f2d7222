"""Every OpenAPI and Swagger document of the corpus becomes a catalog that clients accept.

All checks of a document run on one reading of it; each test below then asks about one of them.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.arguments import LIMIT as ARGUMENT_LIMIT
from apiloom.catalog.build import build_catalog
from apiloom.catalog.listing import render_listing
from apiloom.catalog.overlaid import apply_overlays
from apiloom.catalog.overlays import Ground, check_patch
from apiloom.catalog.patterns import engine
from apiloom.catalog.rebase import base_of, rebase
from apiloom.catalog.report import build_report
from apiloom.catalog.storage import tool_from_json, tool_to_json
from apiloom.catalog.tool import Catalog
from apiloom.catalog.toolsets import LARGE, suggest_toolsets
from apiloom.catalog.traits import traits_of
from apiloom.catalog.validation import input_validator_schema
from apiloom.catalog.views import BUDGET, Views
from apiloom.model.api import ApiModel
from apiloom.model.schema import references
from apiloom.readers.parse import parse
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from apiloom.readers.spelled import plain
from support.client_limits import PROFILES, patterns_of, problems
from support.corpus import CorpusDocument, openapi_documents
from support.node import node

Verdicts = dict[str, list[str]]

LEAST_READ = 200
"""Documents that must become catalogs, so that a reader that refuses everything proves nothing here."""


def fetch(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        raise DesignError(f"there is no file {location}", code="document.not_found") from None


def read(document: CorpusDocument, content: bytes) -> ApiModel | None:
    try:
        return read_document(Document(location=str(document.path), content=content), fetch)
    except DesignError:
        return None


def shuffled(content: bytes, location: str) -> tuple[bytes, bytes]:
    """The document as JSON, and the same with its paths in another order.

    The first is the document itself unless it is YAML that spells numbers in ways JSON has no word for.
    """
    parsed, _ = parse(content, location)
    tree = plain(parsed)
    same = content if _untouched(parsed, tree) else json.dumps(tree)
    if isinstance(tree.get("paths"), dict):
        paths = list(tree["paths"].items())
        random.Random(7).shuffle(paths)
        tree = {**tree, "paths": dict(paths)}
    return same, json.dumps(tree)


def _untouched(parsed: Any, tree: Any) -> bool:
    try:
        return json.dumps(parsed) == json.dumps(tree)
    except TypeError:
        return False


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    found: Verdicts = defaultdict(list)
    for document in openapi_documents():
        content = document.path.read_bytes()
        model = read(document, content)
        if model is None:
            found["refused"].append(document.id)
            continue
        found["read"].append(document.id)
        catalog = build_catalog(model)
        entries = render_listing(catalog)
        for name, check in CHECKS.items():
            found[name] += [f"{document.id}: {problem}" for problem in check(model, catalog)]
        same, again = shuffled(content, str(document.path))
        if same is not content:
            entries = render_listing(
                build_catalog(read_document(Document(location=str(document.path), content=same), fetch))
            )
        found["same"] += [f"{document.id}: {problem}" for problem in differences(document, again, entries)]
    return found


def differences(document: CorpusDocument, content: bytes, entries: dict[str, bytes]) -> Iterator[str]:
    model = read(document, content)
    if model is None:
        yield "it is refused when its paths are shuffled"
        return
    other = render_listing(build_catalog(model))
    if list(other) != list(entries):
        yield f"shuffled paths give other names: {sorted(set(other) ^ set(entries))[:3]}"
        return
    for name, entry in entries.items():
        if other[name] != entry:
            yield f"shuffled paths give other bytes for {name}"
            return


def ledger(model: ApiModel, catalog: Catalog) -> Iterator[str]:
    keys = [one.key for one in (*model.operations, *model.unreadable)]
    if sorted(line.key for line in catalog.ledger) != sorted(keys):
        yield "the ledger does not name every operation once"
    for line in catalog.ledger:
        exposed = line.status == "exposed"
        if exposed != bool(line.tool) or exposed == bool(line.reason):
            yield f"{line.key} is {line.status} with tool {line.tool!r} and reason {line.reason!r}"
        if len(line.reason) > 300 or "\n" in line.reason:
            yield f"{line.key} has a reason that is no sentence: {line.reason!r}"
    if {line.tool for line in catalog.ledger if line.tool} != set(catalog.tools):
        yield "the ledger and the tools disagree"


SHOWN: set[str] = set()
"""Every pattern that some view of the corpus shows."""


def limits(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    for profile in PROFILES:
        views = Views(catalog.schemas, profile)
        for tool in catalog.tools.values():
            view = views.render(tool, with_output=True)
            yield from (f"{profile}: {problem}" for problem in problems(view, profile))
            SHOWN.update(patterns_of(view))
            named = set(view["inputSchema"].get("properties", {}))
            if named != {argument.name for argument in tool.arguments}:
                yield f"{profile}: {tool.name} shows {sorted(named)} of its arguments"
            size = len(json.dumps(view["inputSchema"]))
            if profile != "full" and size > BUDGET * 1.2 and len(named) < 20:
                yield f"{profile}: {tool.name} has {size} bytes of input schema"


def arguments(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    for tool in catalog.tools.values():
        names = [one.name for one in tool.arguments]
        schema: Any = tool.input_schema
        if len(set(names)) != len(names) or any(len(name) > ARGUMENT_LIMIT for name in names):
            yield f"{tool.name} has arguments that are no names: {names}"
        if names != list(schema["properties"]) or not set(schema.get("required", ())) <= set(names):
            yield f"{tool.name} has arguments that its schema does not know"
        ways = [(one.place, one.original) for one in tool.arguments]
        body = tool.binding.body
        if len(set(ways)) != len(ways) and not (body and (body.rest or body.others)):
            yield f"{tool.name} sends two arguments to one place"


def dangling(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    for name in catalog.schemas:
        if missing := references(catalog.schemas[name]) - set(catalog.schemas):
            yield f"the definition {name} refers to {sorted(missing)[:3]}"
    for tool in catalog.tools.values():
        for schema in (tool.input_schema, tool.output_schema):
            if schema is not None and (missing := references(schema) - set(catalog.schemas)):
                yield f"{tool.name} refers to {sorted(missing)[:3]}"


def validators(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    options = engine()
    for tool in catalog.tools.values():
        try:
            validator = jsonschema_rs.Draft202012Validator(
                input_validator_schema(tool, catalog.schemas), pattern_options=options
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            yield f"the schema of {tool.name} does not compile: {str(error)[:200]}"
            continue
        if validator.is_valid({"no such argument": 1}):
            yield f"{tool.name} takes an argument it does not have"


def storage(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    for tool in catalog.tools.values():
        if tool_from_json(tool_to_json(tool)) != tool:
            yield f"{tool.name} changes when it is kept"


def toolsets(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    traits = traits_of(catalog.tools)
    found = suggest_toolsets(traits)
    if not found:
        if len(traits) >= LARGE:
            yield f"there are no toolsets for {len(traits)} tools"
        return
    if sorted(name for one in found for name in one.tools) != sorted(traits):
        yield "the toolsets do not hold every tool once"
    if wrong := [one for one in found if not 3 <= len(one.tools) <= 7]:
        yield f"toolsets have {sorted({len(one.tools) for one in wrong})} tools"
    if wrong := [one for one in found if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", one.name)]:
        yield f"toolsets are called {[one.name for one in wrong[:3]]}"
    if suggest_toolsets(dict(reversed(traits.items()))) != found:
        yield "the toolsets hang on the order of the tools"


def overlays(_: ApiModel, catalog: Catalog) -> Iterator[str]:
    """Every tool renamed and described, and the first argument that can be hidden hidden."""
    edits: dict[str, Any] = {}
    for index, (name, tool) in enumerate(catalog.tools.items()):
        needed = tool.input_schema.get("required", ()) if isinstance(tool.input_schema, dict) else ()
        spare = next((one.name for one in tool.arguments if one.name not in needed), None)
        arguments = {"arguments": {spare: {"hide": True}}} if spare else {}
        edits[name] = {"rename": f"zz_{index}", "title": "T", "description": "D.", "class": "read", **arguments}
    patch = {"tools": edits}
    try:
        check_patch(patch, Ground(tools=catalog.tools, schemas=catalog.schemas, aliases=catalog.aliases))
    except CallerError as error:
        yield f"an overlay is refused: {error.sentence()} at {error.facts}"
        return
    tools = apply_overlays(catalog.tools, [patch])
    if len(tools) != len(catalog.tools) or sorted(tools.before.values()) != sorted(catalog.tools):
        yield "an overlay loses tools"
    views = Views(catalog.schemas)
    for tool in list(tools.values())[:40]:
        view = views.render(tool, with_output=True)
        yield from (f"overlaid: {problem}" for problem in problems(view, "intersection"))
        if set(view["inputSchema"]["properties"]) != {argument.name for argument in tool.arguments}:
            yield f"{tool.operation} shows what an overlay hides"
    if rebase(patch, base_of(patch, catalog.tools), catalog.tools)[1]:
        yield "an overlay has conflicts with what it was made on"


CHECKS = {
    "toolsets": toolsets,
    "overlays": overlays,
    "ledger": ledger,
    "limits": limits,
    "arguments": arguments,
    "dangling": dangling,
    "validators": validators,
    "storage": storage,
}


def none_of(found: list[str]) -> None:
    assert not found, "\n".join([f"{len(found)} problems", *found[:20]])


def test_nearly_every_document_of_the_corpus_is_read(verdicts: Verdicts) -> None:
    assert len(verdicts["read"]) >= LEAST_READ, verdicts["refused"]


def test_exposed_gated_and_quarantined_are_all_operations(verdicts: Verdicts) -> None:
    none_of(verdicts["ledger"])


def test_every_name_key_and_schema_passes_what_major_clients_demand(verdicts: Verdicts) -> None:
    none_of(verdicts["limits"])


def test_every_pattern_that_is_shown_is_one_to_ecmascript(verdicts: Verdicts) -> None:
    assert verdicts["read"]
    assert len(SHOWN) > 100
    program = """
        const patterns = JSON.parse(require('fs').readFileSync(0))
        const refused = patterns.filter(one => {
            try { new RegExp(one); new RegExp(one, 'u'); return false } catch { return true }
        })
        console.log(JSON.stringify(refused))
    """
    given = json.dumps(sorted(SHOWN))
    run = subprocess.run([str(node()), "-e", program], input=given, capture_output=True, timeout=60, check=True)
    assert json.loads(run.stdout) == []


def test_every_argument_has_one_name_and_one_place(verdicts: Verdicts) -> None:
    none_of(verdicts["arguments"])


def test_no_reference_leads_nowhere(verdicts: Verdicts) -> None:
    none_of(verdicts["dangling"])


def test_every_tool_has_a_validator_that_refuses_unknown_arguments(verdicts: Verdicts) -> None:
    none_of(verdicts["validators"])


def test_every_tool_survives_being_kept(verdicts: Verdicts) -> None:
    none_of(verdicts["storage"])


def test_suggested_toolsets_hold_every_tool_in_groups_of_three_to_seven(verdicts: Verdicts) -> None:
    none_of(verdicts["toolsets"])


def test_every_tool_can_be_overlaid(verdicts: Verdicts) -> None:
    none_of(verdicts["overlays"])


def test_shuffled_paths_give_the_same_bytes(verdicts: Verdicts) -> None:
    none_of(verdicts["same"])


def test_runs_of_their_own_with_other_hash_seeds_give_the_same_bytes() -> None:
    here = Path(__file__).resolve()
    seals = set()
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, str(here)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            timeout=60,
            check=True,
        )
        seals.add(run.stdout)
    assert len(seals) == 1
    assert len(seals.pop()) > 64


def sealed_reports() -> str:
    """A digest of listing and report of every document of middle size, and how many there were."""
    seal, count = hashlib.sha256(), 0
    for document in openapi_documents():
        content = document.path.read_bytes()
        model = read(document, content) if 60_000 < len(content) < 110_000 else None
        if model is not None:
            catalog = build_catalog(model)
            seal.update(b"".join(render_listing(catalog).values()))
            seal.update(json.dumps(build_report(catalog)))
            count += 1
    return f"{count} {seal.hexdigest()}"


if __name__ == "__main__":
    print(sealed_reports())
