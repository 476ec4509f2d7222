"""Headers that hold a client certificate: what is read of them, and what is none."""

from __future__ import annotations

import base64
import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.identity.certificates import LONGEST, Form, certificate_in, holder_id, may_hold, usual_form
from apiloom.identity.claims import Unfit, bound_to

BYTES = b"any \xff\x00 bytes + and / signs" * 7
BASE64 = base64.b64encode(BYTES).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(BYTES).decode()}-----END CERTIFICATE-----\n"
ESCAPED = quote(PEM, safe="")


def read(form: Form, text: str) -> bytes | None:
    try:
        return certificate_in(form, text.encode("latin-1"))
    except Unfit:
        return None


def test_each_form_gives_the_bytes_it_holds() -> None:
    assert read("rfc9440", f":{BASE64}:") == BYTES
    assert read("rfc9440", f"  :{BASE64}: ") == BYTES
    for text in (ESCAPED, quote(PEM, safe="+/="), quote(PEM.strip(), safe=""), BASE64, quote(BASE64, safe="")):
        assert read("pem", text) == BYTES
    assert read("xfcc", f'Cert="{ESCAPED}"') == BYTES
    assert read("xfcc", f'By=spiffe://a/b;Hash=00;Cert="{ESCAPED}";Chain="x";URI=a;URI=b;DNS=c') == BYTES


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("rfc9440", BASE64),
        ("rfc9440", f":{BASE64}"),
        ("rfc9440", f"{BASE64}:"),
        ("rfc9440", f":{BASE64}:;x=1"),
        ("rfc9440", f":{BASE64}:, :{BASE64}:"),
        ("rfc9440", f":{BASE64[:-2]}:"),
        ("rfc9440", f":{BASE64[:8]} {BASE64[8:]}:"),
        ("rfc9440", "::"),
        ("rfc9440", ":"),
        ("rfc9440", ""),
        ("rfc9440", f":{'A' * LONGEST}:"),
        ("rfc9440", ":\xff:"),
        ("pem", ""),
        ("pem", ESCAPED + ESCAPED),
        ("pem", f"{ESCAPED},{ESCAPED}"),
        ("pem", quote(PEM + PEM, safe="")),
        ("pem", quote("-----BEGIN CERTIFICATE-----", safe="")),
        ("pem", quote("-----BEGIN CERTIFICATE----------END CERTIFICATE-----", safe="")),
        ("pem", quote(PEM.replace("CERTIFICATE", "PRIVATE KEY"), safe="")),
        ("pem", quote(f"a letter\n{PEM}", safe="")),
        ("xfcc", ""),
        ("xfcc", ESCAPED),
        ("xfcc", f"Cert={ESCAPED}"),
        ("xfcc", f'Cert="{ESCAPED}'),
        ("xfcc", f'Cert="{ESCAPED}"x'),
        ("xfcc", f'Cert="{ESCAPED}",'),
        ("xfcc", f'Cert="{ESCAPED}";'),
        ("xfcc", f'Cert="{ESCAPED}";cert="{ESCAPED}"'),
        ("xfcc", f'Cert="{ESCAPED}",By=a'),
        ("xfcc", 'Cert=""'),
        ("xfcc", f'Subject="a\\";Cert="{ESCAPED}"'),
        ("xfcc", f'URI=a"b;Cert="{ESCAPED}"'),
    ],
)
def test_everything_else_is_no_certificate(form: Form, text: str) -> None:
    assert read(form, text) is None


def test_only_the_last_element_counts_however_the_others_are_quoted() -> None:
    theirs = quote(PEM.replace("BEGIN", "BEGUN"), safe="")
    for before in (f'Cert="{theirs}"', 'Subject="a, b; c=\\"d\\", \\\\"', 'Subject=",Cert=\\"x\\""', "By=a;URI=b"):
        assert read("xfcc", f'{before},Cert="{ESCAPED}"') == BYTES
        assert read("xfcc", f'Cert="{ESCAPED}",{before}') is None


@given(st.sampled_from(["rfc9440", "pem", "xfcc"]), st.one_of(st.binary(max_size=300), st.binary(max_size=40)))
def test_no_bytes_are_anything_but_a_certificate_or_none(form: Form, value: bytes) -> None:
    with contextlib.suppress(Unfit):
        assert certificate_in(form, value)


def test_a_long_header_of_quotes_is_read_in_no_time_that_grows() -> None:
    for piece in ('"', "\\", 'a="', "a=;", " ", '\\"', ",", "=", "%"):
        with pytest.raises(Unfit):
            certificate_in("xfcc", ('a="' + piece * (LONGEST // len(piece)))[: LONGEST - 1].encode())
        with pytest.raises(Unfit):
            certificate_in("pem", ("-----BEGIN CERTIFICATE-----" + piece * LONGEST)[:LONGEST].encode())


def test_a_header_that_means_something_else_holds_no_certificate() -> None:
    assert [usual_form(name) for name in ("client-cert", "x-forwarded-client-cert", "x-ssl-cert")] == [
        "rfc9440",
        "xfcc",
        "pem",
    ]
    assert all(may_hold(name) for name in ("client-cert", "x-ssl-client-cert"))
    taken = ("authorization", "cookie", "host", "content-type", "mcp-session-id", "x-upstream-authorization-desk")
    for name in (*taken, "", "a b", "x_y", "X", "é", "a:b", "x" * 101, "x-forwarded-for", "origin", "1"):
        assert not may_hold(name)


def test_a_holder_is_told_apart_by_all_that_names_it() -> None:
    claims = {"issuer": "CN=ca", "subject": "CN=a", "uri": ["x", "y"], "fingerprint": "00"}
    seen = {
        holder_id(each, tenant)
        for each in (claims, {**claims, "issuer": "CN=b"}, {**claims, "uri": "x"}, {**claims, "subject": ""})
        for tenant in ("acme", "globex")
    }
    assert len(seen) == 8
    assert holder_id({**claims, "fingerprint": "ff", "serial": "1"}, "acme") in seen
    with pytest.raises(Unfit):
        holder_id({"issuer": "CN=ca", "cn": "a"}, "acme")


def test_a_token_is_bound_to_a_certificate_to_nothing_or_to_what_nobody_can_show() -> None:
    shown = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
    assert bound_to({}) == b""
    assert bound_to({"cnf": {"x5t#S256": shown}}) == bytes(range(32))
    for wrong in (None, {}, [], "x", {"jkt": "x"}, {"x5t#S256": shown, "jwk": {}}, {"x5t#S256": shown + "="}):
        with pytest.raises(Unfit):
            bound_to({"cnf": wrong})
