"""Reading a document without looking for garbage among the values that it makes."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

BETWEEN = (10_000, 20, 20)
"""How many new values, and rounds of them, there are between two searches for garbage."""


@contextlib.contextmanager
def unhindered() -> Iterator[None]:
    """Reading makes a million small values that all stay: looking for garbage among them only costs time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        # A call makes dozens of values and hardly ever a circle of them: looking less often costs some memory, no leak.
        gc.set_threshold(*BETWEEN)
        if was:
            gc.enable()
