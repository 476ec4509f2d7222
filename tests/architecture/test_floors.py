"""The floors hold: the import contracts, and what an import linter cannot see (names loaded by text, empty doors)."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.source import PACKAGE, ROOT, modules, rooms

OWN_NAME = re.compile(r"apiloom(\.[a-z_]\w*)+(:\w+)?")


def floors() -> dict[str, int]:
    """Each room's floor by the contract, the ground floor being 1."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    lines = contracts["importlinter:contract:floors"]["layers"].split("\n")
    stacked = [line.strip() for line in lines if line.strip()]
    return {
        room.strip().strip("()"): number
        for number, line in enumerate(reversed(stacked), start=1)
        for room in line.split("|")
    }


def test_every_import_contract_is_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


def test_every_room_has_a_floor() -> None:
    assert set(rooms()) <= set(floors())


def test_own_code_named_by_text_lies_on_a_floor_below() -> None:
    floor = floors()
    upward = []
    for module in modules():
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and OWN_NAME.fullmatch(node.value)):
                continue
            target = node.value.split(":")[0].split(".")[1]
            own_floor = floor.get(module.room, len(floor))
            if target in floor and target != module.room and floor[target] >= own_floor:
                upward.append(f"{module.place}:{node.lineno} names {node.value}")
    assert not upward


def test_every_format_is_held_apart_from_the_others() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    listed = contracts["importlinter:contract:readers"]["modules"].split()
    formats = [path.name for path in (PACKAGE / "readers").iterdir() if (path / "__init__.py").is_file()]
    assert sorted(listed) == sorted(f"apiloom.readers.{name}" for name in formats)


@pytest.mark.parametrize("room", rooms())
def test_the_door_of_a_room_imports_nothing(room: str) -> None:
    door = next(module for module in modules() if module.place == f"{room}/__init__.py")
    imports = [node.lineno for node in ast.walk(door.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not imports, f"{door.place} imports on lines {imports}"


def test_every_module_says_what_it_is_for() -> None:
    silent = [module.place for module in modules() if not ast.get_docstring(module.tree)]
    assert not silent
