"""An admin request that carries an ``Idempotency-Key`` is done once, however often it arrives.

    kept = await begin(ground, who, key, request)     # its answer, when it was done before
    …                                                 # do it
    await finish(ground, who, key, answer)            # or: await forget(ground, who, key)

The key is claimed before anything is done. Whoever comes second while the first is at work is told to wait; where the
first never came back, whether it was done is not known, and that is said and not guessed. Keys of different principals
never meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.flows.access import scope_of
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.store.ports import Work
from apiloom.store.records import Remembered

REMEMBERED = 86400.0
"""Seconds that an answer is remembered."""

_AT_WORK = 120.0
"""Seconds within which a request that was begun may still be going on."""

_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with: an HTTP status or any other number above 0, and plain JSON without a secret."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)


async def begin(ground: Ground, who: Principal, key: str, request: bytes) -> Answer | None:
    """Claim a key. None: do what is asked, then :func:`finish` or :func:`forget`; else the answer it got before.

    Args:
        ground: what it stands on.
        who: who asks.
        key: theirs, 1 to 255 visible characters.
        request: all that is asked, the same bytes for the same question.

    Raises:
        CallerError: ``idempotency.key`` for one that is none, ``idempotency.conflict`` when the key came with another
            question or the first is still at work, ``idempotency.in_doubt`` when the first never came back.
    """
    id_ = _id(who, key)
    hashes = _hashes(ground, request)
    now = ground.now()
    claim = Remembered(id=id_, request=hashes[0], status=0, tenant=who.tenant or None, expires_at=now + REMEMBERED)

    async def change(work: Work) -> Remembered | None:
        rows = scope_of(work, who).remembered
        there = await rows.load(id_)
        if there is not None and there.expires_at > now:
            return there
        if there is not None:
            await rows.remove(id_)
        await rows.add(claim)
        return None

    try:
        there = await changing(ground, change)
    except CallerError as error:
        if error.code != "store.exists":
            raise
        there = claim  # claimed in the same moment by another request with this key
    return None if there is None else _known(there, hashes, now)


def _known(there: Remembered, hashes: tuple[str, ...], now: float) -> Answer:
    if there.request not in hashes:
        raise CallerError(
            "this Idempotency-Key was used for another request",
            code="idempotency.conflict",
            hint="use a new key for each new request",
        )
    if there.status:
        return Answer(status=there.status, body=there.answer)
    if now < there.expires_at - REMEMBERED + _AT_WORK:
        raise CallerError(
            "the first request with this Idempotency-Key is still being done",
            code="idempotency.conflict",
            hint="ask again in a moment",
        )
    raise CallerError(
        "the first request with this Idempotency-Key was begun and never answered; it may or may not have been done",
        code="idempotency.in_doubt",
        hint="look whether it was, then use a new key if it was not",
    )


async def finish(ground: Ground, who: Principal, key: str, answer: Answer) -> None:
    """Remember what a claimed request was answered with."""
    id_ = _id(who, key)

    async def change(work: Work) -> None:
        rows = scope_of(work, who).remembered
        there = await rows.load(id_)
        if there is not None and not there.status:
            await rows.save(replace(there, status=answer.status, answer=answer.body), there.revision)

    await changing(ground, change)


async def forget(ground: Ground, who: Principal, key: str) -> None:
    """Give a claimed key back: the request was refused and nothing was done."""
    id_ = _id(who, key)

    async def change(work: Work) -> None:
        rows = scope_of(work, who).remembered
        there = await rows.load(id_)
        if there is not None and not there.status:
            await rows.remove(id_)

    await changing(ground, change)


def _id(who: Principal, key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise CallerError(
            f"an Idempotency-Key is 1 to {_LONGEST_KEY} visible ASCII characters",
            code="idempotency.key",
            hint="a random UUID is a good one",
        )
    return hashlib.sha256(f"{who.tenant}\n{who.id}\n{key}".encode()).hexdigest()


def _hashes(ground: Ground, request: bytes) -> tuple[str, ...]:
    """Keyed hashes of a request, the newest key's first: it may hold a password, which a plain hash would let guess."""
    told = f"idempotency {hashlib.sha256(request).hexdigest()}"
    return tuple(digest.hex() for digest in ground.digests(told))
