"""A signer for what a caller lends for one call: their own ``Authorization``, word for word, to pinned origins alone.

Made for a call and forgotten with it. Knows no requests of ours and not where the value came from.
"""

from __future__ import annotations

import base64
import binascii

from apiloom.base.secret import Secret
from apiloom.vault.marks import HIDDEN, Mark, joined, traces
from apiloom.vault.signers import StaticSigner

_AUTHORIZATION = "Authorization"


def lent_signer(value: Secret, *, constants: Mark, pinned: frozenset[str], scheme: str) -> StaticSigner:
    """Signs with the value as it is, beside constant headers. ``scheme`` is what it is called in sentences."""
    text = value.reveal()
    kind, _, credential = text.partition(" ")
    others = Mark(headers=tuple(one for one in constants.headers if one[0].lower() != _AUTHORIZATION.lower()))
    shown = f"{kind} {HIDDEN}" if credential else HIDDEN
    return StaticSigner(
        schemes=(scheme,),
        secrets=traces(text, *_parts(kind, credential.strip()), whole=text),
        pinned=pinned,
        real=joined([others, Mark(headers=((_AUTHORIZATION, text),))]),
        shown=joined([others, Mark(headers=((_AUTHORIZATION, shown),))]),
    )


def _parts(kind: str, credential: str) -> tuple[str, ...]:
    """What of the value is secret by itself: what follows the kind, and of a pair the password (RFC 7617)."""
    if not credential:
        return ()
    if kind.lower() != "basic":
        return (credential,)
    try:
        username, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return (credential,)
    return (credential, password or username)
