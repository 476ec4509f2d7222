"""YAML is read in any thread, whichever thread came first and however it ended."""

from __future__ import annotations

import subprocess
import sys

READ = """
import threading
from apiloom.readers.parse import parse
trees = []
for _ in range(50):
    thread = threading.Thread(target=lambda: trees.append(parse(b"a: 1\\nb: [c]\\n", "/a.yaml")[0]))
    thread.start()
    thread.join()
assert trees == [{"a": 1, "b": ["c"]}] * 50, trees
print("read")
"""


def test_yaml_is_read_by_one_thread_after_the_other() -> None:
    """The library ends the process when the thread that loaded it has ended and another one asks it."""
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr
