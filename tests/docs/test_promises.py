"""Every promise of the project is held by a living test, or measured by a command of the benchmark."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support.source import ROOT

PROMISES: list[dict[str, Any]] = tomllib.loads((ROOT / "docs" / "promises.toml").read_text())["promise"]
KNOWN = {"id", "what", "tests", "command", "figure"}
DEAD = {"skip", "skipif", "xfail"}


@cache
def living_tests(path: Path) -> frozenset[str]:
    """The names of the tests that a file holds, ``Class::name`` for those in classes, dead ones left out."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [("", tree), *((f"{node.name}::", node) for node in tree.body if isinstance(node, ast.ClassDef))]
    for prefix, holder in classes:
        for node in holder.body:
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
            if is_test and not DEAD & {part for mark in node.decorator_list for part in _names(mark)}:
                found.add(prefix + node.name)
    return frozenset(found)


def _names(mark: ast.expr) -> set[str]:
    return {node.attr for node in ast.walk(mark) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise["id"])
def test_a_promise_is_held_by_something_that_runs(promise: dict[str, Any]) -> None:
    assert set(promise) <= KNOWN
    assert promise["what"].endswith(".")
    measured = "bench" in promise.get("command", "") or "soak" in promise.get("command", "")
    assert promise.get("tests") or measured, "no test and no benchmark holds it"
    for test in promise.get("tests", []):
        place, _, name = test.partition("::")
        assert (ROOT / place).is_file(), f"{place} does not exist"
        assert name.split("[")[0] in living_tests(ROOT / place), f"{place} holds no living test {name}"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise["id"])
def test_the_command_of_a_promise_exists(promise: dict[str, Any]) -> None:
    first, _, rest = promise.get("command", "make test").partition(" ")
    if first == "make":
        assert f"\n{rest.split()[0]}:" in (ROOT / "Makefile").read_text()
    else:
        assert first == "apiloom"


def test_promises_have_names_of_their_own() -> None:
    names = [promise["id"] for promise in PROMISES]
    assert len(names) == len(set(names))
