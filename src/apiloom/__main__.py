"""``apiloom`` and ``python -m apiloom``: the command line, opened by the door."""

from __future__ import annotations

import sys

from apiloom.app.main import main as open_house


def main() -> int:
    """Run the command line on this process's arguments; the exit code is the answer."""
    return open_house(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
