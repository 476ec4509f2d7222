"""Signing in for a device without a browser: it shows a short code, and whoever types it in elsewhere decides.

The device holds a long code that nobody else sees, the person a short one. The short one only ever begins a sign-in of
the one who typed it, in the browser they typed it in; who they are and what they allow is found out as for every other
client. One decision counts, the first; then the long code gives tokens, once. Both codes are kept as keyed hashes, and
every node knows them. Knows no HTTP; the console stands above.
Source: RFC 8628.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from apiloom.base import ids, json
from apiloom.base.secret import Secret
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.flows.sign_in_clients import note_used, offers_devices
from apiloom.flows.sign_ins import (
    Begun,
    Wanted,
    asked_of,
    begin,
    by_digest,
    device_of,
    has_room,
    lost,
    person_in,
    plain_person,
)
from apiloom.flows.token_families import Issued, bad_grant, begin_family, end_family, issued_for
from apiloom.identity.facade_clients import refused
from apiloom.identity.settings import Facade
from apiloom.store.ports import Work
from apiloom.store.records import SignIn

LIFE: Final = 900.0
"""Seconds that both codes live."""

INTERVAL: Final = 5
"""Seconds between two questions of a device."""

COLLECT: Final = 120.0
"""Seconds that a device has to ask once more when it was let in, whatever is left of the code's life."""

LATE: Final = 120.0
"""Seconds that a device is told that its code is over, instead of that there never was one."""

MOST: Final = 2_000
"""Devices that wait at the same time: how far a guess at a short code may reach."""

MOST_TYPED: Final = 5
"""Sign-ins that one short code begins: people close pages and begin again."""

PENDING: Final = "authorization_pending"
"""What a device is told until somebody has decided (RFC 8628 section 3.5)."""

LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters that make no words, and that nobody takes for a digit (RFC 8628 section 6.1)."""

LENGTH: Final = 8

_LONGEST_TYPED = 60
_IGNORED = re.compile("[-_.\\s\u2010-\u2015\u2212\u00ad\ufe58\ufe63\uff0d]+")
"""What people put between letters: dashes of all kinds, and blanks."""

_CODE = re.compile(f"[{LETTERS}{LETTERS.lower()}]{{{LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a device is given: its own code, the one it shows, and for how many seconds both live."""

    device_code: Secret = field(repr=False)
    user_code: str = field(repr=False)
    seconds: int


def read_user_code(typed: str) -> str:
    """A short code as it was typed, without case and dashes; empty for what can be none."""
    bare = _IGNORED.sub("", typed) if len(typed) <= _LONGEST_TYPED else ""
    # only letters of ASCII: others have capitals that look like, and are, those of the code
    return bare.upper() if _CODE.fullmatch(bare) else ""


