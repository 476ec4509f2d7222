"""What an answer's headers say about rate limits, in one shape: ``{limit, remaining, reset, retry_after}``.

Read are the IETF RateLimit fields (as structured fields and in the older forms), X-RateLimit-*, X-Rate-Limit-*,
Retry-After (RFC 9110 section 10.2.3), and the spellings of vendors, one row of a table each. Times are seconds from
now; what the answer does not say is None. Where several limits are in force, the one nearest to its end is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from apiloom.backends.http.spellings import PERCENT, SPELLINGS, TELLING, USED_OF, ZENDESK, Spelling

Limits = dict[str, float | int | None]

_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)")
_PARAMETER = re.compile(r"[;,\s]\s*([a-z]+)\s*=\s*(\d{1,15})")
_PERCENT = re.compile(r"\"[a-z_]{1,40}\"\s*:\s*(\d{1,6}(?:\.\d{1,6})?)\s*[,}]")
_DURATION = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?"
)
_EPOCH = 1_000_000_000
_THOUSAND = 1000.0


class _Limit(NamedTuple):
    """One limit that is in force."""

    limit: float | int | None = None
    remaining: float | int | None = None
    reset: float | int | None = None

    def nearness(self) -> tuple[float, bool]:
        """How much of it is left, from 0 to 1; what does not say is taken for untouched, and told last."""
        if self.remaining is None:
            return 1.0, self.limit is None
        if self.limit is None or self.limit <= 0:
            return 0.0 if self.remaining <= 0 else 1.0, True
        return min(self.remaining / self.limit, 1.0), False


def read_limits(headers: Mapping[str, str], clock: Callable[[], float]) -> Limits | None:
    """The limits in force, or None when no header speaks of any. Header names are lower-case.

    ``clock`` gives seconds since the epoch; it is asked only when a header is there.
    """
    if TELLING.isdisjoint(headers):
        return None
    now = clock()
    told = [one for one in _in_force(headers, now) if one != _Limit()]
    # min keeps the first of equals: the standard's own fields, then the commonest
    tightest = min(told, key=_Limit.nearness) if told else _Limit()
    found: Limits = {**tightest._asdict(), "retry_after": _retry_after(headers, now)}
    return found if any(value is not None for value in found.values()) else None


def _in_force(headers: Mapping[str, str], now: float) -> Iterator[_Limit]:
    if "ratelimit" in headers or "ratelimit-policy" in headers:
        yield _read_fields(headers.get("ratelimit", ""), headers.get("ratelimit-policy", ""))
    for row in SPELLINGS:
        if row.limit in headers or row.remaining in headers:
            yield _read_row(row, headers, now)
    for name in USED_OF:
        used, slash, most = headers.get(name, "").rpartition("=")[2].partition("/")
        if slash and used.isdecimal() and most.isdecimal() and len(most) < 16 and len(used) < 16:
            yield _Limit(int(most), max(0, int(most) - int(used)))
    if ZENDESK in headers:
        said = dict(_PARAMETER.findall(f";{headers[ZENDESK][:500]}"))
        yield _Limit(*(int(said[key]) if key in said else None for key in ("total", "remaining", "resets")))
    for name in PERCENT:
        shares = [float(share) for share in _PERCENT.findall(headers.get(name, "")[:2000])]
        if shares:
            yield _Limit(100, max(0, 100 - int(-(-max(shares) // 1))))


def _read_row(row: Spelling, headers: Mapping[str, str], now: float) -> _Limit:
    limit = _count(headers.get(row.limit, ""))
    remaining = _count(headers.get(row.remaining, ""))
    used = _count(headers.get(row.used, "")) if row.used else None
    if used is not None and remaining is None and limit is not None:
        remaining = max(0, limit - used)
    elif used is not None and limit is None and remaining is not None:
        limit = used + remaining
    reset = None
    for name in row.resets:
        value = headers.get(name)
        if value is not None:
            reset = _seconds(value, now, thousandth=name.endswith(("-ms", "-milliseconds")))
            break
    return _Limit(limit, remaining, reset)


def _retry_after(headers: Mapping[str, str], now: float) -> float | int | None:
    """Retry-After; Azure and OpenAI say it in thousandths as well, which is the more exact."""
    if "retry-after-ms" in headers:
        exact = _seconds(headers["retry-after-ms"], now, thousandth=True)
        if exact is not None:
            return exact
    return _seconds(headers["retry-after"], now) if "retry-after" in headers else None


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


def _read_fields(state: str, policy: str) -> _Limit:
    """RateLimit and RateLimit-Policy; of several policies the one with least remaining is told."""
    quotas = {name: item["q"] for name, item in _items(policy) if "q" in item}
    least = min(quotas.values(), default=None)
    told = []
    for name, item in _items(state):
        left = item.get("r", item.get("remaining"))
        if left is not None:
            limit = item.get("limit", quotas.get(name, least))
            told.append(_Limit(limit, left, item.get("t", item.get("reset"))))
    return min(told, key=lambda one: one.remaining or 0) if told else _Limit(least)


def _items(value: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The members of a list of items with numeric parameters, or the one dictionary of the older drafts."""
    if "remaining" in value:
        yield "", {name: int(number) for name, number in _PARAMETER.findall(f",{value.lower()}")}
        return
    for member in value.split(","):
        name, _, _ = member.partition(";")
        yield name.strip(), {key: int(number) for key, number in _PARAMETER.findall(member.lower())}


def _count(value: str) -> float | int | None:
    """The first number: ``100, 100;w=60`` is 100. Fractions are rates, or whole numbers in another dress."""
    match = _NUMBER.match(value)
    if match is None:
        return None
    number = float(match.group(1))
    return int(number) if number == int(number) or number > 1 else number


def _seconds(value: str, now: float, *, thousandth: bool = False) -> float | int | None:
    """Seconds from now, from seconds, a time since the epoch (in whatever part of seconds), a duration or a date."""
    value = value.partition(",")[0].partition(";")[0].strip()[:64] if value[:1].isdecimal() else value.strip()[:64]
    match = _NUMBER.fullmatch(value)
    if match:
        number = float(match.group(1))
        if number >= _EPOCH:
            while number >= _EPOCH * _THOUSAND:
                number /= _THOUSAND
            return _tidy(number - now)
        return _tidy(number / _THOUSAND if thousandth else number)
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
