"""What a test says of a question that is to be refused."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError

LONGEST = 600
"""Characters of a sentence that people are shown."""


async def refusal(asked: Awaitable[Any], code: str, *never: str) -> ApiloomError:
    """The error that a question ends in: of this code, short, and telling nothing of what it must never tell."""
    with pytest.raises(ApiloomError) as caught:
        await asked
    error = caught.value
    assert error.code == code, f"{error.code}: {error.sentence()}"
    assert len(error.sentence()) <= LONGEST
    assert not [word for word in never if word in f"{error.sentence()}{error.facts!r}"]
    return error