def shown_code(code: str) -> str:
    """A short code as people read it."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


async def start(ground: Ground, wanted: Wanted, address: str) -> Started:
    """A device begins; ``address`` is where it asks from, which whoever decides is shown.

    Raises:
        CallerError: ``sign_in.temporarily_unavailable`` where too many wait.
    """
    device = Secret(secrets.token_urlsafe(32))
    now = ground.now()
    id_ = ids.fresh("sgn")

    async def change(work: Work) -> str:
        rows = work.house().sign_ins
        if not await has_room(rows, now, MOST, {"state": "device"}):
            raise refused(
                "sign_in.temporarily_unavailable", "too many devices are signing in", "try again in a few minutes"
            )
        short = _fresh_code()
        while await by_digest(ground, rows, _of_person(short), "user_code") is not None:
            short = _fresh_code()
        await rows.add(
            SignIn(
                id=id_,
                client=wanted.client,
                digest=ground.digests(_of_device(device.reveal()))[0],
                user_code=ground.digests(_of_person(short))[0],
                state="device",
                asked={**asked_of(wanted), "address": address, "ends": now + LIFE, "typed": 0},
                expires_at=now + LIFE + LATE,
                created_at=now,
            )
        )
        return short

    return Started(device_code=device, user_code=await changing(ground, change), seconds=int(LIFE))


async def typed(ground: Ground, facade: Facade, code: str) -> Begun | None:
    """Somebody typed a short code in: their own sign-in begins. None for a code that is not known, or over.

    Raises:
        CallerError: ``sign_in.temporarily_unavailable`` where too many are under way.
    """

    async def change(work: Work) -> SignIn | None:
        rows = work.house().sign_ins
        device = await by_digest(ground, rows, _of_person(code), "user_code") if code else None
        if device is None or not _waits(ground, device) or not offers_devices(facade, device.client):
            return None
        count = int(device.asked["typed"]) + 1
        if count > MOST_TYPED:
            return None
        return await rows.save(replace(device, asked={**device.asked, "typed": count}), device.revision)

    device = await changing(ground, change)
    if device is None:
        return None
    wanted = Wanted(
        client=device.client,
        redirect_uri="",
        state="",
        challenge="",
        resource=str(device.asked["resource"]),
        scope=str(device.asked["scope"]),
        device=device.id,
    )
    return await begin(ground, wanted)


async def waiting(ground: Ground, sign_in: SignIn) -> SignIn:
    """The device that a sign-in decides about.

    Raises:
        CallerError: ``sign_in.lost`` where that is decided, or over.
    """
    async with ground.store.reading() as work:
        device = await work.house().sign_ins.load(device_of(sign_in))
    if device is None or not _waits(ground, device):
        raise lost()
    return device


async def approved(ground: Ground, sign_in: SignIn) -> None:
    """The person of a sign-in lets the device in. The first decision counts, and no other does.

    Raises:
        CallerError: ``sign_in.lost``.
    """

    async def change(work: Work) -> None:
        house = work.house()
        known = await _decides(ground, work, sign_in)
        device = await house.sign_ins.load(device_of(known))
        if device is None or not _waits(ground, device):
            raise lost()
        now = ground.now()
        person = await person_in(ground, work, known)
        # long enough for a device that asks seldom, and no longer: what lies about may be brought back with a backup
        ends = now + COLLECT
        fresh = replace(
            device,
            state="approved",
            user_code=b"",
            sealed=await ground.sealing.seal(house, "", device.id, json.dumps(plain_person(person))),
            asked={**device.asked, "ends": ends},
            expires_at=ends + LATE,
        )
        await house.sign_ins.save(fresh, device.revision)
        await house.sign_ins.remove(known.id)
        await note_used(work, device.client, now)

    await changing(ground, change)


async def denied(ground: Ground, sign_in: SignIn) -> None:
    """The person of a sign-in does not want it: that ends it for the device too.

    Raises:
        CallerError: ``sign_in.lost``.
    """

    async def change(work: Work) -> None:
        rows = work.house().sign_ins
        known = await _decides(ground, work, sign_in)
        device = await rows.load(device_of(known))
        if device is None or not _waits(ground, device):
            # nobody is told that they turned away a device which somebody else has let in
            raise lost()
        await rows.save(replace(device, state="denied", user_code=b""), device.revision)
        await rows.remove(known.id)

    await changing(ground, change)


async def redeem_device(ground: Ground, facade: Facade, form: Mapping[str, str], resource: str | None) -> Issued | None:
    """Tokens for a device's code; None while nobody has decided. ``resource`` is as for codes.

    Raises:
        CallerError: ``sign_in.access_denied``, ``sign_in.expired_token``, ``sign_in.invalid_grant``,
            ``sign_in.invalid_target``, ``sign_in.unauthorized_client``.
    """
    async with ground.store.reading() as work:
        device = await _of_form(ground, work, form)
    if device.state == "device":
        # most questions come too early: they need no turn among those who write
        _check_device(ground, facade, device, resource)
        return None

    async def change(work: Work) -> Issued | None:
        house = work.house()
        device = await _of_form(ground, work, form)
        if device.state == "redeemed":
            # somebody else has it: what it gave must not live on, as for codes (OAuth 2.1 section 4.1.3)
            await end_family(ground, work, str(device.asked.get("family", "")), "reuse")
            return None
        _check_device(ground, facade, device, resource)
        person = await person_in(ground, work, device)
        if person.admitted != facade.admits:
            raise bad_grant("the sign-in is over")
        family = await begin_family(ground, work, facade, device, person)
        fresh = replace(device, state="redeemed", asked={**device.asked, "family": family.id}, sealed=b"")
        await house.sign_ins.save(replace(fresh, expires_at=ground.now() + 600), device.revision)
        return issued_for(ground, facade, family)

    issued = await changing(ground, change)
    if issued is None:
        raise bad_grant("the device code was used before")
    return issued


async def _of_form(ground: Ground, work: Work, form: Mapping[str, str]) -> SignIn:
    """The sign-in of the device that asks for tokens, for the client that began it alone."""
    device = await by_digest(ground, work.house().sign_ins, _of_device(form.get("device_code", "")))
    if device is None or device.client != form.get("client_id"):
        raise bad_grant("the device code is not known, or over")
    return device


def _check_device(ground: Ground, facade: Facade, device: SignIn, resource: str | None) -> None:
    if not offers_devices(facade, device.client):
        raise refused("sign_in.unauthorized_client", "nobody signs in for a device of this application here")
    if device.state == "denied":
        raise refused("sign_in.access_denied", "it was not allowed")
    if not ground.now() < float(device.asked["ends"]):
        raise refused("sign_in.expired_token", "nobody decided in time", "begin again on the device")
    if resource is not None and resource != device.asked["resource"]:
        raise refused("sign_in.invalid_target", "the token was not asked for that resource")


async def _decides(ground: Ground, work: Work, sign_in: SignIn) -> SignIn:
    """A sign-in as it is, whose person is asked about a device at this moment."""
    known = await work.house().sign_ins.load(sign_in.id)
    if known is None or known.state != "consent" or not device_of(known) or not ground.now() < known.expires_at:
        raise lost()
    return known


def _waits(ground: Ground, device: SignIn) -> bool:
    return device.state == "device" and ground.now() < float(device.asked["ends"])


def _fresh_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def _of_device(code: str) -> str:
    """What a device's code is kept by: a name that no other secret of a sign-in has."""
    return f"device:{code}" if code else ""


def _of_person(code: str) -> str:
    return f"user-code:{code}"
