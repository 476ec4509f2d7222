"""The one door of the benchmarks: ``python bench/run.py [calls|cold|sizes|soak|gateway|imports|start] [options]``.

Without a word it runs ``calls``, ``cold`` and ``sizes``, which is what ``make bench`` is. Each ends with 1 when one of
its limits is broken; ``--report`` prints the limits without failing on them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PARTS = ("calls", "cold", "sizes", "soak", "gateway", "imports", "start")


def main() -> int:
    """Run the parts that were named, each in a process of its own."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")][:1]
    rest = [word for word in sys.argv[1:] if word not in words]
    if words and words[0] not in PARTS:
        print(f"bench: {words[0]} is none of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    # as an installation would: a start must not pay for compiling what was edited a moment ago
    source = Path(__file__).resolve().parents[1] / "src"
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(source)], check=True)
    code = 0
    for part in words or ["calls", "cold", "sizes"]:
        print(f"— {part} —", flush=True)
        script = Path(__file__).with_name(f"{part}.py")
        code = max(code, subprocess.run([sys.executable, str(script), *rest], check=False).returncode)
    return code


if __name__ == "__main__":
    sys.exit(main())
