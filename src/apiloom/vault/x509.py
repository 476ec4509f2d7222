"""Certificates that callers have shown, read: whose they are, how long they count, and what they may be used for.

Knows no headers and no rules, and trusts nothing but what it is handed: who believes that a certificate was shown, and
what its names are worth, is for those above. Chains are a TLS-terminating proxy's to verify; :class:`Authorities` does
it once more where an operator wants that.
Sources: RFC 5280 sections 4.1 and 4.2.1, RFC 4514, RFC 8705 section 3.1.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

MOST_NAMES: Final = 100
"""Names of one kind that a certificate may have."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_FOR_CLIENTS: Final = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


class Unusable(ValueError):  # noqa: N818 - what the certificate is
    """A certificate that nobody is recognised by. Its text says why, for logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A client's certificate.

    ``claims`` are its names and numbers, a text each, or a list where there are several; those it has not are left out.
    It counts from ``begins`` to ``ends``, in seconds since the epoch.
    """

    claims: Mapping[str, Any]
    begins: float
    ends: float


def thumbprint(der: bytes) -> bytes:
    """The SHA-256 of a certificate, by which tokens are bound to it."""
    return hashlib.sha256(der).digest()


def read_certificate(der: bytes) -> Certificate:
    """Read the certificate of a client.

    Raises:
        Unusable: it is none, is an authority's, is not for clients, or insists on what is not understood.
    """
    try:
        with warnings.catch_warnings():
            # what is odd about it is of no use to whoever reads the log
            warnings.simplefilter("ignore")
            return _read(x509.load_der_x509_certificate(der))
    except Unusable:
        raise
    except _UNREADABLE:
        raise Unusable("it cannot be read") from None


def _read(found: x509.Certificate) -> Certificate:
    _check_use(found)
    names = _Names(found)
    claims = {
        "fingerprint": [thumbprint(found.public_bytes(Encoding.DER)).hex()],
        "subject": [found.subject.rfc4514_string()],
        "cn": [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)],
        "dns": names.of(x509.DNSName),
        "uri": names.of(x509.UniformResourceIdentifier),
        "email": names.of(x509.RFC822Name),
        "issuer": [found.issuer.rfc4514_string()],
        "serial": [f"{found.serial_number:x}"],
    }
    if any(len(each) > MOST_NAMES for each in claims.values()):
        raise Unusable("it has too many names")
    told = {name: tuple(text for text in texts if text) for name, texts in claims.items()}
    return Certificate(
        claims={name: texts[0] if len(texts) == 1 else list(texts) for name, texts in told.items() if texts},
        begins=found.not_valid_before_utc.timestamp(),
        ends=found.not_valid_after_utc.timestamp(),
    )


def _check_use(found: x509.Certificate) -> None:
    """That it is a client's own (RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12)."""
    if found.version is not x509.Version.v3:
        raise Unusable("it is of an old form, of which nobody can say what it is for")
    for extension in found.extensions:
        value = extension.value
        if isinstance(value, x509.UnrecognizedExtension) and extension.critical:
            raise Unusable("it insists on what is not understood")
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise Unusable("it is an authority's")
        if isinstance(value, x509.KeyUsage) and (
            value.key_cert_sign or not (value.digital_signature or value.key_agreement)
        ):
            raise Unusable("its key is not for clients")
        if isinstance(value, x509.ExtendedKeyUsage) and _FOR_CLIENTS.isdisjoint(value):
            raise Unusable("it is not for clients")


class _Names:
    """The alternative names of a certificate's subject (RFC 5280 section 4.2.1.6)."""

    def __init__(self, found: x509.Certificate) -> None:
        values = (extension.value for extension in found.extensions)
        self._names = [value for value in values if isinstance(value, x509.SubjectAlternativeName)]

    def of(self, kind: type[Any]) -> Sequence[str]:
        return [str(each) for value in self._names for each in value.get_values_for_type(kind)]


class Authorities:
    """Those who may have signed a client's certificate.

    Args:
        pem: their certificates, one after the other.

    Raises:
        Unusable: there is none in it, or one that cannot be read.
    """

    def __init__(self, pem: bytes) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._store = Store(x509.load_pem_x509_certificates(pem))
        except _UNREADABLE:
            raise Unusable("they are no certificates in PEM") from None
        # what a client's certificate is for was looked at when it was read; of theirs only that they are authorities
        self._policies = {
            "ee_policy": ExtensionPolicy.permit_all(),
            "ca_policy": ExtensionPolicy.permit_all().require_present(
                x509.BasicConstraints, Criticality.AGNOSTIC, None
            ),
        }

    def check(self, der: bytes, now: float) -> None:
        """See that one of them has signed a certificate, and that both count at ``now``, in seconds since the epoch.

        Raises:
            Unusable: none has.
        """
        policy = PolicyBuilder().store(self._store).time(datetime.fromtimestamp(now, UTC))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                client = x509.load_der_x509_certificate(der)
                policy.extension_policies(**self._policies).build_client_verifier().verify(client, [])
        except (VerificationError, *_UNREADABLE):
            raise Unusable("none of the authorities has signed it") from None
