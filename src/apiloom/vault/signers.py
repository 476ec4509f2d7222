"""Signers put credentials on requests, as the last thing before they leave.

A signer is a dialogue: it yields a request and receives the response, so that schemes which answer a challenge fit
the same seam as those that only add a header. Which signer a tool gets is decided once, when it is compiled. Knows
nothing of who calls; a signer never signs for an origin it was not pinned to.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from apiloom.base.errors import DesignError, HouseFault
from apiloom.base.secret import InTheClear, closed
from apiloom.model.api import SecurityNeed, SecurityScheme
from apiloom.model.headers import NOT_CREDENTIALS
from apiloom.model.security import AWS_SIGNATURE, CHALLENGED, place_of, shown_place, unsignable
from apiloom.net.request import Request, Response
from apiloom.vault.credentials import Credentials
from apiloom.vault.marks import Mark, Signs, joined, traces
from apiloom.vault.signatures import build_signature

DEFAULT = "DEFAULT"
"""The scheme that ``--auth`` defines for documents that declare none. It applies wherever no other one does. Where two
keys are needed at once the next ones are ``DEFAULT_2`` and so on."""

MOST_DEFAULTS = 4

_BY_OPTION = {"defined": "--auth"}

_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}").fullmatch

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


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSigner(InTheClear):
    """Adds what is known beforehand: headers, query parameters, cookies; then what ``signs`` each request anew."""

    schemes: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)
    pinned: frozenset[str]
    real: Mark = field(repr=False)
    shown: Mark
    signs: tuple[Signs, ...] = field(default=(), repr=False)

    def sign(self, request: Request) -> Dialogue:
        """Yield the signed request once; its response ends the dialogue."""
        if request.origin not in self.pinned:
            raise HouseFault(
                f"credentials were about to be sent to {request.origin}, which they do not belong to",
                code="vault.origin",
                hint="nothing was sent; check the servers of the document",
            )
        self.real.put(request)
        for sign in self.signs:
            sign(request)
        yield request

    def masked(self, request: Request) -> Request:
        """The request as it would be sent, with ``***`` in place of every secret."""
        self.shown.put(request)
        for sign in self.signs:
            sign.spell(request)
        return request


def choose_signer(
    security: tuple[SecurityNeed, ...],
    schemes: Mapping[str, SecurityScheme],
    credentials: Credentials,
    *,
    pinned: frozenset[str],
    constants: Mark | None = None,
) -> Signer | None:
    """The signer of an operation, or None when there is nothing to put on a request and nothing to keep secret.

    The first alternative whose schemes are all declared and all have a credential wins; an alternative is used whole
    or not at all. Of schemes that stand in the same place, such as two that both write Authorization, one is enough:
    a request cannot carry both. ``{}`` means that none is needed, wherever it stands in the list: it is what remains
    when no other alternative can be satisfied. Then the credential of :data:`DEFAULT` is used, if there is one.
    Whichever is used, all credentials are secrets: an API may tell in one answer what signed the call before.

    Args:
        pinned: the origins (``scheme://host[:port]``, as plans write them) the credentials belong to.

    Raises:
        DesignError: ``credentials.value`` when a credential does not fit its scheme.
    """
    for need in (*security, _defaults(schemes)):
        chosen = _satisfying(need, schemes, credentials)
        if chosen:
            return _static(chosen, schemes, credentials, pinned, constants)
    signer = _static((), schemes, credentials, pinned, constants)
    return signer if signer.secrets or signer.real.headers else None


def missing(
    security: tuple[SecurityNeed, ...], schemes: Mapping[str, SecurityScheme], credentials: Credentials
) -> tuple[str, ...]:
    """The schemes whose credentials would be needed to call the operation signed; empty when nothing is missing.

    Of several alternatives the one that lacks least is told, the first among equals; what ``--auth`` asks for is the
    last of them. Where the document requires only schemes that it does not declare, :data:`DEFAULT` is the way in.
    """
    by_default = _defaults(schemes)
    alternatives = (*security, by_default) if by_default else security
    if not alternatives or not all(security) or _satisfying(by_default, schemes, credentials):
        return ()
    lacking = [
        tuple(
            names[0]
            for names in _by_place(need, schemes)
            if not any(_satisfiable(name, schemes, credentials) for name in names)
        )
        for need in alternatives
        if all(_usable(names[0], schemes) for names in _by_place(need, schemes))
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
    schemes = {name: _default_scheme(name, kind.strip()) for name, kind in zip(names, listed, strict=True)}
    places = [place_of(scheme) for scheme in schemes.values()]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise DesignError(
            f"--auth {kinds[:100]} asks for two credentials in {shown_place(twice)}, which holds one",
            code="auth.kind",
            hint="give one of them",
        )
    return schemes


def _default_scheme(id_: str, kind: str) -> SecurityScheme:
    place, _, name = kind.partition(":")
    if kind in {"bearer", "basic"}:
        return SecurityScheme(id=id_, kind="http", scheme=kind, details=_BY_OPTION)
    if kind == "aws":
        details = {"signs": AWS_SIGNATURE, **_BY_OPTION}
        return SecurityScheme(id=id_, kind="apiKey", place="header", name="Authorization", details=details)
    if kind == "certificate":
        return SecurityScheme(id=id_, kind="mutualTLS", details=_BY_OPTION)
    is_token = bool(_is_token(name))
    if place == "header" and name.lower() in NOT_CREDENTIALS:
        raise DesignError(
            f"--auth cannot send a credential in the header {name}",
            code="auth.kind",
            hint="it says how a message travels and is read; name the header that the API takes keys in",
        )
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
        hint="write bearer, basic, header:NAME, query:NAME, cookie:NAME, scheme:NAME, aws or certificate",
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


def _by_place(need: SecurityNeed, schemes: Mapping[str, SecurityScheme]) -> Iterable[list[str]]:
    """The schemes of a need that stand in the same place together, those that can be used first."""
    places: dict[tuple[str, str], list[str]] = {}
    for name, _ in sorted(need, key=lambda one: not _usable(one[0], schemes)):
        scheme = schemes.get(name)
        # one that is declared nowhere may stand anywhere, and so stands alone
        places.setdefault(("", name) if scheme is None else place_of(scheme), []).append(name)
    return places.values()


def _satisfying(need: SecurityNeed, schemes: Mapping[str, SecurityScheme], credentials: Credentials) -> tuple[str, ...]:
    """The schemes to sign with so that the need is met as a whole; empty when it cannot be."""
    groups = _by_place(need, schemes)
    chosen = [next((name for name in names if _satisfiable(name, schemes, credentials)), "") for names in groups]
    return tuple(chosen) if all(chosen) else ()


def check_credentials(schemes: Mapping[str, SecurityScheme], credentials: Credentials) -> None:
    """Refuse a credential that cannot be sent as its scheme wants it, before the first call would.

    Raises:
        DesignError: ``credentials.value``.
    """
    for name, credential in credentials.by_scheme.items():
        if _satisfiable(name, schemes, credentials):
            build_signature(schemes[name], credential)


def _satisfiable(name: str, schemes: Mapping[str, SecurityScheme], credentials: Credentials) -> bool:
    return name in credentials.by_scheme and _usable(name, schemes)


def _static(
    chosen: tuple[str, ...],
    schemes: Mapping[str, SecurityScheme],
    credentials: Credentials,
    pinned: frozenset[str],
    constants: Mark | None,
) -> StaticSigner:
    usable = (name for name in credentials.by_scheme if _satisfiable(name, schemes, credentials))
    every = {name: build_signature(schemes[name], credentials.by_scheme[name]) for name in usable}
    signatures = [every[name] for name in chosen]
    hidden = [secret.reveal() for name in every for secret in credentials.by_scheme[name].hidden]
    real = joined(signature.real for signature in signatures)
    ours = {name.lower() for name, _ in real.headers}
    beside = Mark(headers=tuple(one for one in (constants or Mark()).headers if one[0].lower() not in ours))
    return StaticSigner(
        schemes=tuple(schemes[name].id for name in chosen),
        secrets=tuple(
            dict.fromkeys(
                (*(secret for signature in every.values() for secret in signature.secrets), *traces(*hidden)),
            )
        ),
        pinned=pinned,
        real=joined([beside, real]),
        shown=joined([beside, *(signature.shown for signature in signatures)]),
        signs=tuple(signature.signs for signature in signatures if signature.signs is not None),
    )
