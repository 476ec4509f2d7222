"""A value that cannot be printed, logged, pickled, copied out or put into JSON. Knows nothing of what it is for.

What has to hold a secret in the clear, because it is used for every call or every text, is :class:`InTheClear`.
"""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


class Secret:
    """A secret value. It shows ``***`` wherever it is printed and refuses to be pickled or copied; ``reveal`` gives it
    out.

    Two of them are compared in constant time, and nothing else is equal to one. It has no hash, so no table holds it.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for whoever signs or seals with it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (one._value.encode("utf-8", "surrogatepass") for one in (self, other))  # noqa: SLF001
        return hmac.compare_digest(mine, theirs)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


class InTheClear:
    """Something that holds secrets in the clear, as text or bytes: it shows none of them, and cannot be pickled or
    copied. It is to keep them out of its ``repr`` itself.
    """

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied")


def closed(kind: type[_T]) -> type[_T]:
    """A dataclass without what libraries list its members by: encoders of JSON, ``asdict`` and ``replace`` take it for
    a value that they do not know. The outermost decorator of what holds secrets in the clear; see :func:`replaced`.

    What it keeps out of its ``repr`` is named by ``__hidden__``, for those who look after it.
    """
    members = getattr(kind, "__dataclass_fields__")  # noqa: B009 - no type has it
    setattr(kind, "__hidden__", frozenset(one.name for one in members.values() if not one.repr))  # noqa: B010
    for name in ("__dataclass_fields__", "__dataclass_params__"):
        delattr(kind, name)
    return kind


def replaced(value: _T, **members: Any) -> _T:
    """A closed value with other members."""
    names: tuple[str, ...] = getattr(type(value), "__slots__")  # noqa: B009 - what dataclasses with slots have
    return type(value)(**{name: getattr(value, name) for name in names} | members)


class Unshown(InTheClear, dict[str, Any]):
    """Members that are secrets, or some of which are, where a mapping is wanted: it shows its names alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Unshown({', '.join(map(str, self))})"

    __str__ = __repr__
