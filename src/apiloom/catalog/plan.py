"""The value a planner makes: one HTTP request, exact to the byte, not yet signed.

Pure. The planners live beside it; ``backends/http`` sends what stands here and adds nothing but credentials and what
the connection itself needs.
"""

from __future__ import annotations

from apiloom.base.pieces import Body
from apiloom.base.values import Value, field


class HttpPlan(Value, kw_only=True):
    """A request ready to be signed.

    ``origin`` is ``scheme://host[:port]``; ``target`` the path and query exactly as they go on the request line;
    ``headers`` in order, names as written. ``security`` is left to the signer. A ``body`` is in pieces
    where files are part of it that lie elsewhere.
    """

    method: str
    origin: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Body | None = None
