"""The kinds of records as one table: who is shown them, what is unique of them, what they refer to.

Every store is made from it, so that all keep the same rules. It does not know how anything is kept. Above it stand the
stores; below it the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from apiloom.store import records

Shown = Literal["own", "shown", "of_shown", "layered", "house"]
"""What a tenant sees of a kind.

``own``: records of that tenant, which it also writes. ``shown``: connectors that are shown to all or to it, read only.
``of_shown``: what belongs to a connector shown to it, read only. ``layered``: its own, and, read only, the layer of
those connectors, which has no tenant. ``house``: nothing; the kind is the house's alone.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Members that together name another record: its kind, and the members of it that are meant."""

    members: tuple[str, ...]
    rows: str
    there: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of record.

    ``name`` is the word of changes, ``rows`` the member of a scope and the table. ``owner`` is the member that holds
    the tenant. ``unique`` are sets of members that no two records share; a set with a None in it is never taken,
    except where ``none_counts``. ``noted`` kinds leave a change behind.
    """

    name: str
    rows: str
    record: type[Any]
    shown: Shown = "own"
    owner: str = "tenant"
    unique: tuple[tuple[str, ...], ...] = ()
    none_counts: bool = False
    refers: tuple[Reference, ...] = ()
    noted: bool = True
    newest_first: bool = False

    @property
    def read_only(self) -> bool:
        """Whether tenants may only read it."""
        return self.shown in ("shown", "of_shown", "house")


_OF_TENANT = Reference(members=("tenant",), rows="tenants")
_OF_CONNECTOR = Reference(members=("connector",), rows="connectors")

KINDS: Final = (
    Kind(name="tenant", rows="tenants", record=records.Tenant, owner="id", unique=(("external_id",),)),
    Kind(
        name="tenant_key",
        rows="tenant_keys",
        record=records.TenantKey,
        unique=(("tenant", "version"),),
        refers=(_OF_TENANT,),
        noted=False,
    ),
    Kind(name="connector", rows="connectors", record=records.Connector, shown="shown"),
    Kind(
        name="version",
        rows="versions",
        record=records.Version,
        shown="of_shown",
        unique=(("connector", "number"),),
        refers=(_OF_CONNECTOR,),
    ),
    Kind(
        name="account",
        rows="accounts",
        record=records.Account,
        unique=(("tenant", "external_id"),),
        refers=(_OF_TENANT, _OF_CONNECTOR),
    ),
    Kind(
        name="server",
        rows="servers",
        record=records.Server,
        unique=(("tenant", "name"), ("tenant", "external_id")),
        refers=(_OF_TENANT,),
    ),
    Kind(
        name="server_token",
        rows="server_tokens",
        record=records.ServerToken,
        unique=(("digest",),),
        refers=(Reference(members=("tenant", "server"), rows="servers", there=("tenant", "id")),),
    ),
    Kind(
        name="api_token",
        rows="api_tokens",
        record=records.ApiToken,
        unique=(("digest",),),
        refers=(_OF_TENANT,),
    ),
    Kind(
        name="overlay",
        rows="overlays",
        record=records.Overlay,
        shown="layered",
        unique=(("layer", "connector", "target", "tenant"),),
        none_counts=True,
        refers=(_OF_TENANT, _OF_CONNECTOR),
    ),
    Kind(
        name="toolset",
        rows="toolsets",
        record=records.Toolset,
        shown="layered",
        unique=(("connector", "name", "tenant"),),
        none_counts=True,
        refers=(_OF_TENANT, _OF_CONNECTOR),
    ),
    Kind(name="house_key", rows="house_keys", record=records.HouseKey, shown="house", unique=(("purpose", "version"),)),
    Kind(
        name="oauth_client",
        rows="oauth_clients",
        record=records.OAuthClient,
        shown="layered",
        unique=(("connector", "scheme", "tenant"),),
        none_counts=True,
        refers=(_OF_TENANT, _OF_CONNECTOR),
    ),
    Kind(
        name="grant",
        rows="grants",
        record=records.Grant,
        refers=(_OF_TENANT, Reference(members=("account",), rows="accounts")),
    ),
    Kind(
        name="connect_session",
        rows="connect_sessions",
        record=records.ConnectSession,
        unique=(("digest",),),
        refers=(_OF_TENANT, _OF_CONNECTOR),
        noted=False,
    ),
    Kind(name="event", rows="events", record=records.Event, noted=False, newest_first=True),
    Kind(name="beat", rows="beats", record=records.Beat, shown="house", noted=False),
    Kind(name="registration", rows="registrations", record=records.Registration, shown="house", noted=False),
    Kind(
        name="sign_in",
        rows="sign_ins",
        record=records.SignIn,
        shown="house",
        unique=(("digest",),),
        noted=False,
    ),
    Kind(
        name="token_family",
        rows="token_families",
        record=records.TokenFamily,
        unique=(("digest",),),
        refers=(_OF_TENANT,),
    ),
    Kind(name="audited", rows="audit", record=records.Audited, noted=False, newest_first=True),
    Kind(name="remembered", rows="remembered", record=records.Remembered, noted=False),
)

BY_ROWS: Final = {kind.rows: kind for kind in KINDS}
