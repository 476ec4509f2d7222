"""A program beside a test that the test stops or kills in the middle of something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.gateway import PATIENCE


@contextmanager
def drill(program: str, *given: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python text with arguments; it is killed where the block ends."""
    process = subprocess.Popen([sys.executable, "-c", program, *given], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
