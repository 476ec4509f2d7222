"""The merge patch that makes one JSON value of another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def patch_between(there: Any, wanted: Any) -> Any:
    """The merge patch (RFC 7396) that turns ``there`` into ``wanted``; it can make no member null."""
    if not isinstance(there, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    gone = {name: None for name in there if name not in wanted}
    changed = {name: value for name, value in wanted.items() if name not in there or there[name] != value}
    return {**gone, **{name: patch_between(there.get(name), value) for name, value in changed.items()}}
