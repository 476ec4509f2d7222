"""How many tools of a server its account cannot sign: told when the server is made, not on the first call.

Knows the names of the schemes that an account has credentials or grants for, never a credential.
"""

from __future__ import annotations

from typing import Final

from apiloom.app.gateway.connections import defined_schemes
from apiloom.base.secret import Secret
from apiloom.compile.server import Edition
from apiloom.flows.ground import Part
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.signers import missing

MOST_LOOKED: Final = 1_000
"""Tools that are looked at; of a larger connector the first ones tell enough."""

_SOME: Final = Credential(token=Secret("-"), username="-", password=Secret("-"))
"""Stands for whatever an account has for a scheme: what matters is that it has something."""


def lacking(part: Part, edition: Edition) -> str:
    """A sentence about the tools that the account of a part cannot sign; empty where there are none, or no account.

    Decodes the tools that are shown: to be called in a thread.
    """
    account = part.account
    if account is None:
        return ""
    schemes = {**edition.artefact.schemes, **defined_schemes(part.compiled.version.options)}
    given = Credentials(dict.fromkeys((*account.schemes, *part.granted), _SOME))
    wanted: set[str] = set()
    count = 0
    for name in edition.names[:MOST_LOOKED]:
        lacks = missing(edition.tools[name].binding.security, schemes, given)
        count += bool(lacks)
        wanted |= set(lacks)
    if not count:
        return ""
    named = ", ".join(sorted(wanted)[:5])
    many = f"{count} tools" if count > 1 else "1 tool"
    return f"the account {account.label or account.id} has no credentials ({named}) for {many} of {edition.slug}"
