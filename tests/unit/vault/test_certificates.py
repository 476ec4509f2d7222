"""Client certificates among credentials: what is taken, what is refused, and what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.vault.certificates import identity_of
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import choose_signer, default_schemes
from support.tls import Identity, identity

AUTHORITY = identity("authority")
CLIENT = identity("client", "client.example", by=AUTHORITY)
ORIGIN = "https://api.example"
SCHEMES = {
    "mtls": SecurityScheme(id="mtls", kind="mutualTLS"),
    "token": SecurityScheme(id="token", kind="http", scheme="bearer"),
}


def pair(of: Identity = CLIENT, **more: Any) -> dict[str, Any]:
    key = of.pem.removeprefix(of.certificate_pem).decode()
    return {"certificate": of.certificate_pem.decode(), "private_key": key, **more}


def locked(of: Identity) -> str:
    """A key behind a password."""
    kept = serialization.BestAvailableEncryption(b"password")
    return of.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept).decode()


def test_a_pair_is_one_identity_and_puts_nothing_on_a_request() -> None:
    credentials = parse_credentials({"mtls": pair(), "token": {"token": "a-bearer-token"}})
    assert identity_of(credentials).replace(b"\n\n", b"\n") == CLIENT.pem
    need = ((("mtls", ()), ("token", ())),)
    signer = choose_signer(need, SCHEMES, credentials, pinned=frozenset([ORIGIN]))
    assert signer is not None
    assert signer.schemes == ("mtls", "token")
    found = next(signer.sign(Request(method="GET", origin=ORIGIN, target="/")))
    assert found.headers == [("Authorization", "Bearer a-bearer-token")]


def test_the_lines_of_a_key_are_secret_and_shown_nowhere() -> None:
    credentials = parse_credentials({"mtls": pair()})
    signer = choose_signer(((("mtls", ()),),), SCHEMES, credentials, pinned=frozenset([ORIGIN]))
    assert signer is not None
    lines = pair()["private_key"].splitlines()
    assert lines[1] in signer.secrets
    assert lines[1] not in repr(credentials) + repr(signer)


def test_the_certificates_between_it_and_its_authority_may_follow() -> None:
    chain = CLIENT.certificate_pem.decode() + AUTHORITY.certificate_pem.decode()
    assert identity_of(parse_credentials({"mtls": pair(certificate=chain)})).count(b"BEGIN CERTIFICATE") == 2


def test_the_kind_certificate_defines_such_a_scheme() -> None:
    (scheme,) = default_schemes("certificate").values()
    assert scheme.kind == "mutualTLS"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"certificate": pair()["certificate"]}, "credentials.form"),
        (pair(more="x"), "credentials.form"),
        (pair(certificate=7), "credentials.form"),
        (pair(certificate="no certificate"), "credentials.value"),
        (pair(private_key="no key"), "credentials.value"),
        (pair(private_key=pair(AUTHORITY)["private_key"]), "credentials.value"),
        (pair(private_key=locked(CLIENT)), "credentials.value"),
        (pair(certificate="x" * 100_000), "credentials.value"),
        (pair(private_key=pair()["private_key"] + "é"), "credentials.value"),
    ],
)
def test_what_does_not_belong_together_is_refused_without_being_repeated(value: dict[str, Any], code: str) -> None:
    with pytest.raises(DesignError) as caught:
        parse_credentials({"mtls": value})
    assert caught.value.code == code
    assert "BEGIN" not in caught.value.sentence()
