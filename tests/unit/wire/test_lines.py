"""Bytes into lines, whatever the cuts."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from apiloom.wire.stdio import read_lines


class Cut:
    """Gives bytes in the pieces it was made of."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    async def read(self, n: int, /) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


async def lines(pieces: list[bytes], most: int) -> list[bytes | None]:
    return [line async for line in read_lines(Cut(pieces), most)]


@given(st.lists(st.binary(max_size=8) | st.just(b"\n")), st.integers(0, 12))
def test_lines_do_not_depend_on_how_they_were_cut(pieces: list[bytes], most: int) -> None:
    whole = b"".join(pieces)
    expected = [line if len(line) <= most else None for line in whole.split(b"\n")]
    if not whole or whole.endswith(b"\n"):
        expected.pop()
    assert asyncio.run(lines(pieces, most)) == expected


def test_an_endless_line_is_not_kept() -> None:
    class Endless:
        def __init__(self) -> None:
            self.left = 1000

        async def read(self, n: int, /) -> bytes:
            self.left -= 1
            return b"x" * 65536 if self.left else b""

    async def run() -> list[bytes | None]:
        return [line async for line in read_lines(Endless(), 100)]

    assert asyncio.run(run()) == [None]
