"""The tokens of a sign-in: a code becomes a family, its refresh token turns over with grace, and all of it can end.

A client that lost an answer, or several that share a token, may show the one before for a while and are given the
present one. Shown later it is in the wrong hands: the family ends. A code that is shown twice ends what it gave.
Sources: OAuth 2.1 sections 4.1.3, 4.3.1 and 6.1; RFC 7009; RFC 7636; RFC 8707.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from apiloom.base import ids
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.flows.sign_ins import Person, by_code, family_members, person_in
from apiloom.identity.facade_clients import refused
from apiloom.identity.facade_tokens import (
    is_proven,
    read_access,
    read_refresh,
    write_access,
    write_refresh,
)
from apiloom.identity.principal import Principal
from apiloom.identity.settings import Facade
from apiloom.store.ports import Work
from apiloom.store.records import SignIn, TokenFamily

MOST_EACH: Final = 20
"""Sign-ins of one person with one client at one resource that live at the same time."""

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a client is given: its tokens, for how many seconds, and with which scope."""

    access: Secret = field(repr=False)
    refresh: Secret = field(repr=False)
    seconds: int
    scope: str


def challenge_of(verifier: str) -> str:
    """The challenge of a verifier (RFC 7636 section 4.2, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode().rstrip("=")


async def redeem_code(ground: Ground, facade: Facade, form: Mapping[str, str], resource: str | None) -> Issued:
    """Tokens for a code. ``resource`` is the path that the client asked for now, None where it did not say.

    Raises:
        CallerError: ``sign_in.invalid_grant``, ``sign_in.invalid_target``.
    """

    async def change(work: Work) -> Issued | None:
        sign_in = await by_code(ground, work, form.get("code", ""))
        if sign_in is None:
            raise bad_grant("the code is not known, or over")
        house = work.house()
        if sign_in.state == "used":
            # somebody else has it: what it gave must not live on (OAuth 2.1 section 4.1.3)
            await end_family(ground, work, str(sign_in.asked.get("family", "")), "reuse")
            return None
        _check_code(ground, sign_in, form)
        if resource is not None and resource != sign_in.asked["resource"]:
            raise refused("sign_in.invalid_target", "the token was not asked for that resource")
        person = await person_in(ground, work, sign_in)
        if person.admitted != facade.admits:
            raise bad_grant("the sign-in is over")
        family = await begin_family(ground, work, facade, sign_in, person)
        used = replace(sign_in, state="used", asked={**sign_in.asked, "family": family.id}, sealed=b"")
        await house.sign_ins.save(replace(used, expires_at=ground.now() + 600), sign_in.revision)
        return issued_for(ground, facade, family)

    issued = await changing(ground, change)
    if issued is None:
        raise bad_grant("the code was used before")
    return issued


async def refresh_tokens(ground: Ground, facade: Facade, form: Mapping[str, str], resource: str | None) -> Issued:
    """New tokens for a refresh token.

    Raises:
        CallerError: ``sign_in.invalid_grant``, ``sign_in.invalid_target``.
    """
    shown = read_refresh(form.get("refresh_token", ""))
    if shown is None:
        raise bad_grant("the refresh token is not known")

    async def change(work: Work) -> Issued | None:
        rows = work.house().token_families
        family = await rows.load(shown.family)
        now = ground.now()
        if family is None or not is_proven(shown, family.digest, ground.digests):
            raise bad_grant("the refresh token is not known")
        if family.client != form.get("client_id"):
            raise bad_grant("the refresh token is not known")
        if family.ended or not now < family.expires_at:
            raise bad_grant("the sign-in is over")
        if family.principal.get("admitted") != facade.admits:
            # that the operator's settings once let them in is worth nothing
            await end_family(ground, work, family.id, "revoke")
            return None
        if not await _token_lives(work, str(family.principal.get("token") or ""), now):
            # who signed in with an API token is nobody without it: a client that is told nothing asks in circles
            await end_family(ground, work, family.id, "revoke")
            return None
        if resource is not None and resource != family.resource:
            raise refused("sign_in.invalid_target", "the token was not given for that resource")
        if shown.generation == family.generation:
            fresh = replace(family, generation=family.generation + 1, grace_until=now + facade.grace_seconds)
            family = await rows.save(fresh, family.revision)
        elif not (shown.generation == family.generation - 1 and now < family.grace_until):
            await end_family(ground, work, family.id, "reuse")
            return None
        return issued_for(ground, facade, family)

    issued = await changing(ground, change)
    if issued is None:
        raise bad_grant("the refresh token was used before, or the sign-in is over")
    return issued


async def _token_lives(work: Work, token: str, now: float) -> bool:
    """Whether the API token that somebody signed in with, by its id, still counts; true where there was none."""
    if not token:
        return True
    kept = await work.house().api_tokens.load(token)
    return kept is not None and (kept.expires_at is None or now < kept.expires_at)


async def revoke(ground: Ground, token: str, client: str) -> None:
    """End the family of a token, access or refresh; what is no token, or of a sign-in that is over, changes nothing and
    is no error (RFC 7009 section 2.2).

    Raises:
        CallerError: ``sign_in.invalid_grant`` for a token that was given to another client: it lives on (RFC 7009
            section 2.1, RFC 6749 section 5.2).
    """
    refresh = read_refresh(token)
    access = read_access(token, ground.digests)
    id_ = refresh.family if refresh is not None else "" if access is None else access.family
    if not id_:
        return

    async def change(work: Work) -> None:
        family = await work.house().token_families.load(id_)
        if family is None or family.ended or not ground.now() < family.expires_at:
            return
        if refresh is not None and not is_proven(refresh, family.digest, ground.digests):
            return
        if family.client != client:
            raise bad_grant("the token was given to another client")
        await end_family(ground, work, id_, "revoke")

    await changing(ground, change)


async def begin_family(ground: Ground, work: Work, facade: Facade, sign_in: SignIn, person: Person) -> TokenFamily:
    """The family that a sign-in gives a person's client, in a transaction; the oldest of too many ends."""
    now = ground.now()
    await _make_room(ground, work, sign_in, person)
    family = TokenFamily(
        id=ids.fresh("fam"),
        tenant=person.tenant or None,
        client=sign_in.client,
        subject=person.subject,
        principal=family_members(person, str(sign_in.asked["redirect_uri"])),
        resource=str(sign_in.asked["resource"]),
        scopes=(str(sign_in.asked["scope"]),),
        digest=secrets.token_bytes(32),
        expires_at=now + facade.refresh_seconds,
        created_at=now,
    )
    made = await work.house().token_families.add(family)
    await note(ground, work.house(), principal_of(made), "create", made, client=made.client)
    return made


