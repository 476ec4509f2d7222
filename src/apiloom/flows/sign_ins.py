"""Signing in at the gateway: from a client's request over the operator's issuer and a person's consent to a code.

Every step is bound to the browser it began in, is taken once, and ends after a few minutes. Nothing is given to a
client that a person did not see named, unless the very same was given before to the same place in the web. Knows no
HTTP and no issuer; the console stands above, the application answers who somebody is.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apiloom.base import ids, json
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.flows.sign_in_clients import note_used
from apiloom.identity.facade_clients import is_web, refused
from apiloom.store.ports import Rows, Work
from apiloom.store.records import SignIn

MINUTES: Final = 600.0
"""Seconds that a person has."""

CODE: Final = 60.0
"""Seconds that a client has to redeem its code."""

MOST: Final = 20_000
"""Sign-ins under way."""

_TOGETHER: Final = 500
"""Rows that give way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a client asked for, checked. ``resource`` is a path of this gateway, ``challenge`` that of PKCE (S256).

    ``device`` is the id of the sign-in that a device began: then nobody is sent anywhere, and there is no code.
    """

    client: str
    redirect_uri: str
    state: str
    challenge: str
    resource: str
    scope: str
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who signed in. ``subject`` tells people apart, ``id`` is fit for logs; ``token`` is the id of the API token that
    was shown, and the sign-in ends with it. ``shown`` is what the person is told they are; ``admitted`` names the
    settings that let them in, beyond which it does not last.
    """

    id: str
    subject: str
    tenant: str
    role: str
    servers: tuple[str, ...] | None = None
    end_user: str = ""
    token: str = ""
    shown: str = ""
    admitted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that begins, and the secrets of it: of the browser, of the way back, and for the issuer."""

    sign_in: SignIn
    browser: Secret = field(repr=False)
    state: Secret = field(repr=False)
    verifier: Secret = field(repr=False)
    nonce: str = field(repr=False)


async def begin(ground: Ground, wanted: Wanted) -> Begun:
    """Begin a sign-in.

    Raises:
        CallerError: ``sign_in.temporarily_unavailable`` where too many are under way.
    """
    browser, state, verifier = (Secret(secrets.token_urlsafe(32)) for _ in range(3))
    nonce = secrets.token_urlsafe(24)
    now = ground.now()
    id_ = ids.fresh("sgn")
    asked = asked_of(wanted)

    async def change(work: Work) -> SignIn:
        house = work.house()
        if not await has_room(house.sign_ins, now, MOST):
            raise refused(
                "sign_in.temporarily_unavailable", "too many people are signing in", "try again in a few minutes"
            )
        sealed = await ground.sealing.seal(house, "", id_, json.dumps({"verifier": verifier.reveal(), "nonce": nonce}))
        return await house.sign_ins.add(
            SignIn(
                id=id_,
                client=wanted.client,
                digest=ground.digests(state.reveal())[0],
                asked=asked,
                browser=ground.digests(browser.reveal())[0],
                sealed=sealed,
                expires_at=now + MINUTES,
                created_at=now,
            )
        )

    made = await changing(ground, change)
    return Begun(sign_in=made, browser=browser, state=state, verifier=verifier, nonce=nonce)


def asked_of(wanted: Wanted) -> dict[str, str]:
    """What is kept of what a client asked for."""
    asked = {
        "redirect_uri": wanted.redirect_uri,
        "state": wanted.state,
        "challenge": wanted.challenge,
        "resource": wanted.resource,
        "scope": wanted.scope,
    }
    return {**asked, "device": wanted.device} if wanted.device else asked


def device_of(sign_in: SignIn) -> str:
    """The id of the sign-in that a device began and that this one decides about; empty for all others."""
    return str(sign_in.asked.get("device", ""))


def cookie_of(ground: Ground, sign_in: str) -> str:
    """The name of the cookie that binds a sign-in (by its id) to its browser: several may be under way in one.

    Over https it has the prefix by which browsers take it from this very host alone (RFC 6265bis section 4.1.3.2).
    """
    return f"{'__Host-' if is_secure(ground) else ''}sign-in-{sign_in.removeprefix('sgn_')}"


def is_secure(ground: Ground) -> bool:
    """Whether people reach this gateway over https."""
    return ground.public_url.startswith("https://")


async def returned(ground: Ground, state: str, cookies: Mapping[str, str]) -> Begun:
    """The sign-in that somebody comes back to from the issuer, in the browser it began in. Once: it is taken before
    the issuer's answer is looked at, and whoever comes with the same state again finds nothing.

    Raises:
        CallerError: ``sign_in.lost``.
    """

    async def change(work: Work) -> Begun:
        house = work.house()
        known = await by_digest(ground, house.sign_ins, state)
        browser = "" if known is None else cookies.get(cookie_of(ground, known.id), "")
        if known is None or known.state != "issuer" or not _is_browsers(ground, known, browser):
            raise lost()
        told = json.loads(await ground.sealing.open(house, "", known.id, known.sealed))
        return Begun(
            sign_in=await house.sign_ins.save(replace(known, state="redeeming"), known.revision),
            browser=Secret(browser),
            state=Secret(state),
            verifier=Secret(told["verifier"]),
            nonce=told["nonce"],
        )

    return await changing(ground, change)


async def found(ground: Ground, id_: str, browser: str, state: str) -> SignIn:
    """A sign-in in a state, for the browser it began in.

    Raises:
        CallerError: ``sign_in.lost``.
    """
    async with ground.store.reading() as work:
        sign_in = await work.house().sign_ins.load(id_)
    if sign_in is None or sign_in.state != state or not _is_browsers(ground, sign_in, browser):
        raise lost()
    return sign_in


async def identified(ground: Ground, sign_in: SignIn, person: Person) -> tuple[SignIn, Secret]:
    """Somebody turned out to be who they are: they are asked for consent next. What led here leads nowhere now.

    Gives the sign-in as it is, and the new secret of the browser it goes on in. Whoever knew the one before, be it that
    they planted it in somebody else's browser, has no part in what follows.

    Raises:
        CallerError: ``sign_in.lost``; ``sign_in.access_denied`` where their tenant is not there.
    """
    browser = Secret(secrets.token_urlsafe(32))

    async def change(work: Work) -> SignIn:
        house = work.house()
        known = await house.sign_ins.load(sign_in.id)
        if known is None or not ground.now() < known.expires_at or not _is_same(known, sign_in):
            raise lost()
        if person.tenant and await house.tenants.load(person.tenant) is None:
            raise refused("sign_in.access_denied", "your tenant is not there", "ask whoever runs this gateway")
        sealed = await ground.sealing.seal(house, "", known.id, json.dumps(plain_person(person)))
        fresh = replace(
            known,
            state="consent",
            digest=ground.digests(secrets.token_urlsafe(32))[0],
            browser=ground.digests(browser.reveal())[0],
            sealed=sealed,
            expires_at=ground.now() + MINUTES,
        )
        return await house.sign_ins.save(fresh, known.revision)

    return await changing(ground, change), browser


async def person_of(ground: Ground, sign_in: SignIn) -> Person:
    """Who signed in."""
    async with ground.store.reading() as work:
        return await person_in(ground, work, sign_in)


async def person_in(ground: Ground, work: Work, sign_in: SignIn) -> Person:
    """As :func:`person_of`, in a transaction."""
    value = json.loads(await ground.sealing.open(work.house(), "", sign_in.id, sign_in.sealed))
    servers = value["servers"]
    return Person(**{**value, "servers": None if servers is None else tuple(servers)})


async def is_remembered(ground: Ground, sign_in: SignIn, person: Person) -> bool:
    """Whether the same person gave the very same to the same client before, and has not taken it back.

    Only for places in the web: what is sent to this computer, or to an application's scheme, any program may take.
    """
    place = str(sign_in.asked["redirect_uri"])
    if not is_web(place):
        return False
    where = {"client": sign_in.client, "subject": person.subject, "resource": sign_in.asked["resource"]}
    async with ground.store.reading() as work:
        page, _ = await work.house().token_families.page(limit=50, where={**where, "ended": False})
    now = ground.now()
    same = {**_rights(person), "redirect": place}
    return any(now < each.expires_at and _rights_of(each.principal) == same for each in page)


def csrf(ground: Ground, sign_in: SignIn, browser: str) -> str:
    """What a form of a sign-in carries, so that no other page can send it."""
    return proof_of_form(ground, _form(sign_in, browser))


def check_csrf(ground: Ground, sign_in: SignIn, browser: str, shown: str) -> None:
    """That a form is the one that this browser was shown.

    Raises:
        CallerError: ``sign_in.lost``.
    """
    if not is_form(ground, _form(sign_in, browser), shown):
        raise lost()


def proof_of_form(ground: Ground, form: str) -> str:
    """What a form by this name carries."""
    return base64.urlsafe_b64encode(ground.digests(form)[0]).decode().rstrip("=")


def is_form(ground: Ground, form: str, shown: str) -> bool:
    """Whether a form carries what the one by this name does."""
    given = shown.encode("utf-8", "replace")
    fit = [hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), given) for digest in ground.digests(form)]
    return any(fit)


async def consented(ground: Ground, sign_in: SignIn) -> Secret:
    """The code of a sign-in that its person has agreed to. Once.

    Raises:
        CallerError: ``sign_in.lost``.
    """
    code = Secret(secrets.token_urlsafe(32))

    async def change(work: Work) -> None:
        house = work.house()
        known = await house.sign_ins.load(sign_in.id)
        now = ground.now()
        if known is None or known.state != "consent" or device_of(known) or not now < known.expires_at:
            raise lost()
        fresh = replace(known, state="code", digest=ground.digests(code.reveal())[0], expires_at=now + CODE)
        await house.sign_ins.save(fresh, known.revision)
        await note_used(work, known.client, now)

    await changing(ground, change)
    return code


async def declined(ground: Ground, sign_in: SignIn) -> None:
    """The person does not want it: the sign-in is over, unless it has gone on meanwhile."""

    async def change(work: Work) -> None:
        rows = work.house().sign_ins
        known = await rows.load(sign_in.id)
        if known is not None and _is_same(known, sign_in):
            # the turn is taken by a change, so that nobody else's comes between
            await rows.save(known, known.revision)
            await rows.remove(known.id)

    await changing(ground, change)


async def by_code(ground: Ground, work: Work, code: str) -> SignIn | None:
    """The sign-in that a code is of, also one whose code was redeemed before."""
    sign_in = await by_digest(ground, work.house().sign_ins, code)
    return sign_in if sign_in is not None and sign_in.state in {"code", "used"} else None


async def has_room(rows: Rows[SignIn], now: float, most: int, where: Mapping[str, Any] | None = None) -> bool:
    """Whether fewer than so many live, in a transaction that writes. Those that are over and were not swept yet give
    way, so that a crowd keeps others out for no longer than its sign-ins live.
    """
    while await rows.count(where) >= most:
        over = [each.id for each in await rows.due("expires_at", now, _TOGETHER)]
        if not over:
            return False
        await rows.remove_all(over)
    return True


async def sweep_sign_ins(ground: Ground, most: int = 1000) -> bool:
    """Forget sign-ins, registrations and families that are over, at most so many of each. True: some may be left for
    the next time, which should come soon.
    """
    more = False
    for kind in ("sign_ins", "registrations", "token_families"):
        async with ground.store.reading() as work:
            rows = getattr(work.house(), kind)
            over = [each.id for each in await rows.due("expires_at", ground.now(), most)]
        if over:
            await changing(ground, _forgetting(ground, kind, over))
        more = more or len(over) >= most
    return more


def _forgetting(ground: Ground, kind: str, ids_: list[str]) -> Callable[[Work], Awaitable[None]]:
    async def change(work: Work) -> None:
        rows = getattr(work.house(), kind)
        still = [each.id for each in (await rows.load_all(ids_)).values() if _is_over(each, ground.now())]
        await rows.remove_all(still)

    return change


def _is_over(record: Any, now: float) -> bool:
    return record.expires_at is not None and bool(record.expires_at <= now)


async def by_digest(ground: Ground, rows: Any, text: str, member: str = "digest") -> SignIn | None:
    """The sign-in that a secret leads to."""
    if not text or len(text) > 200:
        return None
    for digest in ground.digests(text):
        page, _ = await rows.page(limit=1, where={member: digest})
        if page:
            record: SignIn = page[0]
            return record
    return None


def _is_browsers(ground: Ground, sign_in: SignIn, browser: str) -> bool:
    fit = [hmac.compare_digest(sign_in.browser, digest) for digest in ground.digests(browser)]
    return bool(browser) and len(browser) <= 200 and any(fit) and ground.now() < sign_in.expires_at


def _is_same(known: SignIn, seen: SignIn) -> bool:
    """Whether a sign-in is where it was when it was looked at."""
    return (known.state, known.revision) == (seen.state, seen.revision)


def _form(sign_in: SignIn, browser: str) -> str:
    return f"form:{sign_in.id}:{sign_in.state}:{browser}"


def plain_person(person: Person) -> Mapping[str, Any]:
    """Somebody as plain values, to be sealed."""
    return {
        "id": person.id,
        "subject": person.subject,
        "tenant": person.tenant,
        "role": person.role,
        "servers": None if person.servers is None else list(person.servers),
        "end_user": person.end_user,
        "token": person.token,
        "shown": person.shown,
        "admitted": person.admitted,
    }


def _rights(person: Person) -> Mapping[str, Any]:
    servers = None if person.servers is None else list(person.servers)
    rights = {"id": person.id, "role": person.role, "servers": servers, "end_user": person.end_user}
    return {**rights, "token": person.token, "admitted": person.admitted}


def _rights_of(principal: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        name: principal.get(name) for name in ("id", "role", "servers", "end_user", "token", "admitted", "redirect")
    }


def family_members(person: Person, redirect_uri: str) -> Mapping[str, Any]:
    """What a family keeps of whom it stands for, and of where it was given to."""
    return {**_rights(person), "redirect": redirect_uri}


def lost() -> CallerError:
    """``sign_in.lost``: what is said of every sign-in that is not there, or not for this browser."""
    return CallerError(
        "this sign-in is over, or began in another browser",
        code="sign_in.lost",
        hint="begin again from the application",
    )
