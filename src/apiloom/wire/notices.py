"""The notifications of one listener, encoded once: how it is greeted, told of a change, and sent off.

Knows both eras' words for "the tools have changed"; not when that happens nor how it travels.
Source: MCP 2026-07-28, basic/patterns/subscriptions; 2025-11-25, server/tools "List Changed Notification".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apiloom.protocol import results
from apiloom.protocol.errors import INVALID_PARAMS, Rejection
from apiloom.protocol.frames import Filter, Params, notification_frame, result_frame
from apiloom.protocol.revisions import Revision
from apiloom.wire.card import Card

_LIST_CHANGED: Final = "notifications/tools/list_changed"


@dataclass(frozen=True, slots=True)
class Notices:
    """Frames of one listener; an empty one is not sent."""

    opening: bytes
    change: bytes
    ending: bytes


PLAIN: Final = Notices(b"", notification_frame(_LIST_CHANGED), b"")
"""A legacy listener: told of changes, and nothing else."""


def subscription(params: Params, answer_to: bytes, revision: Revision, card: Card) -> Notices | Rejection:
    """The notices of ``subscriptions/listen``; what was not asked for is not sent."""
    wanted = params.notifications
    if not isinstance(wanted, Filter):
        return Rejection(INVALID_PARAMS, "params.notifications must say what to listen for")
    tools = wanted.tools_list_changed is True
    opening = results.subscribed(answer_to, tools=tools)
    ending = results.subscription_end(card.imprints[revision.name], answer_to)
    return Notices(
        notification_frame("notifications/subscriptions/acknowledged", opening),
        notification_frame(_LIST_CHANGED, results.stamped(answer_to)) if tools else b"",
        result_frame(answer_to, ending),
    )
