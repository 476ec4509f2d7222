"""The search for leaked secrets finds them in every form, and nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import logging
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from support.leaks import Canaries, canary, core_of, leaks, listening, needles, objects, shown

SECRET = canary("planted")


def packed(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as bundle:
        content = text.encode()
        entry = tarfile.TarInfo("inner.txt")
        entry.size = len(content)
        bundle.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", text)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[str], str | bytes]] = {
    "plain": str,
    "json": json.dumps,
    "json of json": lambda text: json.dumps(json.dumps(text)),
    "escaped": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "html": html.escape,
    "entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "url": lambda text: quote(text, safe=""),
    "url of all": lambda text: "".join(f"%{ord(sign):02x}" for sign in text),
    "url twice": lambda text: quote("".join(f"%{ord(sign):02X}" for sign in text), safe=""),
    "hex": lambda text: text.encode().hex(),
    "hex upper": lambda text: text.encode().hex().upper(),
    "hex colons": lambda text: text.encode().hex(":"),
    "hex spaces": lambda text: text.encode().hex(" "),
    "hex bytes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "reversed": lambda text: text[::-1],
    "gzip": lambda text: gzip.compress(text.encode()),
    "zlib": lambda text: zlib.compress(text.encode()),
    "gzip of tar": lambda text: gzip.compress(packed(text)),
    "zip": zipped,
    "python": lambda text: repr(text.encode()),
    **{
        f"{name} {around}": lambda text, around=around, encode=encode: encode(b"x" * around + text.encode() + b"yy")
        for around in range(3)
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode))
    },
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_planted_secret_is_found_however_it_is_written(writer: str) -> None:
    canaries = Canaries()
    canaries.add("planted")
    canaries.add("another")
    written = WRITERS[writer](f"before {SECRET} after")
    raw = written.encode() if isinstance(written, str) else written
    found = leaks(canaries, {"a road": raw, "clean": b"nothing here"})
    assert {(leak.field, leak.road) for leak in found} == {("planted", "a road")}


@pytest.mark.parametrize("key", [bytes(range(100, 132)), bytes(range(0, 256, 8)), hashlib.sha256(b"a key").digest()])
def test_bytes_are_found_as_they_are_and_encoded(key: bytes) -> None:
    canaries = Canaries()
    canaries.add("key", key)
    text = key.decode("latin-1")
    every: list[str | bytes] = [
        b"<" + key + b">",
        base64.b64encode(b"ab" + key),
        key.hex(),
        repr(key),
        repr({1: [key]}),
    ]
    every += [json.dumps(repr(key)), json.dumps(text), text, json.dumps(list(key)), repr(tuple(key)), quote(key)]
    for written in every:
        assert leaks(canaries, {"road": written}), written


def test_what_is_no_secret_is_not_found() -> None:
    canaries = Canaries()
    canaries.add("planted")
    noise = b"".join(core_of(f"other {number}").encode() for number in range(2000))
    assert leaks(canaries, {"noise": noise, "hex": noise.hex().encode(), "base64": base64.b64encode(noise)}) == []
    assert len({core_of(f"f{number}") for number in range(1000)}) == 1000
    assert min(len(needle) for needle in needles(core_of("planted").encode()).values()) > 20


def test_logs_are_heard_at_every_level_with_their_arguments_and_locals() -> None:
    canaries = Canaries()
    secret = canaries.add("planted")
    logger = logging.getLogger("some.library.of.others")
    logger.setLevel(logging.ERROR)
    with listening() as heard:
        logger.debug("a request with %s", secret)
    assert leaks(canaries, {"log": heard.text()})
    with listening() as heard:
        try:
            _stumble(secret)
        except KeyError:
            logger.exception("it failed")
    assert leaks(canaries, {"log": heard.text()})
    assert logger.level == logging.ERROR


def test_tracebacks_are_read_with_the_locals_of_every_frame() -> None:
    canaries = Canaries()
    secret = canaries.add("planted")
    with pytest.raises(KeyError) as caught:
        _stumble(secret)
    assert leaks(canaries, {"traceback": shown(caught.value)})


def _stumble(held: str) -> None:
    copied = {"in": held}
    raise KeyError(str(len(copied)))


@dataclass
class Holder:
    held: str


def test_living_objects_are_asked_what_they_show() -> None:
    canaries = Canaries()
    alive = Holder(canaries.add("planted"))
    assert leaks(canaries, {"objects": objects(__name__.partition(".")[0])})
    assert alive.held
