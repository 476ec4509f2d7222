"""Client certificates: what is read of them, what they may be for, and who has signed them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from apiloom.vault.x509 import MOST_NAMES, Authorities, Unusable, read_certificate, thumbprint
from support.shown_certificates import AUTHORITY, OTHER_AUTHORITY, SERVERS, der_of, shown_certificate
from support.tls import Identity, identity

USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
CA = identity("the authority", days=3000)


def made(name: str = "ada", by: Identity = CA, **more: Any) -> bytes:
    return der_of(shown_certificate(name, by, datetime.now(UTC).timestamp(), **more))


def test_every_name_and_number_is_a_claim() -> None:
    names = [
        x509.DNSName("a.example"),
        x509.DNSName("b.example"),
        x509.UniformResourceIdentifier("spiffe://house/ada"),
        x509.RFC822Name("ada@example.com"),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    ]
    der = made("ada, of house\\x", alternatives=names)
    found = read_certificate(der)
    assert found.claims == {
        "fingerprint": hashlib.sha256(der).hexdigest(),
        "subject": "CN=ada\\, of house\\\\x",
        "cn": "ada, of house\\x",
        "dns": ["a.example", "b.example"],
        "uri": "spiffe://house/ada",
        "email": "ada@example.com",
        "issuer": "CN=the authority",
        "serial": f"{x509.load_der_x509_certificate(der).serial_number:x}",
    }
    assert thumbprint(der).hex() == found.claims["fingerprint"]
    assert found.ends - found.begins == 7200
    assert {*read_certificate(made("")).claims} == {"fingerprint", "issuer", "serial"}


def test_a_certificate_that_is_not_for_clients_is_refused() -> None:
    usage = dict.fromkeys(USES, False)
    for uses in ([], [ExtendedKeyUsageOID.CLIENT_AUTH], [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]):
        for key in ("digital_signature", "key_agreement"):
            read_certificate(made(uses=uses, more=[(x509.KeyUsage(**{**usage, key: True}), True)]))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    read_certificate(made(more=[(unknown, False)]))
    many = [x509.DNSName(f"n{number}.example") for number in range(MOST_NAMES + 1)]
    wrong: list[dict[str, Any]] = [
        {"uses": [SERVERS]},
        {"uses": [ExtendedKeyUsageOID.CODE_SIGNING, SERVERS]},
        {"ca": True},
        {"more": [(unknown, True)]},
        {"more": [(x509.KeyUsage(**usage), True)]},
        {"more": [(x509.KeyUsage(**{**usage, "digital_signature": True, "key_cert_sign": True}), True)]},
        {"alternatives": many},
    ]
    for each in wrong:
        with pytest.raises(Unusable):
            read_certificate(made(**each))


GOOD = made()


@given(st.one_of(st.binary(max_size=200), st.integers(0, len(GOOD) - 1).map(lambda at: GOOD[:at])))
def test_no_bytes_are_anything_but_a_certificate_or_none(der: bytes) -> None:
    with pytest.raises(Unusable):
        read_certificate(der)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_bit_can_be_changed_that_authorities_would_not_see(at: int, bits: int) -> None:
    changed = GOOD[:at] + bytes([GOOD[at] ^ bits]) + GOOD[at + 1 :]
    with pytest.raises(Unusable):
        read_and_check(changed)


def read_and_check(der: bytes) -> None:
    read_certificate(der)
    Authorities(CA.certificate_pem).check(der, datetime.now(UTC).timestamp())


def test_only_those_whom_an_authority_has_signed_pass() -> None:
    now = datetime.now(UTC).timestamp()
    both = Authorities(AUTHORITY.certificate_pem + OTHER_AUTHORITY.certificate_pem)
    one = Authorities(AUTHORITY.certificate_pem)
    for by in (AUTHORITY, OTHER_AUTHORITY):
        both.check(made(by=by), now)
    one.check(made(by=AUTHORITY), now)
    ended = identity("ended", days=-1)
    leaf = shown_certificate("leaf", AUTHORITY, now)
    same_name = Identity(AUTHORITY.certificate, OTHER_AUTHORITY.key)
    for authorities, der in (
        (one, made(by=OTHER_AUTHORITY)),
        (one, made(by=same_name)),
        (one, made(by=leaf)),
        (Authorities(ended.certificate_pem), made(by=ended)),
        # who was signed by an authority is none for that
        (Authorities(leaf.certificate.public_bytes(Encoding.PEM)), made(by=leaf)),
    ):
        with pytest.raises(Unusable):
            authorities.check(der, now)
    for pem in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(Unusable):
            Authorities(pem)
