"""What an answer's headers say about rate limits, in one shape: ``{limit, remaining, reset, retry_after}``.

Read are the IETF RateLimit fields (as structured fields and in the older forms), X-RateLimit-*, X-Rate-Limit-*,
Retry-After (RFC 9110 section 10.2.3), and the common vendors' spellings. Times are seconds from now; what the answer
does not say is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Limits = dict[str, float | int | None]

_FAMILIES = ("x-ratelimit-{}", "x-rate-limit-{}", "ratelimit-{}", "x-ratelimit-{}-requests", "rate-limit-{}")
_TELLING = frozenset(
    [family.format(part) for family in _FAMILIES for part in ("limit", "remaining", "reset")]
    + ["ratelimit", "ratelimit-policy", "retry-after", "x-shopify-shop-api-call-limit"]
)
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,6})?)")
_PARAMETER = re.compile(r"[;,\s]\s*([a-z]+)\s*=\s*(\d{1,15})")
_DURATION = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?"
)
_EPOCH = 1_000_000_000
_EPOCH_MILLISECONDS = 1_000_000_000_000


def read_limits(headers: Mapping[str, str], clock: Callable[[], float]) -> Limits | None:
    """The limits in force, or None when no header speaks of any. Header names are lower-case.

    ``clock`` gives seconds since the epoch; it is asked only when a header is there.
    """
    if _TELLING.isdisjoint(headers):
        return None
    now = clock()
    found: Limits = {"limit": None, "remaining": None, "reset": None, "retry_after": None}
    for family in _FAMILIES:
        if f"{family.format('remaining')}" in headers or f"{family.format('limit')}" in headers:
            found["limit"] = _count(headers.get(family.format("limit"), ""))
            found["remaining"] = _count(headers.get(family.format("remaining"), ""))
            found["reset"] = _seconds(headers.get(family.format("reset"), ""), now)
            break
    if "ratelimit" in headers or "ratelimit-policy" in headers:
        _read_fields(headers.get("ratelimit", ""), headers.get("ratelimit-policy", ""), found)
    used, slash, most = headers.get("x-shopify-shop-api-call-limit", "").partition("/")
    if slash and used.isdecimal() and most.isdecimal():
        found["limit"], found["remaining"] = int(most), max(0, int(most) - int(used))
    if "retry-after" in headers:
        found["retry_after"] = _seconds(headers["retry-after"], now)
    return found if any(value is not None for value in found.values()) else None


def limits_sentence(limits: Limits) -> str:
    """The limits for people: ``limit 60, 0 remaining, resets in 35 s, retry after 35 s``."""
    said = []
    if limits["limit"] is not None:
        said.append(f"limit {limits['limit']}")
    if limits["remaining"] is not None:
        said.append(f"{limits['remaining']} remaining")
    if limits["reset"] is not None:
        said.append(f"resets in {limits['reset']} s")
    if limits["retry_after"] is not None:
        said.append(f"retry after {limits['retry_after']} s")
    return ", ".join(said)


def _read_fields(state: str, policy: str, found: Limits) -> None:
    """RateLimit and RateLimit-Policy; of several policies the one with least remaining is told."""
    tightest: dict[str, int] | None = None
    name = ""
    for name_here, item in _items(state):
        left = item.get("r", item.get("remaining"))
        if left is not None and (tightest is None or left < tightest.get("r", tightest.get("remaining", 0))):
            tightest, name = item, name_here
    quota: int | None = None
    for name_here, item in _items(policy):
        if quota is None or name_here == name:
            quota = item.get("q", quota)
    if tightest is not None:
        found["remaining"] = tightest.get("r", tightest.get("remaining"))
        found["reset"] = tightest.get("t", tightest.get("reset", found["reset"]))
        quota = tightest.get("limit", quota)
    if quota is not None:
        found["limit"] = quota


def _items(value: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The members of a list of items with numeric parameters, or the one dictionary of the older drafts."""
    if "remaining" in value:
        yield "", {name: int(number) for name, number in _PARAMETER.findall(f",{value.lower()}")}
        return
    for member in value.split(","):
        name, _, _ = member.partition(";")
        yield name.strip(), {key: int(number) for key, number in _PARAMETER.findall(member.lower())}


def _count(value: str) -> int | None:
    """The first number: ``100, 100;w=60`` is 100."""
    match = _NUMBER.match(value)
    return int(float(match.group(1))) if match else None


def _seconds(value: str, now: float) -> float | int | None:
    """Seconds from now, from seconds, a time since the epoch (in seconds or milliseconds), a duration or a date."""
    value = value.strip()[:64]
    match = _NUMBER.fullmatch(value)
    if match:
        number = float(match.group(1))
        if number >= _EPOCH_MILLISECONDS:
            number = number / 1000 - now
        elif number >= _EPOCH:
            number -= now
        return _tidy(number)
    parts = _DURATION.fullmatch(value) if value else None
    if parts and any(parts.groups()):
        days, hours, minutes, seconds, thousandths = (float(part or 0) for part in parts.groups())
        return _tidy(days * 86400 + hours * 3600 + minutes * 60 + seconds + thousandths / 1000)
    moment = _date(value)
    return None if moment is None else _tidy(moment - now)


def _date(value: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _tidy(seconds: float) -> float | int:
    """Never negative, rounded up to whole seconds above one: waiting a moment too long costs less than too short."""
    if seconds <= 0:
        return 0
    return round(seconds, 3) if seconds < 1 else int(-(-seconds // 1))
