"""Documents that benchmarks serve beside ``bench20.yaml``: real ones of the corpus and larger ones made from them."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import msgspec
import yaml_rs
from measure import HERE, ROOT

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
GITHUB = "openapi/github__api.github.com__23.0.2.json"
STRIPE = "openapi/stripe__stripe__2022-11-15.yaml"
KUBERNETES = "swagger/kubernetes__swagger.json__unversioned.json"


def corpus(path: str) -> Path:
    """A document of the corpus; ends the run with one sentence when the corpus is not there."""
    root = Path(os.environ.get("APILOOM_CORPUS") or ROOT.parent / "shared" / "corpus")
    found = root / path
    if not found.is_file():
        raise SystemExit(f"bench: {path} is not under {root}; set APILOOM_CORPUS to the corpus of API documents")
    return found


def operations(document: dict[str, Any]) -> int:
    """How many operations a document has."""
    return sum(1 for path in document["paths"].values() for method in path if method in METHODS)


def with_bench_operations(path: Path, into: Path) -> int:
    """A large document with the operations of ``bench20.yaml`` added to it; returns its number of operations."""
    document = msgspec.json.decode(path.read_bytes())
    bench = yaml_rs.loads((HERE / "bench20.yaml").read_text())
    document["paths"].update(bench["paths"])
    for kind, members in bench["components"].items():
        renamed = {f"bench-{name}": member for name, member in members.items()}
        document.setdefault("components", {}).setdefault(kind, {}).update(renamed)
    text = msgspec.json.encode(document)
    for kind, members in bench["components"].items():
        for name in members:
            ours = f'"#/components/{kind}/{name}"'.encode()
            text = text.replace(ours, f'"#/components/{kind}/bench-{name}"'.encode())
    into.write_bytes(text)
    return operations(document)


def repeated(path: Path, times: int, into: Path) -> int:
    """A document with every path repeated under other names; returns its number of operations."""
    document = msgspec.json.decode(path.read_bytes())
    paths: dict[str, Any] = {}
    for turn in range(times):
        for name, item in document["paths"].items():
            twin = copy.deepcopy(item)
            for method in METHODS & twin.keys():
                if "operationId" in twin[method]:
                    twin[method]["operationId"] = f"{twin[method]['operationId']}-r{turn}"
            paths[f"/r{turn}{name}"] = twin
    document["paths"] = paths
    into.write_bytes(msgspec.json.encode(document))
    return operations(document)
