"""The order of policies around a backend, outermost first, with the reason for each place.

A policy is named by its dotted id: configuration key, documentation anchor, metric label and error prefix in one.
"""

from __future__ import annotations

ORDER: tuple[tuple[str, str], ...] = (
    (
        "policy.arguments",
        "innermost: whatever an outer policy rewrites is still checked before it can reach a planner",
    ),
)