async def _make_room(ground: Ground, work: Work, sign_in: SignIn, person: Person) -> None:
    """End the oldest sign-ins of a person with a client at a resource, where there would be too many."""
    same = {"client": sign_in.client, "subject": person.subject, "resource": str(sign_in.asked["resource"])}
    page, _ = await work.house().token_families.page(limit=MOST_EACH * 2, where={**same, "ended": False})
    living = sorted(page, key=lambda each: (each.created_at, each.id))
    for family in living[: max(0, len(living) - MOST_EACH + 1)]:
        await end_family(ground, work, family.id, "revoke")


async def end_family(ground: Ground, work: Work, id_: str, why: str) -> None:
    """End a family, in a transaction; ``why`` is the word for the audit."""
    rows = work.house().token_families
    family = await rows.load(id_)
    if family is not None and not family.ended:
        ended = await rows.save(replace(family, ended=True), family.revision)
        await note(ground, work.house(), principal_of(ended), why, ended, client=ended.client)


def issued_for(ground: Ground, facade: Facade, family: TokenFamily) -> Issued:
    """The tokens of a family as it is."""
    now = ground.now()
    ends = min(now + facade.access_seconds, family.expires_at)
    return Issued(
        access=Secret(write_access(family.id, ends, ground.digests)),
        refresh=Secret(write_refresh(family.id, family.generation, family.digest, ground.digests)),
        seconds=max(1, int(ends - now)),
        scope=" ".join(family.scopes),
    )


def _check_code(ground: Ground, sign_in: SignIn, form: Mapping[str, str]) -> None:
    verifier = form.get("code_verifier", "")
    if not ground.now() < sign_in.expires_at:
        raise bad_grant("the code is not known, or over")
    if form.get("client_id") != sign_in.client:
        raise bad_grant("the code was given to another client")
    if form.get("redirect_uri", sign_in.asked["redirect_uri"]) != sign_in.asked["redirect_uri"]:
        raise bad_grant("the code was sent to another place")
    if _VERIFIER.fullmatch(verifier) is None:
        raise bad_grant("the code needs its verifier")
    if not hmac.compare_digest(challenge_of(verifier), str(sign_in.asked["challenge"])):
        raise bad_grant("the verifier is another's")


def principal_of(family: TokenFamily) -> Principal:
    """Whom the audit names for what a family's own tokens did."""
    return Principal(id=str(family.principal.get("id") or family.id), tenant=family.tenant or "")


def bad_grant(why: str) -> CallerError:
    """``sign_in.invalid_grant``: what was shown for tokens is worth none."""
    return refused("sign_in.invalid_grant", why, "sign in again")
