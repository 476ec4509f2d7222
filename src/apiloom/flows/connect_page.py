"""What the connect page of one session asks for and names, and what is kept of a visit between its steps.

Reads; changes nothing. :mod:`apiloom.flows.connect_visit` stands above and the page beside it shows what is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError, HouseFault
from apiloom.base.secret import Unshown
from apiloom.catalog.scopes import needed_scopes
from apiloom.flows.access import well_formed
from apiloom.flows.connect_ports import Blank, Consent, Needs
from apiloom.flows.connect_ways import Way, beyond, form_of, needed_by, ways_of
from apiloom.flows.connecting import MADE_WITH, WITHIN_CLIENT, connecting_of, knows
from apiloom.flows.ground import Ground
from apiloom.flows.oauth_clients import load_clients
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.model.api import SecurityScheme, ServerVariable
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, Connector, ConnectSession, OAuthClient, Tenant, Version

_OF_TOKEN = "key_"  # noqa: S105 - the prefix of the ids of API tokens
_OF_SIGN_IN = "fam_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing to type. ``name`` is its name in the form; ``choices`` are all that it may be, empty: anything."""

    name: str
    kind: str
    """``variable``, ``token``, ``username`` or ``password``."""
    title: str
    scheme: SecurityScheme | None = None
    description: str = ""
    choices: tuple[str, ...] = ()
    value: str = ""
    required: bool = True
    secret: bool = False
    provider: str = ""
    """Whose address it stands in, where that is a provider's and not the API's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that a page of one session knows. By scheme: ``consents`` are the OAuth clients, ``providers`` what these are
    called, ``blanks`` what of their addresses an account may say, ``identities`` as whom the account is connected.
    """

    session: ConnectSession
    tenant: Tenant
    connector: Connector
    version: Version
    needs: Needs = field(repr=False)
    ways: tuple[Way, ...]
    consents: Mapping[str, OAuthClient] = field(repr=False)
    providers: Mapping[str, str] = field(default_factory=dict)
    blanks: Mapping[str, tuple[Blank, ...]] = field(default_factory=dict)
    account: Account | None = None
    identities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, Any]:
        """As whom the account is connected, empty where nobody said."""
        return next(iter(self.identities.values()), {})

    @property
    def held_to_identity(self) -> bool:
        """Whether only the person as whom the account is connected may connect it anew."""
        return bool(self.identities) and not self.session.wanted.get("allow_other_identity")

    @property
    def known(self) -> Mapping[str, str]:
        """The variables that are known before anything is typed."""
        told: Mapping[str, str] = self.session.wanted.get("variables", {})
        return told if self.account is None else self.account.variables

    def way(self, number: int) -> Way:
        """One of the ways, the first where there is no such."""
        return next((way for way in self.ways if way.number == number), self.ways[0])

    def variables(self, way: Way) -> tuple[str, ...]:
        """The variables that are asked for: of the API's address, and of where one signs in."""
        known, ask = self.known, self.session.wanted.get("ask", ())
        blanks = [one for scheme in way.consents for one in self.blanks.get(scheme, ())]
        lacking = [one.name for one in blanks if one.name not in known and (one.is_needed or one.name in ask)]
        if self.account is not None:
            return tuple(dict.fromkeys(lacking))
        own = [name for name in self.needs.variables if name not in known]
        asked = [name for name in ask if name in self.needs.known]
        return tuple(dict.fromkeys([*own, *asked, *lacking]))

    def fields(self, way: Way) -> tuple[Field, ...]:
        """What is typed for a way, in order."""
        typed = (
            Field(
                name=f"c:{name}:{member}",
                kind=member,
                title=self.needs.schemes[name].name or name,
                scheme=self.needs.schemes[name],
                description=self.needs.schemes[name].description,
                required=member != "password",
                secret=member != "username",
            )
            for name in way.typed
            for member in form_of(self.needs.schemes[name])
        )
        return (*(self._variable(name, way) for name in self.variables(way)), *typed)

    def _variable(self, name: str, way: Way) -> Field:
        known = self.needs.known.get(name)
        if known is not None:
            return _variable(name, known)
        blanks = (one for scheme in way.consents for one in self.blanks.get(scheme, ()) if one.name == name)
        blank = next(blanks, None)
        return Field(name=f"v:{name}", kind="variable", title=name, provider=blank.provider if blank else "")

    def consent(self, way: Way, scheme: str, variables: Mapping[str, str]) -> Consent:
        """What is asked of the provider of a scheme: the least that the tools need, and what the client and the vendor
        add.
        """
        client = self.consents[scheme]
        needed = needed_scopes(needed_by(self.needs, way), scheme)
        asked = tuple(self.session.wanted.get("scopes", ()))
        if client.tenant is None and self.session.wanted.get(WITHIN_CLIENT):
            wider = beyond(self.needs, scheme, client.scopes, asked)
            asked = tuple(one for one in asked if one not in wider)
        more = (*client.scopes, *asked)
        return Consent(
            tenant=self.session.tenant,
            client=client,
            scheme=self.needs.schemes[scheme],
            scopes=tuple(dict.fromkeys((*needed, *more))),
            variables=variables,
        )


def _variable(name: str, known: ServerVariable) -> Field:
    default = known.default or ""
    return Field(
        name=f"v:{name}",
        kind="variable",
        title=name,
        description=known.description,
        choices=known.enum,
        # any other default may only stand for what is to be typed
        value=default if default in known.enum else "",
    )


def gone() -> CallerError:
    """What is said of every link that opens nothing: whether it never did, has ended or was taken back."""
    return CallerError(
        "this link is not valid, or not any more",
        code="connect.gone",
        hint="go back to where you got it and ask for a new one",
    )


