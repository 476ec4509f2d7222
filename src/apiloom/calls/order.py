"""The order of policies around a backend, outermost first, with the reason for each place.

A policy is named by its dotted id: configuration key, documentation anchor, metric label and error prefix in one.
"""

from __future__ import annotations

ORDER: tuple[tuple[str, str], ...] = (
    (
        "policy.results",
        "outermost: whoever answered, what reaches the caller is what was asked for, of a size that can be read",
    ),
    (
        "policy.arguments",
        "innermost: whatever an outer policy rewrites is still checked before it can reach a planner",
    ),
)
