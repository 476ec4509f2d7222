"""An account's secrets are write-only: whoever may change its credentials cannot have them sent elsewhere."""

from __future__ import annotations

import pytest

from apiloom.flows.access import HOST
from apiloom.flows.accounts import merged_credentials

KEPT = {
    "Machine": {"client_id": "a", "client_secret": "s3cret", "token_url": "https://id.example/token", "scopes": "x"}
}


@pytest.mark.parametrize(
    "patch",
    [
        {"token_url": "https://evil.example/token"},
        {"token_url": "https://evil.example/token", "client_id": "a"},
        {"token_url": "https://evil.example/token", "scopes": ["x"]},
    ],
)
def test_another_address_takes_no_secret_along(patch: dict[str, object]) -> None:
    after = merged_credentials(KEPT, {"Machine": patch}, HOST)["Machine"]
    assert "client_secret" not in after


@pytest.mark.parametrize(
    "name",
    [
        "token_url",
        "revocation_url",
        "identity_url",
        "issuer",
        "provider",
        "service_account",
        "audience",
        "resource",
        "subject",
    ],
)
def test_whatever_says_where_and_for_whom_a_secret_is_used_is_changed_with_the_secret_alone(name: str) -> None:
    kept = {"Signing": {"private_key": "s3cret", name: "before", "scopes": "x"}}
    assert merged_credentials(kept, {"Signing": {name: "after"}}, HOST)["Signing"] == {name: "after"}
    assert merged_credentials(kept, {"Signing": {name: "before", "scopes": "y"}}, HOST)["Signing"] == {
        **kept["Signing"],
        "scopes": "y",
    }


def test_a_new_secret_and_other_scopes_leave_the_rest_as_it_is() -> None:
    after = merged_credentials(KEPT, {"Machine": {"scopes": ["x", "y"]}}, HOST)["Machine"]
    assert after == {**KEPT["Machine"], "scopes": "x y"}
    same = {"client_secret": "n3w", "token_url": "https://id.example/token"}
    assert merged_credentials(KEPT, {"Machine": same}, HOST)["Machine"] == {**KEPT["Machine"], "client_secret": "n3w"}
