"""Client certificates of accounts: ``{"certificate": PEM, "private_key": PEM}``.

The connection carries them (RFC 8446 section 4.4.2), so nothing is put on a request; whoever opens connections for an
account asks :func:`identity_of`. They belong to the origins that an account's credentials belong to and to no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.net.settings import NetSettings
from apiloom.net.tls import check_settings
from apiloom.vault.credentials import Certificate, Credential, Credentials
from apiloom.vault.marks import Mark, Signature, traces
from apiloom.vault.pems import key_lines

MEMBERS = frozenset({"certificate", "private_key"})
FORM = '{"certificate": PEM, "private_key": PEM}'

_LONGEST = 64 * 1024

Text = Callable[[str, Any], str]
"""Reads a text of a scheme."""


def parse_certificate(scheme: str, value: Mapping[str, Any], text: Text, *, is_whole: bool = True) -> Credential:
    """The credential of a scheme in the form of :data:`FORM`; the certificate's chain may follow it. Where it is not
    whole, because a part lies elsewhere and was not read, it is not tried either.

    Raises:
        DesignError: ``credentials.form``; ``credentials.value`` when the two do not belong together.
    """
    if set(value) != MEMBERS:
        raise DesignError(f"the certificate of {scheme} is no pair", code="credentials.form", hint=f"write {FORM}")
    certificate, key = (text(scheme, value[name]).strip() for name in ("certificate", "private_key"))
    pem = f"{certificate}\n{key}\n"
    if len(pem) > _LONGEST or not pem.isascii():
        raise _unusable(scheme)
    try:
        if is_whole:
            check_settings(NetSettings(identity_pem=pem.encode()))
    except DesignError:
        raise _unusable(scheme) from None
    return Credential(form=Certificate(pem=Secret(pem), key=Secret(key)))


def build_certificate(certificate: Certificate) -> Signature:
    """Nothing is put on a request. The lines of the key must not come back, should anybody have them."""
    return Signature(real=Mark(), shown=Mark(), secrets=traces(*key_lines(certificate.key.reveal())))


def check_alone(credentials: Credentials) -> None:
    """That there is no second certificate: a connection shows one.

    Raises:
        DesignError: ``credentials.form``.
    """
    schemes = sorted(name for name, each in credentials.by_scheme.items() if isinstance(each.form, Certificate))
    if len(schemes) > 1:
        raise DesignError(
            f"there are certificates for {schemes[0]} and for {schemes[1]}, and a connection shows one",
            code="credentials.form",
            hint="make an account for each",
        )


def identity_of(credentials: Credentials) -> bytes:
    """The certificate with its key that connections for these credentials show; empty where there is none."""
    forms = (credential.form for credential in credentials.by_scheme.values())
    return next((form.pem.reveal().encode() for form in forms if isinstance(form, Certificate)), b"")


def _unusable(scheme: str) -> DesignError:
    return DesignError(
        f"the certificate and the private key of {scheme} cannot be used together",
        code="credentials.value",
        hint="give both as PEM, the key without a password and belonging to the first certificate",
    )
