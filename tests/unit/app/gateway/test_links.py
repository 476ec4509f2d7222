"""Links to connect an account: one for one need, and nobody is handed the link of another."""

from __future__ import annotations

from collections.abc import Sequence

from apiloom.app.gateway.visits import LENT, Linked, Links
from apiloom.identity.delegation import Delegation
from apiloom.identity.principal import Principal
from apiloom.store.records import Account

BOB = "oidc:0123456789abcdef0123"


def links() -> Links:
    """Links that say for whom they were made."""

    async def make_first(tenant: str, connector: str, end_user: str, person: str) -> Linked:
        return Linked(url=f"first {tenant} {connector} [{end_user}] [{person}]", expires_at=9e9)

    async def make(account: Account, scopes: Sequence[str], person: str) -> Linked:
        return Linked(url=f"again {account.id} {' '.join(scopes)} [{person}]", expires_at=9e9)

    return Links(make=make, make_first=make_first)


def caller(end_user: str, **more: object) -> Principal:
    return Principal(id="key_a", tenant="acme", token="key_a", end_user=end_user, **more)  # type: ignore[arg-type]


def signed_in(id_: str = BOB, **more: object) -> Principal:
    return Principal(id=id_, tenant="acme", token="gst_a fam_b", end_user="bob", **more)  # type: ignore[arg-type]


async def test_an_end_user_whose_name_reads_like_another_and_their_id_gets_a_link_of_their_own() -> None:
    made = links()
    foul, of_foul = await made.first("acme", "desk", caller(f"bob/{BOB}"))
    fair, of_bob = await made.first("acme", "desk", signed_in())
    assert of_foul == f"first acme desk [bob/{BOB}] []"
    assert of_bob == f"first acme desk [bob] [{BOB}]"
    assert foul != fair


async def test_scopes_that_read_like_a_person_make_a_link_of_their_own() -> None:
    made, account = links(), Account(id="acc_a", tenant="acme", connector="desk", end_user="bob")
    _, scoped = await made.get(account, caller("bob"), [f"read/{BOB}"])
    _, own = await made.get(account, signed_in(), ["read"])
    assert (scoped, own) == (f"again acc_a read/{BOB} []", f"again acc_a read [{BOB}]")
    # the same need, in whatever order it is told, is the same link
    assert await made.get(account, signed_in(), ["b", "a"]) == await made.get(account, signed_in(), ["a", "b"])


async def test_who_lends_something_for_a_call_is_told_a_link_for_who_they_are() -> None:
    made = links()
    lending = signed_in(f"{BOB}{LENT}5f5f5f5f5f5f5f5f5f5f", delegation=Delegation())
    assert await made.first("acme", "desk", lending) == await made.first("acme", "desk", signed_in())
