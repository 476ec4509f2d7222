"""A transport that gathers the writes of one turn of the event loop."""

import asyncio
from typing import Any

from apiloom.app.gather import Gathering


class Recorder:
    """What a transport would have sent, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False
        self.protocol: Any = None

    def writelines(self, pieces: list[bytes]) -> None:
        self.writes.append(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str) -> str:
        return f"about {name}"


async def test_writes_of_one_turn_leave_as_one_in_order() -> None:
    real = Recorder()
    transport = Gathering(real, asyncio.get_running_loop())  # type: ignore[arg-type]
    transport.write(b"head ")
    transport.write(b"body")
    assert real.writes == []
    await asyncio.sleep(0)
    assert real.writes == [b"head body"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert real.writes == [b"head body", b"next"]


async def test_closing_and_handing_over_lose_nothing() -> None:
    real = Recorder()
    transport = Gathering(real, asyncio.get_running_loop())  # type: ignore[arg-type]
    transport.write(b"last words")
    transport.close()
    assert real.writes == [b"last words"]
    assert real.closed
    await asyncio.sleep(0)
    assert real.writes == [b"last words"]
    other = Recorder()
    transport = Gathering(other, asyncio.get_running_loop())  # type: ignore[arg-type]
    transport.write(b"switching")
    transport.set_protocol(asyncio.Protocol())
    assert other.writes == [b"switching"]
    assert other.protocol is not None


async def test_nothing_is_written_to_a_connection_that_was_lost() -> None:
    real = Recorder()
    transport = Gathering(real, asyncio.get_running_loop())  # type: ignore[arg-type]
    transport.write(b"too late")
    real.closed = True
    await asyncio.sleep(0)
    assert real.writes == []
    assert transport.get_extra_info("peername") == "about peername"
