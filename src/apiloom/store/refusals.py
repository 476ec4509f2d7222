"""How every store refuses, in one place, so that all say the same.

What these sentences do not tell: whether an id that is out of reach exists elsewhere.
"""

from __future__ import annotations

from apiloom.base.errors import CallerError, HouseFault
from apiloom.store.kinds import Kind


def taken(kind: Kind) -> CallerError:
    """``store.exists``: the id of a new or changed record, or what is unique of it, is taken."""
    members = [" and ".join(name for name in names if name not in ("tenant", "digest")) for names in kind.unique]
    *most, last = ["id", *(each for each in members if each)]
    told = f"{', '.join(most)} or {last}" if most else last
    return CallerError(
        f"{_article(kind)} with this {told} exists already",
        code="store.exists",
        hint="choose another, or change the one that is there",
    )


def stale(kind: Kind) -> CallerError:
    """``store.stale``: what was read is another revision by now, or gone."""
    return CallerError(
        f"the {_words(kind)} was changed or removed since it was read",
        code="store.stale",
        hint="read it again and repeat the change",
    )


def outside(kind: Kind) -> CallerError:
    """``store.scope``: a record that does not belong to the scope it is written in."""
    return CallerError(
        f"this {_words(kind)} does not belong to the tenant that acts",
        code="store.scope",
        hint="act for its own tenant, or as one who may act for the house",
    )


def depended_on() -> CallerError:
    """``store.depended_on``: a record would name another that is not there (any more)."""
    return CallerError(
        "something here names a record that does not exist, or would lose one that it needs",
        code="store.depended_on",
        hint="remove what depends on it first, or read again: somebody may have changed it meanwhile",
    )


def unkeepable(kind: Kind, member: str) -> CallerError:
    """``store.value``: what not every database keeps: NUL, half a character, huge numbers, endless names, no JSON."""
    return CallerError(
        f"{member} of the {_words(kind)} holds what cannot be kept",
        code="store.value",
        hint="no character NUL, names and ids up to 512 bytes, whole numbers below 2^63, plain JSON elsewhere",
    )


def unreachable(error: BaseException | None = None, **facts: object) -> HouseFault:
    """``store.unreachable``: the database does not answer."""
    if error is not None:
        facts["error"] = type(error).__name__
    return HouseFault(
        "the store does not answer",
        code="store.unreachable",
        hint="look after its database, then try again",
        **facts,
    )


def failed(error: BaseException, **facts: object) -> HouseFault:
    """``store.failed``: the database answered what we never expect."""
    return HouseFault(
        "the store failed in a way it never should",
        code="store.failed",
        hint="report it",
        error=type(error).__name__,
        **facts,
    )


def unknown_member(kind: Kind, member: str) -> HouseFault:
    """``store.member``: our own code asked for records by a member they do not have."""
    return HouseFault(f"the {_words(kind)} has no member {member[:60]} to look for", code="store.member")


def over() -> HouseFault:
    """``store.over``: our own code went on with a transaction that has ended."""
    return HouseFault("this transaction has ended", code="store.over", hint="begin another")


def _words(kind: Kind) -> str:
    return kind.name.replace("_", " ")


def _article(kind: Kind) -> str:
    words = _words(kind)
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
