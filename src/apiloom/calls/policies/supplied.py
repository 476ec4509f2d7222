"""``policy.supplied``: arguments that an overlay has settled are put beside those that the caller gives.

What is fixed or hidden is no argument of the tool as its callers see it, so giving it is refused like any other unknown
name. A tool without such arguments has no such policy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.base.values import replace
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.calls.ports import Policy, Proceed
from apiloom.catalog.tool import Supplied


def supply_arguments(tool: str, supplied: Supplied, accepted: Sequence[str]) -> Policy:
    """The policy for one tool. ``accepted`` are the arguments that callers may give."""
    fixed = dict(supplied.fixed)
    defaults = dict(supplied.defaults)
    settled = frozenset(fixed) | supplied.hidden

    async def refused(given: Sequence[str]) -> Outcome:
        takes = ", ".join(accepted) if accepted else "none"
        word = "argument" if len(given) == 1 else "arguments"
        error = CallerError(
            f"{tool} was not called, its arguments are not right: unknown {word} {', '.join(map(repr, given))}",
            code="policy.arguments.invalid",
            hint=f"accepted arguments are {takes}",
        )
        return refusal(error)

    def policy(proceed: Proceed) -> Proceed:
        def arguments(call: Call) -> Awaitable[Outcome]:
            given: dict[str, Any] = call.arguments
            if not settled.isdisjoint(given):
                return refused(sorted(settled & given.keys()))
            return proceed(replace(call, arguments={**defaults, **given, **fixed}))

        return arguments

    return policy
