"""The signer of a call that goes out with what its caller lends, where a backend was made for that.

Stands between a call's principal and the vault; whether a caller may lend anything was decided where they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from apiloom.calls.call import Call
from apiloom.vault.lending import lent_signer
from apiloom.vault.marks import Mark
from apiloom.vault.signers import StaticSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """Signs with what callers lend for the connector ``slug``, to ``pinned`` origins, beside ``constants``."""

    slug: str
    pinned: frozenset[str]
    constants: Mark = field(default_factory=Mark, repr=False)

    def signer(self, call: Call) -> StaticSigner | None:
        """The signer of one call; None where its caller lends nothing for this connector."""
        delegation = call.principal.delegation
        value = None if delegation is None else delegation.headers.get(self.slug)
        if value is None:
            return None
        return lent_signer(value, constants=self.constants, pinned=self.pinned, scheme=f"{self.slug} (lent)")
