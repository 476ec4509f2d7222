"""What passes the check of targets reaches a socket byte for byte; what it refuses would have been changed."""

from __future__ import annotations

import random

import pytest

from apiloom.base.errors import ApiloomError, DesignError
from apiloom.net import client, target
from apiloom.net.request import Request
from support.roads import ROADS, Way, by_client
from support.sockets import WITHIN, answer, peer, says

SEGMENTS = (
    "",
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    ".%2e",
    "%2E%2e",
    "%2e%2e%2e",
    "..;a",
    ".a",
    "a.",
    "a",
    "%41",
    "%",
    "%zz",
)
SIGNS = [chr(code) for code in range(0x80)] + ["\x85", "é", "€", "😀", "%2F", "%00", "%5C", "%27"]


def generated(count: int) -> list[str]:
    """Targets of every kind, the same ones on every machine."""
    dice = random.Random(20)
    found = []
    for _ in range(count):
        parts = [
            dice.choice(SEGMENTS) if dice.random() < 0.4 else "".join(dice.choices(SIGNS, k=dice.randrange(4)))
            for _ in range(dice.randrange(1, 5))
        ]
        query = "?" + "".join(dice.choices([*SIGNS, "a", "b", "=", "&", "/../"], k=dice.randrange(5)))
        found.append("/" + "/".join(parts) + (query if dice.random() < 0.5 else ""))
    return found


async def sent(targets: list[str], way: Way = by_client) -> list[bytes | ApiloomError]:
    """What each target became on the request line, or the error that kept it from being sent."""
    async with peer(says(answer(b""))) as it:
        sender = way()
        results: list[bytes | ApiloomError] = []
        for text in targets:
            it.seen.clear()
            try:
                await sender.send(Request(method="GET", origin=it.origin, target=text, timeout=WITHIN))
            except ApiloomError as error:
                results.append(error)
            else:
                line = it.seen[0][0].split(b"\r\n", 1)[0]
                results.append(line.removeprefix(b"GET ").removesuffix(b" HTTP/1.1"))
        await sender.close()
    return results


async def test_what_passes_arrives_byte_for_byte() -> None:
    passing = [text for text in generated(12_000) if target.sent_exactly(text)]
    assert len(passing) > 1_000
    for way in ROADS.values():
        assert await sent(passing, way) == [text.encode("ascii") for text in passing]


async def test_what_is_refused_would_have_been_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [text for text in generated(4_000) if not target.sent_exactly(text)]
    assert len(refused) > 1_000
    monkeypatch.setattr(client.target, "sent_exactly", lambda text: True)
    arrived = await sent(refused)
    unchanged = [text for text, bytes_ in zip(refused, arrived, strict=True) if bytes_ == text.encode()]
    assert unchanged == []


@pytest.mark.parametrize("code", range(0x20, 0x7F))
async def test_every_printable_sign_is_either_sent_or_refused_in_path_and_query(code: int) -> None:
    for text in (f"/a{chr(code)}b", f"/a?x{chr(code)}b"):
        (arrived,) = await sent([text])
        if isinstance(arrived, ApiloomError):
            assert isinstance(arrived, DesignError)
            assert arrived.code == "net.target"
        else:
            assert arrived == text.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pets", "does not start with a slash"),
        ("", "does not start with a slash"),
        ("@evil.example/x", "does not start with a slash"),
        ("/a/../b", "'.' or '..'"),
        ("/a/%2E%2e", "'.' or '..'"),
        ("/a/.?b", "'.' or '..'"),
        ("/a b", "the path holds ' '"),
        ("/a\\b", "the path holds"),
        ("/a?b#c", "the query holds '#'"),
        ("/a?b='c'", 'the query holds "\'"'),
        ("/a?é", "the query holds U+00E9"),
        ("/a\r\nHost: x", "the path holds U+000D"),
    ],
)
def test_a_refusal_says_which_part_and_why_and_never_shows_the_target(text: str, why: str) -> None:
    assert not target.sent_exactly(text)
    error = target.altered(text)
    assert error.code == "net.target"
    assert why in error.message
    assert "evil" not in error.sentence()


@pytest.mark.parametrize("way", ROADS.values(), ids=ROADS)
async def test_the_longest_url_is_sent_and_one_more_character_is_refused(way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        sender = way()
        room = target.LONGEST_URL - len(it.origin)
        fits = Request(method="GET", origin=it.origin, target="/" + "a" * (room - 1), timeout=WITHIN)
        assert (await sender.send(fits)).status == 200
        assert it.targets() == [fits.target.encode()]
        with pytest.raises(DesignError, match="URL would have 65535 characters"):
            await sender.send(Request(method="GET", origin=it.origin, target="/" + "a" * room))
        await sender.close()


def test_the_check_takes_time_linear_in_the_length() -> None:
    # a pattern that backtracks would not end within the life of this test
    for text in ("/" + "a" * 200_000 + "\n", "/a" * 100_000 + " ", "/" * 200_000 + "<", "/%2" * 60_000 + "%2e/.."):
        assert not target.sent_exactly(text)


@pytest.mark.parametrize(
    ("origin", "plain"),
    [
        ("http://example.com", True),
        ("https://a_b.example.com:8443", True),
        ("http://[::1]:80", True),
        ("http://127.0.0.1:1", True),
        ("http://user:pass@example.com", False),
        ("http://example.com/path", False),
        ("http://example.com?x", False),
        ("http://example.com#x", False),
        ("ftp://example.com", False),
        ("http://", False),
        ("http://exa mple.com", False),
        ("http://example.com:", False),
        ("http://example.com\n", False),
        ("//example.com", False),
    ],
)
def test_an_origin_is_scheme_host_and_port_and_nothing_else(origin: str, plain: bool) -> None:
    assert target.plain_origin(origin) is plain
