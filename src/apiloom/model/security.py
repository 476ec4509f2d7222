"""Which HTTP authentication schemes no fixed value can satisfy. A table; knows neither documents nor secrets."""

from __future__ import annotations

CHALLENGED = frozenset({"digest", "hoba", "mutual", "negotiate", "ntlm", "dpop", "scram-sha-1", "scram-sha-256"})
"""Their proof is made anew for each request, from a challenge or the request itself."""
