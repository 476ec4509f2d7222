"""How a gateway recognises people: the operator's file as frozen values, read strictly.

Every member is known or refused, and a mistake is one sentence that says where. A secret never stands in the file, only
where it is to be found (``env:NAME``, ``file:PATH``), which is for whoever opens the file to follow. Knows no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, cast, get_args
from urllib.parse import urlsplit

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.identity.certificates import CLAIMS, FORMS, USUAL_HEADER, Form, may_hold, usual_form
from apiloom.identity.principal import Role
from apiloom.identity.roles import check_shape
from apiloom.identity.rules import PLACE, Rule, may_be_same

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are understood (RFC 7518 section 3.1, RFC 8037): with public keys all of them, and never none."""

USUAL_ALGORITHMS: Final = ("RS256", "ES256")

TYPES: Final = ("at+jwt", "application/at+jwt", "jwt", "")
"""Values of ``typ`` that an access token may have (RFC 9068 section 2.1), in lower case; empty: none at all."""

Devices = Literal["none", "cli", "all"]
"""Whose devices people may sign in for with a code."""

MOST_BYTES = 256 * 1024
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST = 100
_MOST_RULES = 1000
_SECONDS = {
    "access_seconds": (60.0, 3600.0),
    "refresh_seconds": (600.0, 366 * 86400.0),
    "grace_seconds": (0.0, 600.0),
    "seconds": (1.0, 600.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """Where tokens that cannot be read are asked about (RFC 7662). ``secret`` is a reference; ``seconds`` an answer
    counts.
    """

    url: str
    client_id: str
    secret: str
    seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whose tokens are accepted, and what they make of people.

    ``audiences`` count besides the URL that is called. ``jwks`` is the URL of its keys, empty: by discovery. ``scopes``
    are all needed to call servers, ``api_scopes`` to use the admin API.
    """

    issuer: str
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = USUAL_ALGORITHMS
    types: tuple[str, ...] = TYPES
    jwks: str = ""
    introspection: Introspection | None = None
    scopes: tuple[str, ...] = ()
    api_scopes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    unverified_email: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facade:
    """The gateway as an authorization server. Without an ``issuer`` people show an API token on its page.

    ``client_id`` and ``secret`` (a reference) are what it signs in with at the issuer. ``registration`` lets clients
    register themselves (RFC 7591), ``documents`` lets them be named by the URL of a document about them. ``devices``
    says who may have people sign in for another device (RFC 8628): the command line, all clients that say so, or none.
    """

    issuer: str = ""
    client_id: str = ""
    secret: str = ""
    scopes: tuple[str, ...] = ("openid",)
    algorithms: tuple[str, ...] = USUAL_ALGORITHMS
    rules: tuple[Rule, ...] = ()
    unverified_email: bool = False
    access_seconds: float = 600.0
    refresh_seconds: float = 30 * 86400.0
    grace_seconds: float = 60.0
    registration: bool = True
    documents: bool = True
    devices: Devices = "cli"

    @property
    def admits(self) -> str:
        """A name for whom these settings let in: a sign-in lasts no longer than it stays the same."""
        rules = [[dict(rule.when), rule.tenant, rule.role, rule.servers, rule.end_user] for rule in self.rules]
        return json.digest([self.issuer, self.client_id, rules, self.unverified_email])


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Client certificates that a trusted proxy tells of, and what they make of people.

    ``header`` is the one they come in, in lower case, ``form`` how. ``rules`` may be none: then a certificate lets
    nobody in by itself, and only proves that somebody may show a token that is bound to it. ``authorities`` is a
    reference to those who must have signed them; empty: the proxy alone sees to that.
    """

    header: str = USUAL_HEADER
    form: Form = "rfc9440"
    rules: tuple[Rule, ...] = ()
    authorities: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """All of it."""

    issuers: tuple[Issuer, ...] = ()
    facade: Facade | None = None
    certificates: Certificates | None = None


def read_identity(text: bytes) -> Identity:
    """Read the operator's file.

    Raises:
        DesignError: ``identity.file`` with the one thing that is wrong, and where.
    """
    try:
        value = json.loads(text) if len(text) <= MOST_BYTES else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        _wrong("", f"it is no JSON object of at most {MOST_BYTES:,} bytes")
    found = Part(value, "", {"issuers", "facade", "certificates"})
    issuers = tuple(_issuer(part) for part in found.parts("issuers"))
    facade, shown = found.part("facade"), found.part("certificates")
    identity = Identity(
        issuers=issuers,
        facade=None if facade is None else _facade(facade),
        certificates=None if shown is None else _certificates(shown, needed=not issuers),
    )
    _check(identity)
    return identity


def _check(identity: Identity) -> None:
    names = [issuer.issuer for issuer in identity.issuers]
    if len(set(names)) != len(names):
        _wrong("/issuers", "an issuer is named twice")
    if sum(issuer.introspection is not None for issuer in identity.issuers) > 1:
        # a token that cannot be read would be shown to issuers that did not give it
        _wrong("/issuers", "only one issuer can have introspection")
    facade = identity.facade
    for at, issuer in enumerate(identity.issuers):
        if facade is not None and facade.client_id and facade.client_id in issuer.audiences:
            # tokens for the sign-in itself are about a person, and not for calls
            _wrong(f"/issuers/{at}/audiences", "the façade's client_id is no audience of calls")
    _check_apart(identity)


def _check_apart(identity: Identity) -> None:
    """That no two sources can name the same end user of a tenant: each would let its people at the other's accounts."""
    named = [(one.issuer, f"/issuers/{at}/principals", one.rules) for at, one in enumerate(identity.issuers)]
    if identity.facade is not None and identity.facade.issuer:
        named.append((identity.facade.issuer, "/facade/principals", identity.facade.rules))
    if identity.certificates is not None:
        named.append(("certificates", "/certificates/principals", identity.certificates.rules))
    rules = [(issuer, at, rule) for issuer, at, each in named for rule in each if rule.end_user]
    if len(rules) > _MOST_RULES:
        _wrong("", f"more than {_MOST_RULES} rules name an end_user")
    for number, (issuer, at, rule) in enumerate(rules):
        for other, _, before in rules[:number]:
            if (
                other != issuer
                and may_be_same(before.tenant, rule.tenant)
                and may_be_same(before.end_user, rule.end_user)
            ):
                _wrong(
                    at,
                    f"{other} could name the same end_user of the same tenant: "
                    'let both begin with what tells them apart, as in "b:{sub}"',
                )


def _issuer(part: Part) -> Issuer:
    part.only(
        "issuer audiences algorithms types jwks introspection scopes api_scopes principals unverified_email discovery"
    )
    types = tuple(each.lower() for each in part.texts("types")) if part.has("types") else TYPES
    if any(each not in TYPES for each in types):
        part.wrong("types", f"types are of {', '.join(each or '(empty)' for each in TYPES)}")
    asked = part.part("introspection")
    issuer = part.url("issuer", needed=True)
    if part.has("discovery") and part.flag("discovery", default=True) == bool(part.url("jwks")):
        part.wrong("discovery", "name the URL of the keys as jwks, or let it be discovered, not both and not neither")
    return Issuer(
        issuer=issuer,
        audiences=part.texts("audiences"),
        algorithms=_algorithms(part),
        types=types,
        jwks=part.url("jwks"),
        introspection=None if asked is None else _introspection(asked),
        scopes=_scopes(part, "scopes"),
        api_scopes=_scopes(part, "api_scopes"),
        rules=_rules(part),
        unverified_email=part.flag("unverified_email", default=False),
    )


def _introspection(part: Part) -> Introspection:
    part.only("url client_id client_secret seconds")
    return Introspection(
        url=part.url("url", needed=True),
        client_id=part.text("client_id", needed=True),
        secret=_reference(part, needed=True),
        seconds=part.seconds("seconds", 60.0),
    )


def _facade(part: Part) -> Facade:
    part.only(
        "issuer client_id client_secret scopes algorithms principals unverified_email "
        "access_seconds refresh_seconds grace_seconds registration documents devices"
    )
    issuer = part.url("issuer")
    if not issuer:
        for name in ("client_id", "client_secret", "scopes", "algorithms", "principals", "unverified_email"):
            if part.has(name):
                part.wrong(name, "it has a meaning only beside an issuer")
    usual = Facade()
    scopes = _scopes(part, "scopes") or usual.scopes
    if issuer and "openid" not in scopes:
        part.wrong("scopes", "openid must be among them, for it is who somebody is that is asked")
    return Facade(
        issuer=issuer,
        client_id=part.text("client_id", needed=bool(issuer)),
        secret=_reference(part, needed=False),
        scopes=scopes,
        algorithms=_algorithms(part),
        rules=_rules(part) if issuer else (),
        unverified_email=part.flag("unverified_email", default=False),
        access_seconds=part.seconds("access_seconds", usual.access_seconds),
        refresh_seconds=part.seconds("refresh_seconds", usual.refresh_seconds),
        grace_seconds=part.seconds("grace_seconds", usual.grace_seconds),
        registration=part.flag("registration", default=True),
        documents=part.flag("documents", default=True),
        devices=_devices(part),
    )


def _devices(part: Part) -> Devices:
    found = part.text("devices") or Facade().devices
    if found not in get_args(Devices):
        part.wrong("devices", f"it is one of {', '.join(get_args(Devices))}")
    return cast("Devices", found)


def _certificates(part: Part, *, needed: bool) -> Certificates:
    """What is said of certificates; rules are ``needed`` where no token could be bound to one."""
    part.only("header format principals authorities")
    header = (part.text("header") or USUAL_HEADER).lower()
    if not may_hold(header):
        part.wrong("header", "a header's name is needed, in letters, digits and hyphens, that means nothing else")
    form = part.text("format") or usual_form(header)
    if form not in FORMS:
        part.wrong("format", f"there are {', '.join(FORMS)}")
    authorities = part.text("authorities")
    if authorities and not authorities.startswith("file:"):
        part.wrong("authorities", "write where their certificates are to be found, as file:PATH")
    rules = _rules(part) if needed or part.has("principals") else ()
    for each, rule in zip(part.parts("principals"), rules, strict=False):
        _check_claims(each, rule)
    return Certificates(header=header, form=form, rules=rules, authorities=authorities)


def _check_claims(part: Part, rule: Rule) -> None:
    """Refuse what no certificate has: a rule that never holds would be a mistake that nobody sees."""
    lent = [(name, PLACE.search(getattr(rule, name))) for name in ("tenant", "end_user")]
    asked = [("when", name) for name in rule.when] + [(name, place[1]) for name, place in lent if place is not None]
    for member, name in asked:
        if name not in CLAIMS:
            part.wrong(member, f"a certificate has no {name[:60]}; it has {', '.join(CLAIMS)}")
    if any(_FINGERPRINT.fullmatch(value) is None for value in rule.when.get("fingerprint", ())):
        part.wrong("when", "a fingerprint is the SHA-256 in 64 small hexadecimal digits, without colons")


def _algorithms(part: Part) -> tuple[str, ...]:
    if not part.has("algorithms"):
        return USUAL_ALGORITHMS
    chosen = part.texts("algorithms")
    if not chosen or any(each not in ALGORITHMS for each in chosen):
        part.wrong("algorithms", f"there must be one or more of {', '.join(ALGORITHMS)}")
    return chosen


def _scopes(part: Part, name: str) -> tuple[str, ...]:
    scopes = part.texts(name)
    if any(not scope.isascii() or not scope.isprintable() or set(scope) & set(' "\\') for scope in scopes):
        part.wrong(name, "a scope is printable ASCII without blanks, quotes and backslashes")
    return scopes


def _reference(part: Part, *, needed: bool) -> str:
    found = part.text("client_secret", needed=needed)
    if found and not found.startswith(("env:", "file:")):
        part.wrong("client_secret", "write where it is to be found, as env:NAME or file:PATH, not the secret itself")
    return found


def _rules(part: Part) -> tuple[Rule, ...]:
    rules = tuple(_rule(each) for each in part.parts("principals"))
    if not rules:
        part.wrong("principals", "there must be a rule that says who is let in")
    return rules


def _rule(part: Part) -> Rule:
    part.only("when tenant role servers end_user")
    when = part.part("when")
    wanted: dict[str, tuple[str, ...]] = {}
    for name in when.value if when is not None else ():
        assert when is not None  # noqa: S101 - the line above
        wanted[name] = (when.text(name),) if isinstance(when.value[name], str) else when.texts(name)
        if not wanted[name]:
            when.wrong(name, "there must be a value that it is to have")
    role = part.text("role") or "agent"
    if role not in get_args(Role) or not role:
        part.wrong("role", "there is no such role")
    rule = Rule(
        when=wanted,
        tenant=_template(part, "tenant"),
        role=role,  # type: ignore[arg-type]
        servers=part.texts("servers") if part.has("servers") else None,
        end_user=_template(part, "end_user"),
    )
    try:
        check_shape(role=rule.role, tenant=rule.tenant)
    except CallerError as error:
        part.wrong("role", error.sentence())
    if rule.role != "agent" and not rule.when:
        part.wrong("when", f"a rule that gives the role {rule.role} must say to whom")
    return rule


def _template(part: Part, name: str) -> str:
    text = part.text(name)
    if len(PLACE.findall(text)) > 1 or set(PLACE.sub("", text)) & set("{}"):
        # two that stand side by side could be moved from one into the other
        part.wrong(name, "at most one claim may stand in it, in braces")
    return text


class Part:
    """One object of the file, and where it stands."""

    __slots__ = ("at", "value")

    def __init__(self, value: Mapping[str, Any], at: str, known: set[str] | None = None) -> None:
        self.value = value
        self.at = at
        if known is not None:
            self.only(" ".join(known))

    def wrong(self, name: str, why: str) -> NoReturn:
        """Refuse a member."""
        _wrong(f"{self.at}/{name}", why)

    def only(self, names: str) -> None:
        """Refuse members that are not among these."""
        for name in self.value:
            if name not in names.split():
                self.wrong(str(name)[:60], f"there is no such member; there are {', '.join(sorted(names.split()))}")

    def has(self, name: str) -> bool:
        return name in self.value

    def text(self, name: str, *, needed: bool = False) -> str:
        found = self.value.get(name, "")
        if not isinstance(found, str) or (needed and not found) or len(found) > 2000 or not found.isprintable():
            self.wrong(name, "a text is needed")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.value.get(name, [])
        if not isinstance(found, list) or len(found) > _MOST or not all(isinstance(each, str) for each in found):
            self.wrong(name, f"a list of at most {_MOST} texts is needed")
        return tuple(found)

    def flag(self, name: str, *, default: bool) -> bool:
        found = self.value.get(name, default)
        if not isinstance(found, bool):
            self.wrong(name, "true or false is needed")
        return found

    def seconds(self, name: str, default: float) -> float:
        found = self.value.get(name, default)
        least, most = _SECONDS[name]
        if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
            self.wrong(name, f"a number of seconds from {least:g} to {most:g} is needed")
        return float(found)

    def url(self, name: str, *, needed: bool = False) -> str:
        found = self.text(name, needed=needed)
        if found and not is_safe_url(found):
            self.wrong(name, "an https URL without user, query and fragment is needed (http on this machine alone)")
        return found

    def part(self, name: str) -> Part | None:
        found = self.value.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            self.wrong(name, "an object is needed")
        return Part(found, f"{self.at}/{name}")

    def parts(self, name: str) -> Sequence[Part]:
        found = self.value.get(name, [])
        if not isinstance(found, list) or len(found) > _MOST or not all(isinstance(each, dict) for each in found):
            self.wrong(name, f"a list of at most {_MOST} objects is needed")
        return [Part(each, f"{self.at}/{name}/{at}") for at, each in enumerate(found)]


def is_safe_url(text: str) -> bool:
    """Whether a URL is one that keys and tokens may be asked at: https, or http on this machine alone."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment or not text.isascii():
        return False
    if any(sign in text for sign in ' \\\t\r\n<>"'):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its own name (RFC 8252 section 8.3)."""
    return host in {"127.0.0.1", "localhost", "::1"}


def _wrong(at: str, why: str) -> NoReturn:
    raise DesignError(
        f"the identity file is wrong{f' at {at}' if at else ''}: {why}",
        code="identity.file",
        hint="docs/sign-in.md lists its members",
    )
