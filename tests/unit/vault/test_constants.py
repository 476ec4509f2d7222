"""Constant headers: which may be one, and that they go where credentials go and nowhere else."""

from __future__ import annotations

import pytest

from apiloom.base.errors import DesignError, HouseFault
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.vault.constants import MOST, constant_headers
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import choose_signer

SCHEMES = {
    "odd": SecurityScheme(id="odd", kind="apiKey", place="header", name="X-Odd"),
    "bearer": SecurityScheme(id="bearer", kind="http", scheme="bearer"),
}
HOME = "https://api.example"


@pytest.mark.parametrize(
    "name",
    [
        "Notion-Version",
        "X-GitHub-Api-Version",
        "anthropic-version",
        "Accept",
        "User-Agent",
        "OpenAI-Organization",
        "X-Keyboard",
        "X-Tokyo",
        "Accept-Language",
    ],
)
def test_what_says_no_secret_may_be_constant(name: str) -> None:
    assert constant_headers([(name, "2022-06-28")], SCHEMES).headers == ((name, "2022-06-28"),)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Authorization", "x", "header.credential"),
        ("Proxy-Authorization", "x", "header.reserved"),
        ("Cookie", "x", "header.credential"),
        ("X-API-Key", "x", "header.credential"),
        ("XApiKey", "x", "header.credential"),
        ("apikey", "x", "header.credential"),
        ("PRIVATE-TOKEN", "x", "header.credential"),
        ("Ocp-Apim-Subscription-Key", "x", "header.credential"),
        ("DD-APPLICATION-KEY", "x", "header.credential"),
        ("X-Auth", "x", "header.credential"),
        ("x-odd", "x", "header.credential"),
        ("X-Plain", "Bearer s3cret", "header.credential"),
        ("Host", "x", "header.reserved"),
        ("content-length", "1", "header.reserved"),
        ("Transfer-Encoding", "chunked", "header.reserved"),
        ("Content-Type", "text/plain", "header.reserved"),
        ("X Y", "x", "header.form"),
        ("", "x", "header.form"),
        ("X-A", "s3cret\r\nX-B: 1", "header.form"),
        ("X-A", "s3cret ", "header.form"),
        ("X-A", "", "header.form"),
        ("X-A", "é", "header.form"),
    ],
)
def test_what_would_carry_a_credential_or_is_not_the_callers_is_refused(name: str, value: str, code: str) -> None:
    with pytest.raises(DesignError) as told:
        constant_headers([(name, value)], SCHEMES)
    assert told.value.code == code
    assert "s3cret" not in told.value.sentence()
    assert told.value.hint


def test_there_are_only_so_many_and_the_last_of_a_name_counts() -> None:
    assert constant_headers([("X-A", "1"), ("x-a", "2")], {}).headers == (("x-a", "2"),)
    with pytest.raises(DesignError):
        constant_headers([(f"X-{number}", "1") for number in range(MOST + 1)], {})


def test_constants_go_with_and_without_a_credential_and_to_no_other_origin() -> None:
    constants = constant_headers([("X-Version", "3"), ("Accept", "application/vnd.x+json")], SCHEMES)
    planned = [("Accept", "application/json"), ("x-version", "1")]
    for needs, given in (((), {}), (((("bearer", ()),),), {"bearer": {"token": "t0ken"}})):
        signer = choose_signer(needs, SCHEMES, parse_credentials(given), pinned=frozenset([HOME]), constants=constants)
        assert signer is not None
        sent = next(signer.sign(Request(method="GET", origin=HOME, target="/", headers=list(planned))))
        shown = signer.masked(Request(method="GET", origin=HOME, target="/", headers=list(planned)))
        for headers in (sent.headers, shown.headers):
            assert headers[:2] == [("X-Version", "3"), ("Accept", "application/vnd.x+json")]
        assert [name for name, _ in sent.headers[2:]] == ["Authorization"] * bool(given)
        with pytest.raises(HouseFault):
            next(signer.sign(Request(method="GET", origin="https://api.example.evil", target="/")))
    assert choose_signer((), SCHEMES, parse_credentials({}), pinned=frozenset([HOME])) is None


def test_a_credential_goes_before_a_constant_of_its_name() -> None:
    constants = constant_headers([("X-Late", "1")], {})
    late = {"late": SecurityScheme(id="late", kind="apiKey", place="header", name="x-late")}
    given = parse_credentials({"late": {"key": "k"}})
    signer = choose_signer(((("late", ()),),), late, given, pinned=frozenset([HOME]), constants=constants)
    assert signer is not None
    assert next(signer.sign(Request(method="GET", origin=HOME, target="/"))).headers == [("x-late", "k")]


@pytest.mark.parametrize("value", ["eyJhbGciOiJIUzI1NiJ9.eyJz.abc", "sk_live_abcdef", "ghp_abcdef", "glpat-abcdef"])
def test_a_value_that_is_known_as_a_credential_is_refused_under_any_name(value: str) -> None:
    with pytest.raises(DesignError, match="looks like a credential") as told:
        constant_headers([("X-Custom", value)], {})
    assert value not in told.value.sentence()
