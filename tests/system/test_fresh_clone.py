"""A machine that has only Python, make and a package index gets a working house from one command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.source import NOT_OURS, ROOT

# What every system has that can run make at all (POSIX), and nothing else: no Node.js, no npm, no uv, no git.
BASICS = ("cat", "dirname", "env", "expand", "find", "grep", "make", "mktemp", "rm", "sed", "sh", "touch", "uname")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """The project's files without what was made from them, removed afterwards: a set-up is large."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT, folder, ignore=lambda _, names: NOT_OURS & set(names))
    yield folder
    shutil.rmtree(folder)


def bare_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a Python and the basics of a system on its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASICS:
        place = shutil.which(name)
        assert place, f"{name} is missing on this machine"
        (programs / name).symlink_to(place)
    (programs / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return {**kept, "PATH": str(programs)}


def test_the_set_up_needs_only_python_make_and_a_package_index(clone: Path, tmp_path: Path) -> None:
    machine = bare_machine(tmp_path)

    def run(*words: str, limit: int = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=clone, env=machine, capture_output=True, text=True, timeout=limit, check=False)

    done = run("make", "set-up", "node-modules", limit=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(".venv/bin/apiloom", "--version").stdout.startswith("apiloom ")
    assert run(".venv/bin/python", "-m", "pip", "check").returncode == 0
    prism = run(
        ".venv/bin/python",
        "-c",
        "import sys; sys.path.insert(0, 'tests'); import support.node as n;"
        "import subprocess as s; s.run([n.node(), n.node_package('@stoplight/prism-cli') / 'dist/index.js',"
        " '--version'], check=True)",
    )
    assert prism.returncode == 0, prism.stderr
    # Nothing is left to do: the second run of either command begins with its work.
    assert run("make", "--question", ".venv/.installed", "tests/node/node_modules/.installed").returncode == 0
