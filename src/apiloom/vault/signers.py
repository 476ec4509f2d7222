"""Signers put credentials on requests, as the last thing before they leave.

A signer is a dialogue: it yields a request and receives the response, so that schemes which answer a challenge fit
the same seam as those that only add a header. Which signer a tool gets is decided once, when it is compiled. Knows
nothing of who calls; a signer never signs for an origin it was not pinned to.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from apiloom.base.errors import DesignError, HouseFault
from apiloom.model.api import SecurityNeed, SecurityScheme
from apiloom.net.request import Request, Response
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.marks import Mark, build_signature, joined

DEFAULT = "DEFAULT"
"""The scheme that ``--auth`` defines for documents that declare none. It applies wherever no other one does."""

Dialogue = Generator[Request, Response, None]


class Signer(Protocol):
    """Signs requests to the origins it is pinned to.

    ``schemes`` names what it stands for; ``secrets`` are the values (in every spelling it sends) that must not come
    back to a caller. A request handed in is the signer's to change.

    Raises:
        HouseFault: ``vault.origin`` from ``sign`` when the request goes to any other origin; nothing is sent.
    """

    @property
    def schemes(self) -> tuple[str, ...]: ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    def sign(self, request: Request) -> Dialogue: ...

    def masked(self, request: Request) -> Request: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSigner:
    """Adds what is known beforehand: headers, query parameters, cookies."""

    schemes: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)
    pinned: frozenset[str]
    real: Mark = field(repr=False)
    shown: Mark

    def sign(self, request: Request) -> Dialogue:
        """Yield the signed request once; its response ends the dialogue."""
        if request.origin not in self.pinned:
            raise HouseFault(
                f"credentials were about to be sent to {request.origin}, which they do not belong to",
                code="vault.origin",
                hint="nothing was sent; check the servers of the document",
            )
        self.real.put(request)
        yield request

    def masked(self, request: Request) -> Request:
        """The request as it would be sent, with ``***`` in place of every secret."""
        self.shown.put(request)
        return request


def choose_signer(
    security: tuple[SecurityNeed, ...],
    schemes: Mapping[str, SecurityScheme],
    credentials: Credentials,
    *,
    pinned: frozenset[str],
) -> Signer | None:
    """The signer of an operation, or None when it is to be called without credentials.

    The first alternative whose schemes are all declared and all have a credential wins; an alternative is used whole
    or not at all. ``{}`` means that none is needed, wherever it stands in the list: it is what remains when no other
    alternative can be satisfied. Then the credential of :data:`DEFAULT` is used, if there is one.

    Args:
        pinned: the origins (``scheme://host[:port]``, as plans write them) the credentials belong to.

    Raises:
        DesignError: ``credentials.value`` when a credential does not fit its scheme.
    """
    for need in (*security, ((DEFAULT, ()),)):
        if need and all(_satisfiable(name, schemes, credentials) for name, _ in need):
            return _static([(schemes[name], credentials.by_scheme[name]) for name, _ in need], pinned)
    return None


def missing(
    security: tuple[SecurityNeed, ...], schemes: Mapping[str, SecurityScheme], credentials: Credentials
) -> tuple[str, ...]:
    """The schemes whose credentials would be needed to call the operation signed; empty when nothing is missing.

    Of several alternatives the one that lacks least is told, the first among equals. Where the document requires only
    schemes that it does not declare, :data:`DEFAULT` is the way in.
    """
    if not security or not all(security) or _satisfiable(DEFAULT, schemes, credentials):
        return ()
    lacking = [
        tuple(name for name, _ in need if name not in credentials.by_scheme)
        for need in security
        if all(_usable(name, schemes) for name, _ in need)
    ]
    return min(lacking, key=len) if lacking else (DEFAULT,)


def default_scheme(kind: str) -> SecurityScheme:
    """The scheme :data:`DEFAULT` as ``--auth`` spells it: ``bearer``, ``basic``, ``header:NAME`` or ``query:NAME``.

    Raises:
        DesignError: ``auth.kind``.
    """
    place, _, name = kind.partition(":")
    if kind in {"bearer", "basic"}:
        return SecurityScheme(id=DEFAULT, kind="http", scheme=kind)
    if place == "header" and name.isascii() and name.replace("-", "").replace("_", "").isalnum():
        return SecurityScheme(id=DEFAULT, kind="apiKey", place="header", name=name)
    if place == "query" and name:
        return SecurityScheme(id=DEFAULT, kind="apiKey", place="query", name=name)
    raise DesignError(
        f"--auth does not know {kind[:60]!r}", code="auth.kind", hint="write bearer, basic, header:NAME or query:NAME"
    )


def _usable(name: str, schemes: Mapping[str, SecurityScheme]) -> bool:
    scheme = schemes.get(name)
    return scheme is not None and (scheme.kind != "apiKey" or bool(scheme.place and scheme.name))


def _satisfiable(name: str, schemes: Mapping[str, SecurityScheme], credentials: Credentials) -> bool:
    return name in credentials.by_scheme and _usable(name, schemes)


def _static(parts: list[tuple[SecurityScheme, Credential]], pinned: frozenset[str]) -> StaticSigner:
    signatures = [build_signature(scheme, credential) for scheme, credential in parts]
    secrets = dict.fromkeys(secret for signature in signatures for secret in signature.secrets)
    return StaticSigner(
        schemes=tuple(scheme.id for scheme, _ in parts),
        secrets=tuple(secrets),
        pinned=pinned,
        real=joined(signature.real for signature in signatures),
        shown=joined(signature.shown for signature in signatures),
    )
