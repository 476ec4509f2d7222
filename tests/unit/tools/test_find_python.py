"""The script that looks for a Python says in one sentence what is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.source import ROOT


def found(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "find-python")],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def program(folder: Path, name: str, *, old: bool = False, bare: bool = False) -> None:
    """A stand-in for a Python: what it answers to the two questions asked."""
    answers = f"case $2 in *version_info*) exit {int(old)};; *ensurepip*) exit {int(bare)};; esac\n"
    (folder / name).write_text("#!/bin/sh\n" + answers)
    (folder / name).chmod(0o755)


def test_the_plain_name_wins_when_it_is_new_enough(tmp_path: Path) -> None:
    program(tmp_path, "python3")
    program(tmp_path, "python3.13")
    assert found(tmp_path).stdout == "python3\n"


def test_an_old_one_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "python3", old=True)
    program(tmp_path, "python3.12")
    assert found(tmp_path).stdout == "python3.12\n"


def test_one_that_makes_no_environments_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "python3", bare=True)
    program(tmp_path, "python3.11")
    assert found(tmp_path).stdout == "python3.11\n"


def test_a_named_one_is_asked_first(tmp_path: Path) -> None:
    program(tmp_path, "python3")
    program(tmp_path, "mine")
    assert found(tmp_path, PYTHON=str(tmp_path / "mine")).stdout == f"{tmp_path / 'mine'}\n"


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({}, ["3.11 or newer", "none on the PATH"]),
        ({"python3": {"old": True}}, ["3.11 or newer", "only python3,"]),
        ({"python3": {"bare": True}}, ["python3", "venv and ensurepip", "python3-venv"]),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(
    tmp_path: Path, kinds: dict[str, dict[str, bool]], words: list[str]
) -> None:
    for name, kind in kinds.items():
        program(tmp_path, name, **kind)
    done = found(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)
    assert os.linesep not in done.stderr.strip()
