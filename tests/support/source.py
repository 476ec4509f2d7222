"""The project's own files, as the architecture tests read them: rooms, modules, functions, text without comments."""

from __future__ import annotations

import ast
import io
import os
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "apiloom"
NOT_OURS = frozenset(
    {".venv", ".git", ".cache", ".hypothesis", "node_modules", "__pycache__", "dist", "build", "results"}
)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def loaded(*parts: str) -> ModuleType:
    """A file of ours that belongs to no package, as a module: ``loaded("tools", "sizes.py")``."""
    path = ROOT.joinpath(*parts)
    spec = spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, eq=False)
class Module:
    """One source file of the package. ``place`` is its path below the package, ``room`` the first folder of it."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def room(self) -> str:
        return self.place.split("/")[0].removesuffix(".py")

    @property
    def dotted(self) -> str:
        return "apiloom." + self.place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules() -> tuple[Module, ...]:
    """Every source file of the package, in the order of their paths."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path, text, ast.parse(text, str(path))))
    return tuple(found)


def rooms() -> list[str]:
    """The folders of the package."""
    return sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


def functions(tree: ast.Module) -> Iterator[tuple[str, FunctionNode]]:
    """Every function of a module with its qualified name, methods and nested functions included."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, FunctionNode | ast.ClassDef):
                name = f"{prefix}.{child.name}".lstrip(".")
                if isinstance(child, FunctionNode):
                    yield name, child
            waiting.append((name, child))


@cache
def code(module: Module) -> str:
    """The text of a module with comments and docstrings blanked, line numbers kept. Other strings stay."""
    lines = module.text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "\n"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            for number in range(node.lineno - 1, node.end_lineno):
                lines[number] = "\n"
    return "".join(lines)


@cache
def repository_texts() -> tuple[tuple[str, str], ...]:
    """Path and text of every text file of the project, wherever it stands."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for folder, names, files in os.walk(ROOT):
        names[:] = sorted(name for name in names if name not in NOT_OURS and not name.endswith("_cache"))
        for name in sorted(files):
            path = Path(folder, name)
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
