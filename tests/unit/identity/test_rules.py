"""Claims become somebody by rules: letter by letter, never two ways, never a role that a claim named."""

from __future__ import annotations

import pytest

from apiloom.identity.rules import Mapped, Rule, build_principal, map_claims, view_of

ACME = Rule(when={"groups": ("support",)}, tenant="acme", end_user="{sub}")


def test_a_rule_holds_where_every_claim_has_one_of_its_values() -> None:
    rule = Rule(when={"groups": ("a", "b"), "org": ("x",)}, tenant="acme")
    assert map_claims([rule], {"groups": ["z", "b"], "org": "x"}) is not None
    assert map_claims([rule], {"groups": ["z", "b"]}) is None
    assert map_claims([rule], {"groups": ["z"], "org": "x"}) is None
    assert map_claims([rule], {"groups": "b", "org": "X"}) is None
    assert map_claims([rule], {"groups": {"b": 1}, "org": "x"}) is None


def test_nobody_is_let_in_where_no_rule_holds_or_two_disagree() -> None:
    other = Rule(when={"org": ("x",)}, tenant="other", end_user="{sub}")
    assert map_claims([ACME, other], {"sub": "s"}) is None
    assert map_claims([ACME, other], {"sub": "s", "groups": ["support"], "org": "x"}) is None
    assert map_claims([ACME, ACME], {"sub": "s", "groups": ["support"]}) == Mapped(
        tenant="acme", role="agent", servers=None, end_user="s"
    )


@pytest.mark.parametrize("sub", [None, "", 7, ["s"], {"s": 1}, "a\nb", "a\x00", "x" * 201])
def test_a_claim_that_is_no_plain_text_lends_nothing(sub: object) -> None:
    assert map_claims([ACME], {"sub": sub, "groups": ["support"]}) is None


def test_braces_in_a_claim_are_text() -> None:
    found = map_claims([ACME], {"sub": "{groups}", "groups": ["support"]})
    assert found is not None
    assert found.end_user == "{groups}"


def test_members_of_objects_are_found_by_dots_and_whole_names_come_first() -> None:
    rule = Rule(when={"realm.roles": ("r",)}, tenant="acme")
    assert map_claims([rule], {"realm": {"roles": ["r"]}}) is not None
    assert map_claims([rule], {"realm.roles": "r"}) is not None
    assert map_claims([rule], {"realm.roles": "other", "realm": {"roles": ["r"]}}) is None


def test_an_email_counts_only_where_it_is_verified() -> None:
    rule = Rule(when={"email": ("ada@example.com",)}, tenant="acme")
    claims = {"email": "ada@example.com"}
    assert map_claims([rule], claims) is None
    assert map_claims([rule], {**claims, "email_verified": "true"}) is None
    assert map_claims([rule], {**claims, "email_verified": False}) is None
    assert map_claims([rule], {**claims, "email_verified": True}) is not None
    assert map_claims([rule], claims, unverified_email=True) is not None


def test_servers_that_are_not_there_widen_nothing() -> None:
    mapped = Mapped(tenant="acme", role="agent", servers=("notes", "gone"), end_user="")
    known = {("acme", "notes"): "srv_1"}
    principal = build_principal(mapped, "oidc:x", 10.0, lambda tenant, name: known.get((tenant, name), ""))
    assert principal.servers == ("srv_1",)
    nothing = Mapped(tenant="acme", role="agent", servers=("gone",), end_user="")
    assert build_principal(nothing, "oidc:x", 10.0, lambda *_: "").servers == ()


def test_a_view_is_of_one_person_with_the_same_rights() -> None:
    def view(**more: object) -> str:
        mapped = Mapped(**{"tenant": "acme", "role": "agent", "servers": None, "end_user": "u", **more})  # type: ignore[arg-type]
        return view_of(build_principal(mapped, "oidc:x", float(len(more)), lambda *_: ""))

    assert view() == view()
    assert len({view(), view(tenant="b"), view(role="auditor"), view(servers=()), view(end_user="v")}) == 5
