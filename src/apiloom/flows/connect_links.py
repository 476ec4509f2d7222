"""Links for people who have to connect an account before an agent's call can succeed.

Made by the house for the account's own person, so nobody's token limits them. A link is no credential: it opens a page
that names whom it is for, and belongs to the first browser that opens it. Whoever hands links out remembers them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from apiloom.base.ids import fresh
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.connecting import SIGNED_IN, digest_of
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.store.ports import Work
from apiloom.store.records import Account, ConnectSession

LIFE = 3600.0
"""Seconds that a link in a tool's error lives."""

GATEWAY = Principal(id="gateway", role="owner")
"""Who signs for links that the house makes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link and when it ends, in seconds since the epoch."""

    url: str = field(repr=False)
    expires_at: float


class Place(NamedTuple):
    """Who lacks an account, and where."""

    tenant: str
    connector: str
    end_user: str


async def link_for(ground: Ground, account: Account, scopes: Sequence[str] = (), person: str = "") -> Link | None:
    """A link to connect an account anew, with these scopes besides those that it asks for anyway; for nobody but the
    ``person`` of that id who signed in at this gateway, where one is known.

    None where no page is served.

    Raises:
        CallerError: ``store.depended_on`` when the account's connector is gone.
        HouseFault: ``store.unreachable``.
    """
    return await _made(
        ground,
        ConnectSession(
            id=fresh("cs"),
            tenant=account.tenant,
            connector=account.connector,
            account=account.id,
            end_user=account.end_user,
            wanted={**({"scopes": list(scopes)} if scopes else {}), **_for(person)},
        ),
    )


async def first_link_for(ground: Ground, place: Place, person: str = "") -> Link | None:
    """A link for somebody who has no account with a connector yet; None where no page is served, or nobody is named.
    ``person`` as in :func:`link_for`.

    Raises:
        CallerError: ``store.depended_on`` when the tenant or the connector is gone.
        HouseFault: ``store.unreachable``.
    """
    if not place.end_user:
        return None
    session = ConnectSession(
        id=fresh("cs"),
        tenant=place.tenant,
        connector=place.connector,
        end_user=place.end_user,
        wanted=_for(person),
    )
    return await _made(ground, session)


def _for(person: str) -> dict[str, str]:
    return {SIGNED_IN: person} if person else {}


async def _made(ground: Ground, session: ConnectSession) -> Link | None:
    if ground.connecting is None or not ground.public_url or ground.dormant():
        return None
    text = f"{session.id}.{secrets.token_urlsafe(32)}"
    now = ground.now()
    made = replace(
        session,
        digest=digest_of(ground, "link", text),
        expires_at=now + LIFE,
        created_by=GATEWAY.id,
        created_at=now,
    )

    async def change(work: Work) -> None:
        scope = work.tenant(made.tenant)
        kept = await scope.connect_sessions.add(made)
        await note(ground, scope, GATEWAY, "create", kept, connector=kept.connector)

    await changing(ground, change)
    return Link(url=f"{ground.public_url}/connect/{text}", expires_at=made.expires_at)
