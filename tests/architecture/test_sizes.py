"""Size gates: files, functions, complexity, nesting and parameters stay small enough to be read in one sitting."""

from __future__ import annotations

import ast
import statistics
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest

from support.source import ROOT, FunctionNode, functions, modules, repository_texts

GATES = {"file": 600, "function": 80, "complexity": 12, "nesting": 4, "parameters": 6}

BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)


def own_nodes(function: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes defined inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FunctionNode | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def complexity(function: FunctionNode) -> int:
    """McCabe's count over statements, as the linter takes it: one, and one more for each point where the way parts."""
    count = 1
    for node in own_nodes(function):
        if isinstance(node, BRANCHES):
            count += 1
        elif isinstance(node, ast.match_case):
            count += not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None and node.guard is None)
    return count


def nesting(node: ast.AST, depth: int = 0) -> int:
    """How deep blocks stand inside each other; an ``elif`` is no deeper than its ``if``."""
    deepest = depth
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or isinstance(child, FunctionNode | ast.ClassDef):
                continue
            is_elif = (
                isinstance(node, ast.If) and field == "orelse" and isinstance(child, ast.If) and len(children) == 1
            )
            step = isinstance(child, BLOCKS) and not is_elif
            deepest = max(deepest, nesting(child, depth + step))
    return deepest


def parameters(function: FunctionNode) -> int:
    """How many arguments a caller may give; the object a method belongs to is not one."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


@cache
def sizes() -> tuple[tuple[str, str, int], ...]:
    """Gate, place and size of everything measured in the package."""
    return tuple(_measured())


def _measured() -> Iterator[tuple[str, str, int]]:
    for module in modules():
        yield "file", module.place, module.text.count("\n")
        for name, function in functions(module.tree):
            place = f"{module.place}:{name}"
            assert function.end_lineno is not None
            yield "function", place, function.end_lineno - function.lineno + 1
            yield "complexity", place, complexity(function)
            yield "nesting", place, nesting(function)
            yield "parameters", place, parameters(function)


SAMPLE = """
async def f(self, a, /, b, *, c):
    for x in a:
        if x:
            while b:
                try:
                    with c: pass
                except E: pass
        elif b: pass
        elif c: pass
    match a:
        case 1: pass
        case _: pass
    def inner():
        if a: pass
"""


def test_the_gates_measure_what_they_say() -> None:
    name, function = next(functions(ast.parse(SAMPLE)))
    assert (name, complexity(function), nesting(function), parameters(function)) == ("f", 8, 5, 3)


def exceptions() -> dict[tuple[str, str], int]:
    """The exceptions by gate and place, each with the size it may have."""
    listed = tomllib.loads((ROOT / "tests/architecture/exceptions.toml").read_text()).get("exception", [])
    assert all(entry["reason"].strip() for entry in listed), "an exception needs a reason"
    return {(entry["gate"], entry["place"]): entry["size"] for entry in listed}


@pytest.mark.parametrize("gate", GATES)
def test_nothing_outgrows_its_gate(gate: str) -> None:
    allowed = exceptions()
    too_large = [
        f"{place} has {size}, {allowed.get((gate, place), GATES[gate])} is the most"
        for kind, place, size in sizes()
        if kind == gate and size > allowed.get((gate, place), GATES[gate])
    ]
    assert not too_large, "\n".join(too_large)


def test_the_list_of_exceptions_only_shrinks() -> None:
    measured = {(gate, place): size for gate, place, size in sizes()}
    stale = [
        f"{gate} {place}: listed with {size}, measured {measured.get((gate, place), 'nothing')}"
        for (gate, place), size in exceptions().items()
        if measured.get((gate, place), 0) <= GATES[gate] or measured[gate, place] < size
    ]
    assert not stale, "\n".join(stale)


def test_nothing_is_imported_inside_a_function() -> None:
    late = [
        f"{module.place}:{node.lineno} in {name}"
        for module in modules()
        for name, function in functions(module.tree)
        for node in own_nodes(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not late, "\n".join(late)


def test_no_file_of_tests_or_tools_outgrows_the_file_gate() -> None:
    too_large = [
        f"{place} has {text.count(chr(10))} lines"
        for place, text in repository_texts()
        if place.endswith(".py") and not place.startswith("src/") and text.count("\n") > GATES["file"]
    ]
    assert not too_large, "\n".join(too_large)


def test_the_middle_of_the_house_stays_small() -> None:
    """The aims of the house: half of all files within 150 lines and 90 % within 350, functions within 10 and 40."""
    files = [size for gate, _, size in sizes() if gate == "file" and size > 1]
    bodies = [size for gate, _, size in sizes() if gate == "function"]
    middle = {
        "file median": (statistics.median(files), 150),
        "file p90": (statistics.quantiles(files, n=10)[-1], 350),
        "function median": (statistics.median(bodies), 15),
        "function p95": (statistics.quantiles(bodies, n=20)[-1], 45),
    }
    print("sizes:", ", ".join(f"{name} {value:g}" for name, (value, _) in middle.items()))
    assert not {name: value for name, (value, aim) in middle.items() if value > aim}
