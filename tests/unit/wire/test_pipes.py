"""A process's standard streams: pipes, files, and stray writes."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apiloom.wire.pipes import open_stdio
from apiloom.wire.stdio import read_lines


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


async def test_frames_go_through_pipes_and_stray_writes_do_not() -> None:
    with pipe() as (source, feed), pipe() as (drain, target):
        os.write(feed, b"question\n")
        async with asyncio.timeout(10), open_stdio(source, target) as (reader, writer):
            assert await reader.read(100) == b"question\n"
            writer.write(b"answer\n")
            await writer.drain()
            assert os.fstat(target).st_ino == os.fstat(2).st_ino  # whoever writes there now writes to standard error
            assert os.read(drain, 100) == b"answer\n"
        os.write(target, b"restored\n")
        assert os.read(drain, 100) == b"restored\n"


async def test_a_file_is_read_to_its_end_and_written_in_order(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\n" + b"two" * 100_000 + b"\nthree")
    source = os.open(tmp_path / "in", os.O_RDONLY)
    target = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    try:
        async with asyncio.timeout(10), open_stdio(source, target) as (reader, writer):
            async for line in read_lines(reader, 1_000_000):
                writer.write((line or b"") + b"\n")
                await writer.drain()
    finally:
        os.close(source)
        os.close(target)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes() + b"\n"


async def test_more_than_a_pipe_holds_is_written_when_there_is_room() -> None:
    with pipe() as (source, _), pipe() as (drain, target):
        async with asyncio.timeout(10), open_stdio(source, target) as (_, writer):
            writer.write(b"x" * 1_000_000)
            draining = asyncio.ensure_future(writer.drain())
            left = 1_000_000
            while left:
                left -= len(await asyncio.to_thread(os.read, drain, 65536))
            await draining
