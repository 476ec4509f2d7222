"""AWS Signature Version 4, made by botocore: the only place that imports it.

AWS checks a signature over its own spelling of path and query. So that what is signed is what is sent, both are put
into that spelling first, which means the same. A body in pieces is read once more for its digest; where the service
allows it and TLS protects it, it is left out of the signature instead. Knows no scheme.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

from botocore import auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]

from apiloom.base.pieces import Pieces
from apiloom.base.secret import InTheClear
from apiloom.net.request import Request
from apiloom.vault.credentials import AwsKeys

auth.logger.disabled = True
"""It tells every canonical request, with the session's token in it, to whoever listens for debug messages."""

_UNRESERVED = "-_.~"
_OURS = frozenset({"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "date"})
_S3 = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
"""Services whose paths are taken as they are, and whose bodies may go unsigned over TLS."""


class _Known:
    """What the body comes to has been found out before."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["content"])


class _Signing(_Known, auth.SigV4Auth):  # type: ignore[misc]
    """As nearly every service checks it."""


class _Storing(_Known, auth.S3SigV4Auth):  # type: ignore[misc]
    """As services of files check it."""


class AwsSignature(InTheClear):
    """Signs requests with one set of keys."""

    __slots__ = ("_auth", "_loose")

    def __init__(self, keys: AwsKeys) -> None:
        self._loose = keys.service in _S3
        kind = _Storing if self._loose else _Signing
        token = keys.session_token.reveal() if keys.session_token else None
        given = ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key.reveal(), token)
        self._auth = kind(given, keys.service, keys.region)

    def __repr__(self) -> str:
        return "AwsSignature(***)"

    def __call__(self, request: Request) -> None:
        """Put the signature on a request; what it says of itself in the same headers gives way."""
        self.spell(request)
        kept = [(name, value) for name, value in request.headers if name.lower() not in _OURS]
        signed = AWSRequest(method=request.method, url=request.origin + request.target)
        signed.context["content"] = self._content(request)
        for name, value in kept:
            # what sits between may change other headers on the way
            if name.lower() in {"content-type", "content-md5"} or name.lower().startswith("x-amz-"):
                signed.headers[name] = value
        self._auth.add_auth(signed)
        ours = [(name, str(value)) for name, value in signed.headers.items() if name.lower() in _OURS]
        request.headers = [*kept, *ours]

    def spell(self, request: Request) -> None:
        """Put the target into the spelling in which it goes out."""
        request.target = spelled(request.target)

    def _content(self, request: Request) -> str:
        """What the signature says of the body."""
        body = request.body
        if not isinstance(body, Pieces):
            return hashlib.sha256(body or b"").hexdigest()
        if self._loose and request.origin.startswith("https://"):
            return auth.UNSIGNED_PAYLOAD  # type: ignore[no-any-return]
        return digest(body)


def spelled(target: str) -> str:
    """Path and query of a request target in AWS's spelling: all but unreserved characters percent-encoded."""
    path, mark, query = target.partition("?")
    found = "/".join(_encoded(segment) for segment in path.split("/"))
    return f"{found}{mark}{'&'.join(_pairs(query))}" if mark else found


def _pairs(query: str) -> Iterator[str]:
    for pair in query.split("&"):
        name, sign, value = pair.partition("=")
        # a plus is a space to those who read forms, and a plus to AWS
        yield f"{_encoded(name.replace('+', ' '))}{sign}{_encoded(value.replace('+', ' '))}"


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_UNRESERVED)


def digest(body: Pieces) -> str:
    """SHA-256 of a body in pieces, in hexadecimal."""
    sha = hashlib.sha256()
    for piece in body.chunks():
        sha.update(piece)
    return sha.hexdigest()
