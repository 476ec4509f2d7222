"""Client certificates as a proxy tells of them in a header, and which claims a certificate makes of its holder.

The proxy has ended TLS and verified the chain; its header is text, read here strictly and within bounds: what is not
exactly one certificate in the form that was agreed on is none. Pure: the header's value in, the certificate's bytes
out. Whether the header is to be believed, and what stands in the certificate, is for those above to see.
Sources: RFC 9440 section 2.1, RFC 8941 section 3.3.5, RFC 7468 section 5.1, Envoy's x-forwarded-client-cert.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from urllib.parse import unquote_to_bytes

from apiloom.base import json
from apiloom.identity.claims import Unfit

Form = Literal["rfc9440", "pem", "xfcc"]
"""How a header holds a certificate: as bytes in base64 between colons, as PEM that is escaped as in a URL, or as the
``Cert`` of Envoy's elements.
"""

FORMS: Final[tuple[Form, ...]] = get_args(Form)

USUAL_HEADER: Final = "client-cert"

CLAIMS: Final = ("fingerprint", "subject", "cn", "dns", "uri", "email", "issuer", "serial")
"""What rules may ask of a certificate."""

LONGEST: Final = 16 * 1024
"""Bytes of a header that is looked at."""

_OTHERS: Final = frozenset({"authorization", "cookie", "host", "origin", "forwarded", "x-forwarded-for"})
_NAME = re.compile(r"[a-z][a-z0-9-]{0,99}", re.ASCII)
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_PAIR = re.compile(rb'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))', re.DOTALL)


def usual_form(header: str) -> Form:
    """The form of a header whose form nobody has told."""
    return {USUAL_HEADER: "rfc9440", "x-forwarded-client-cert": "xfcc"}.get(header, "pem")  # type: ignore[return-value]


def may_hold(header: str) -> bool:
    """Whether a header, in lower case, may be the one that certificates come in: no other's, and fit for a name."""
    taken = header in _OTHERS or header.startswith(("mcp-", "content-", "sec-", "x-upstream-authorization-"))
    return _NAME.fullmatch(header) is not None and not taken


def certificate_in(form: Form, value: bytes) -> bytes:
    """The one certificate that a header's value holds, in DER, not looked into.

    Raises:
        Unfit: it holds none, several, or anything else.
    """
    if len(value) > LONGEST:
        raise Unfit("the header of the certificate is too long")
    value = value.strip(b" \t")
    if form == "rfc9440":
        if len(value) < 3 or not (value.startswith(b":") and value.endswith(b":")):
            raise Unfit("the header of the certificate is no byte sequence")
        return _from_base64(value[1:-1])
    return _from_pem(_last_cert(value) if form == "xfcc" else value)


def _from_pem(escaped: bytes) -> bytes:
    """One certificate as PEM with its blanks and signs escaped, or as the base64 of one alone, as some proxies do."""
    text = unquote_to_bytes(escaped).strip(b" \t\r\n")
    if text.startswith(b"-"):
        if not (text.startswith(_BEGIN) and text.endswith(_END)) or len(text) < len(_BEGIN) + len(_END):
            raise Unfit("the header of the certificate is no PEM")
        text = text[len(_BEGIN) : -len(_END)]
    return _from_base64(text.translate(None, b" \t\r\n"))


def _from_base64(text: bytes) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Unfit("the header of the certificate is no base64") from None
    if not found:
        raise Unfit("the header of the certificate is empty")
    return found


def _last_cert(value: bytes) -> bytes:
    """The ``Cert`` of the last element: the one before is what the proxy before said, or the client itself.

    Elements are split by commas and pairs by semicolons that stand outside of quotes. The certificate always stands in
    quotes, once.
    """
    found: list[bytes] = []
    at, end = 0, len(value)
    while True:
        pair = _PAIR.match(value, at)
        if pair is None:
            raise Unfit("the header of the certificate has no elements")
        if pair[1].lower() == b"cert":
            found.append(b"" if pair[2] is None else pair[2])
        at = pair.end()
        if at == end:
            break
        if value[at : at + 1] == b",":
            found = []
        elif value[at : at + 1] != b";":
            raise Unfit("the header of the certificate has no elements")
        at += 1
    if len(found) != 1 or not found[0] or b"\\" in found[0]:
        raise Unfit("the last element of the header has no certificate, or more than one")
    return found[0]


def holder_id(claims: Mapping[str, Any], tenant: str) -> str:
    """A stable id of whom a certificate names, in a tenant: the same after it was renewed, and telling no name.

    Raises:
        Unfit: it names nobody.
    """
    named = [claims.get(name) for name in ("subject", "uri", "dns", "email")]
    if not any(named):
        raise Unfit("the certificate is about nobody")
    told = json.canonical([claims.get("issuer"), named, tenant])
    return f"cert:{hashlib.sha256(told).hexdigest()[:20]}"
