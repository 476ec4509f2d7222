"""The progress of one exchange, told on a scale of three: sent, headers received, done."""

from __future__ import annotations

from apiloom.calls.call import Progress
from apiloom.net.request import Watch

_STEP = 0.05
"""The least share of an answer worth a message of its own: progress is for people, not for each packet."""


def watching(progress: Progress) -> Watch:
    """A watch that tells ``progress`` rising numbers: 1 sent, 2 headers received, up to 3 as the answer comes in.

    Called with -1 before sending. Without a known length nothing is told between 2 and 3.
    """
    told = 0.0

    def watch(received: int, total: int | None) -> None:
        nonlocal told
        if received < 0:
            done, message = 1.0, "sent"
        elif received == 0:
            done, message = 2.0, "headers received"
        elif total:
            done, message = 2.0 + min(received / total, 0.99), f"{received:,} of {total:,} bytes received"
        else:
            return
        if done >= told + _STEP:
            told = done
            progress(done, 3.0, message)

    return watch
