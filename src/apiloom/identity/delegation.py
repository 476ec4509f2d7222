"""What a caller lends for one call: the credential that an API is to be called with on their own behalf.

Taken from a request only where a server is configured for it. It cannot be printed, logged, pickled or put into JSON,
and has two uses: it goes to one connector as the header said, or it is the subject of a token exchange (RFC 8693).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apiloom.base.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """``headers`` are the values of ``X-Upstream-Authorization-{slug}`` by slug; ``subject`` is the verified token that
    the caller was let in with, where it may be exchanged. ``caller`` is the id by which that token alone tells whose
    files are meant; empty where more was lent than that.
    """

    headers: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    subject: Secret | None = field(default=None, repr=False)
    caller: str = ""
