"""``policy.audit``: every call leaves a line, whichever way it ends; compiled in only where somebody keeps lines.

A line says who called what, how it ended and how long it took: no argument and no result, which may hold anything.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from apiloom.base.errors import ApiloomError
from apiloom.calls.call import Call, Outcome
from apiloom.calls.ports import AuditSink, Policy, Proceed

CUT = "call.cut"
"""The outcome of a call that was cancelled: its caller left, called it off, or lost the right to it."""

FAILED = "call.failed"
"""The outcome of a call that failed without an error of ours: the API said no, or something of ours broke."""


def record_calls(sink: AuditSink, tool: str) -> Policy:
    """The policy for one tool, by the name it is shown under."""

    def policy(proceed: Proceed) -> Proceed:
        async def audited(call: Call) -> Outcome:
            begun, outcome = monotonic(), FAILED
            try:
                answer = await proceed(call)
                outcome = _told(answer)
            except asyncio.CancelledError:
                outcome = CUT
                raise
            except ApiloomError as error:
                outcome = error.code
                raise
            finally:
                sink.called(call.principal, tool, outcome, monotonic() - begun)
            return answer

        return audited

    return policy


def _told(answer: Outcome) -> str:
    if not answer.failed:
        return "ok"
    error = answer.meta.get("dev.apiloom/error")
    return str(error.get("code", FAILED)) if isinstance(error, dict) else FAILED