async def find_visit(ground: Ground, text: str) -> ConnectSession:
    """The session of a link.

    Raises:
        CallerError: ``connect.gone``.
    """
    id_, _, secret = text.partition(".")
    if not secret or not well_formed(id_) or not text.isascii() or len(text) > 200:
        raise gone()
    async with ground.store.reading() as work:
        session = await work.house().connect_sessions.load(id_)
        if session is None or not knows(ground, session.digest, "link", text):
            raise gone()
        return await checked_live(ground, work.house(), session)


async def checked_live(ground: Ground, house: Scope, session: ConnectSession) -> ConnectSession:
    """The session, unless it has ended, or whoever made it may make nothing any more.

    Raises:
        CallerError: ``connect.gone``.
    """
    if session.expires_at <= ground.now():
        raise gone()
    if session.state != "done" and not await _still_vouched(house, session, ground.now()):
        raise gone()
    return session


async def _still_vouched(house: Scope, session: ConnectSession, now: float) -> bool:
    """Whether the token and the sign-in that a session was made with still count."""
    told = (session.created_by.removeprefix("token:"), *session.wanted.get(MADE_WITH, "").split())
    for id_ in dict.fromkeys(told):
        if id_.startswith(_OF_TOKEN):
            token = await house.api_tokens.load(id_)
            if token is None or (token.expires_at is not None and token.expires_at <= now):
                return False
        elif id_.startswith(_OF_SIGN_IN):
            family = await house.token_families.load(id_)
            if family is None or family.ended or family.expires_at <= now:
                return False
    return True


async def load_again(ground: Ground, work: Work, session: ConnectSession) -> ConnectSession:
    """The session as it is now, in the transaction that changes it.

    Raises:
        CallerError: ``connect.gone``.
    """
    now = await work.tenant(session.tenant).connect_sessions.load(session.id)
    if now is None:
        raise gone()
    return await checked_live(ground, work.house(), now)


async def load_asked(ground: Ground, session: ConnectSession) -> Asked:
    """What the page of a session asks for, as the connector is now.

    Raises:
        CallerError: ``connect.gone`` when the account, the tenant or the connector is not there any more.
    """
    port = connecting_of(ground)
    async with ground.store.reading() as work:
        scope = work.tenant(session.tenant)
        tenant = await scope.tenants.load(session.tenant)
        account = None if session.account is None else await scope.accounts.load(session.account)
        try:
            connector = await connector_named(scope, session.connector)
            version = await version_of(scope, connector)
        except CallerError:
            raise gone() from None
        if tenant is None or not connector.enabled or (session.account is not None and account is None):
            raise gone()
        made = compiled(scope, version)
        needs = await port.needs(version, made.artefact, connector.options)
        consents = await load_clients(scope, session.connector, needs.schemes, session.tenant)
        grants = [] if account is None else list(await scope.grants.every({"account": account.id}))
    before = () if account is None else (*account.schemes, *(grant.scheme for grant in grants))
    asked = Asked(
        session=session,
        tenant=tenant,
        connector=connector,
        version=version,
        needs=needs,
        ways=ways_of(needs, frozenset(consents), before),
        consents=consents,
        providers={name: await port.provider(client, needs.schemes[name]) for name, client in consents.items()},
        blanks={name: port.blanks(client, needs.schemes[name]) for name, client in consents.items()},
        account=account,
        identities={grant.scheme: grant.identity for grant in grants if grant.identity},
    )
    # what is typed says of nobody whose it is; where nothing else is left, sending it is refused
    signing_in = tuple(way for way in asked.ways if way.consents)
    return replace(asked, ways=signing_in) if asked.held_to_identity and signing_in else asked


# what is kept between the steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What of a visit only this house may read. ``attempt`` names the consent under way, empty for none; ``granted`` is
    what of the ``way`` was granted before it, by scheme, as the port packs it.
    """

    channel: str = ""
    tries: int = 0
    way: int = 0
    attempt: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    begun: Mapping[str, str] = field(default_factory=dict, repr=False)
    granted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def forgotten(self) -> Kept:
        """Without what was typed, granted and under way."""
        return Kept(channel=self.channel, tries=self.tries)

    def ended(self) -> Kept:
        """Without what was under way; what was granted before it stays, and what was typed for that."""
        return replace(self, attempt="", begun={}) if self.granted else self.forgotten()


_KEPT = ("channel", "tries", "way", "attempt", "variables", "credentials", "begun", "granted")


async def open_kept(ground: Ground, scope: Scope, session: ConnectSession) -> Kept:
    """What is kept of a visit.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    if not session.sealed:
        return Kept()
    values = json.loads(await ground.sealing.open(scope, session.tenant, session.id, session.sealed))
    if not isinstance(values, dict) or set(values) != set(_KEPT):
        raise HouseFault("what was kept of a connect session is damaged", code="vault.sealed", hint="make a new one")
    for name in ("begun", "granted", "credentials"):
        # these are carried along while providers are asked
        values[name] = _unshown(values[name])
    return Kept(**values)


def _unshown(values: Mapping[str, Any]) -> Unshown:
    return Unshown({name: Unshown(each) if isinstance(each, dict) else each for name, each in values.items()})


async def with_kept(ground: Ground, scope: Scope, session: ConnectSession, kept: Kept) -> ConnectSession:
    """The session with something else kept."""
    plain = json.canonical({name: getattr(kept, name) for name in _KEPT})
    return replace(session, sealed=await ground.sealing.seal(scope, session.tenant, session.id, plain))
