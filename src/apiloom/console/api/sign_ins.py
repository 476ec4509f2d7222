"""``/sign-ins``: who is signed in at the gateway's own authorization server, with which client; and their ends."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from apiloom.console.api.asking import Listing
from apiloom.console.api.fields import CreatedAt, Id, Revision, Shown, ShownTime
from apiloom.console.api.resource import Resource
from apiloom.flows import sign_in_list as flows


class SignIn(Shown):
    """What one person gave one client: tokens that renew themselves until it ends."""

    id: Id
    tenant: str | None = Field(description="Whose person it is; null: the house's.")
    client: str = Field(description="The client's id: its own, or the URL of the document about it.")
    client_name: str = Field(description="What the client calls itself, which nobody has checked; empty: not known.")
    subject: str = Field(description="Who signed in, as in the audit.")
    role: str
    servers: list[str] | None = Field(description="The servers it may call, as the rules name them; null: all.")
    end_user: str | None = Field(description="Whose accounts it uses, in the vendor's own words.")
    resource: str = Field(description="What its tokens are good for: a path of this gateway.")
    scopes: list[str]
    redirect_uri: str | None = Field(description="Where the code was sent; null: it was for another device.")
    api_token: str | None = Field(description="The id of the API token that was shown; it ends with that.")
    expires_at: ShownTime
    created_at: CreatedAt
    revision: Revision

    @classmethod
    def of(cls, record: Any) -> Self:
        """The answer that shows a sign-in."""
        family, said = record.family, record.family.principal
        return cls(
            id=family.id,
            tenant=family.tenant,
            client=family.client,
            client_name=record.client_name,
            subject=family.subject,
            role=str(said.get("role") or "agent"),
            servers=said.get("servers"),
            end_user=said.get("end_user") or None,
            resource=family.resource,
            scopes=list(family.scopes),
            redirect_uri=said.get("redirect") or None,
            api_token=said.get("token") or None,
            expires_at=family.expires_at,
            created_at=family.created_at,
            revision=family.revision,
        )


class SignIns(Listing):
    """Which sign-ins are wanted."""

    tenant: str | None = None
    client: str | None = None
    subject: str | None = None
    resource: str | None = None


sign_ins = Resource("/sign-ins/{sign_in}", "sign_in", "a sign-in", SignIn)
sign_ins.lists(flows.list_sign_ins, SignIns, "Sign-ins that live, in the order of their ids, never their tokens.")
sign_ins.reads(flows.read_sign_in, "One sign-in that lives.")
sign_ins.deletes(
    flows.end_sign_in,
    "Its tokens count no more, and what is open with them is cut, on every node.",
    verb="End",
    operation="end",
)

routes = sign_ins.routes
