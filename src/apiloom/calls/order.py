"""The order of policies around a backend, outermost first, with the reason for each place.

A policy is named by its dotted id: configuration key, documentation anchor, metric label and error prefix in one.
"""

from __future__ import annotations

ORDER: tuple[tuple[str, str], ...] = (
    (
        "policy.audit",
        "outermost: however a call ends, refused and cut off too, there is a line of it",
    ),
    (
        "policy.supplied",
        "before any policy that reads arguments: what an overlay sends is like what the caller does",
    ),
    (
        "policy.results",
        "around the rest: whoever answered, what reaches the caller is what was asked for, of a size that can be read",
    ),
    (
        "policy.arguments",
        "innermost: whatever an outer policy rewrites is still checked before it can reach a planner",
    ),
)
