"""JSON merge patches (RFC 7396): a patch looks like what it changes, and null takes a member away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """The value with a patch applied (RFC 7396 section 2); neither is changed. Both are bounded in depth before."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
