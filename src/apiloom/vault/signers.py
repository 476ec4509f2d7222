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
from apiloom.model.security import CHALLENGED
from apiloom.net.request import Request, Response
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.marks import Mark, build_signature, joined

DEFAULT = "DEFAULT"
"""The scheme that ``--auth`` defines for documents that declare none. It applies wherever no other one does. Where two
keys are needed at once the next ones are ``DEFAULT_2`` and so on."""

MOST_DEFAULTS = 4

_BY_OPTION = {"defined": "--auth"}

Dialogue = Generator[Request, Response, None]


class Signer(Protocol):
    """Signs requests to the origins it is pinned to.

    ``schemes`` names what it stands for; ``secrets`` are the values that must not come back to a caller,
    however they are escaped. A request handed in is the signer's to change.

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
    constants: Mark | None = None,
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
    for need in (*security, _defaults(schemes)):
        if need and all(_satisfiable(name, schemes, credentials) for name, _ in need):
            return _static([(schemes[name], credentials.by_scheme[name]) for name, _ in need], pinned, constants)
    return _static([], pinned, constants) if constants is not None and constants.headers else None


def missing(
    security: tuple[SecurityNeed, ...], schemes: Mapping[str, SecurityScheme], credentials: Credentials
) -> tuple[str, ...]:
    """The schemes whose credentials would be needed to call the operation signed; empty when nothing is missing.

    Of several alternatives the one that lacks least is told, the first among equals. Where the document requires only
    schemes that it does not declare, :data:`DEFAULT` is the way in.
    """
    by_default = _defaults(schemes)
    if not security or not all(security):
        return ()
    if by_default and all(_satisfiable(name, schemes, credentials) for name, _ in by_default):
        return ()
    lacking = [
        tuple(name for name, _ in need if name not in credentials.by_scheme)
        for need in security
        if all(_usable(name, schemes) for name, _ in need)
    ]
    return min(lacking, key=len) if lacking else (DEFAULT,)


def default_schemes(kinds: str) -> dict[str, SecurityScheme]:
    """The schemes that ``--auth`` defines, by name: :data:`DEFAULT`, and with commas the further ones needed with it.

    Raises:
        DesignError: ``auth.kind``.
    """
    listed = kinds.split(",")
    if len(listed) > MOST_DEFAULTS:
        raise DesignError(f"--auth takes at most {MOST_DEFAULTS} kinds", code="auth.kind", hint="give fewer")
    names = [DEFAULT, *(f"{DEFAULT}_{number}" for number in range(2, len(listed) + 1))]
    return {name: _default_scheme(name, kind.strip()) for name, kind in zip(names, listed, strict=True)}


def _default_scheme(id_: str, kind: str) -> SecurityScheme:
    place, _, name = kind.partition(":")
    if kind in {"bearer", "basic"}:
        return SecurityScheme(id=id_, kind="http", scheme=kind, details=_BY_OPTION)
    is_token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if place == "header" and is_token:
        return SecurityScheme(id=id_, kind="apiKey", place="header", name=name, details=_BY_OPTION)
    if place == "cookie" and is_token:
        return SecurityScheme(id=id_, kind="apiKey", place="cookie", name=name, details=_BY_OPTION)
    if place == "query" and name:
        return SecurityScheme(id=id_, kind="apiKey", place="query", name=name, details=_BY_OPTION)
    if place == "scheme" and is_token and name.lower() not in CHALLENGED:
        if name.lower() in {"bearer", "basic"}:
            return SecurityScheme(id=id_, kind="http", scheme=name.lower(), details=_BY_OPTION)
        return SecurityScheme(id=id_, kind="http", scheme=name.lower(), details={"spelled": name, **_BY_OPTION})
    raise DesignError(
        f"--auth does not know {kind[:60]!r}",
        code="auth.kind",
        hint="write bearer, basic, header:NAME, query:NAME, cookie:NAME or scheme:NAME",
    )


def _defaults(schemes: Mapping[str, SecurityScheme]) -> SecurityNeed:
    """What ``--auth`` asks for, all of it together."""
    names = (DEFAULT, *(f"{DEFAULT}_{number}" for number in range(2, MOST_DEFAULTS + 1)))
    # a document may happen to name one of its own schemes like that
    return tuple(
        (name, ()) for name in names if name in schemes and _BY_OPTION.items() <= schemes[name].details.items()
    )


def _usable(name: str, schemes: Mapping[str, SecurityScheme]) -> bool:
    scheme = schemes.get(name)
    return scheme is not None and not unsignable(scheme)


def unsignable(scheme: SecurityScheme) -> str:
    """Why no credential that is known beforehand can satisfy the scheme; empty where one can."""
    if scheme.kind == "apiKey" and not (scheme.place and scheme.name):
        return "it does not say where the key goes"
    if scheme.kind == "http" and scheme.scheme in CHALLENGED:
        return f"HTTP {scheme.scheme.capitalize()} makes a new proof for each request"
    return f"{scheme.details['signs']} makes a new proof for each request" if scheme.details.get("signs") else ""


def _satisfiable(name: str, schemes: Mapping[str, SecurityScheme], credentials: Credentials) -> bool:
    return name in credentials.by_scheme and _usable(name, schemes)


def _static(
    parts: list[tuple[SecurityScheme, Credential]], pinned: frozenset[str], constants: Mark | None
) -> StaticSigner:
    signatures = [build_signature(scheme, credential) for scheme, credential in parts]
    secrets = dict.fromkeys(secret for signature in signatures for secret in signature.secrets)
    real = joined(signature.real for signature in signatures)
    ours = {name.lower() for name, _ in real.headers}
    beside = Mark(headers=tuple(one for one in (constants or Mark()).headers if one[0].lower() not in ours))
    return StaticSigner(
        schemes=tuple(scheme.id for scheme, _ in parts),
        secrets=tuple(secrets),
        pinned=pinned,
        real=joined([beside, real]),
        shown=joined([beside, *(signature.shown for signature in signatures)]),
    )
