"""Headers of an API's own making: what they say, what is shown of them, and what is refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import Signer, check_credentials, choose_signer

ORIGIN = "https://api.example"
SCHEMES = {
    "key": SecurityScheme(id="key", kind="apiKey", place="header", name="X-Key"),
    "token": SecurityScheme(id="token", kind="http", scheme="bearer"),
}
FORM = {
    "headers": {"X-Auth": "Token {key}:{secret}", "X-Client": "apiloom", "X-Key": "{key}"},
    "values": {"key": "the-public-half", "secret": "the-secret-half"},
}


def signer(value: Any, scheme: str = "key") -> Signer:
    found = choose_signer((((scheme, ()),),), SCHEMES, parse_credentials({scheme: value}), pinned=frozenset([ORIGIN]))
    assert found is not None
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_stand_in_their_places_and_what_a_call_says_gives_way(scheme: str) -> None:
    request = Request(method="GET", origin=ORIGIN, target="/", headers=[("x-auth", "mine"), ("Accept", "a")])
    found = next(signer(FORM, scheme).sign(request))
    assert found.headers == [
        ("Accept", "a"),
        ("X-Auth", "Token the-public-half:the-secret-half"),
        ("X-Client", "apiloom"),
        ("X-Key", "the-public-half"),
    ]


def test_every_value_is_secret_and_the_words_around_it_are_shown() -> None:
    made = signer(FORM)
    assert {"the-public-half", "the-secret-half", "Token the-public-half:the-secret-half"} <= set(made.secrets)
    assert "apiloom" not in made.secrets
    shown = made.masked(Request(method="GET", origin=ORIGIN, target="/")).headers
    assert shown == [("X-Auth", "Token ***:***"), ("X-Client", "apiloom"), ("X-Key", "***")]
    assert "half" not in repr(made) + repr(parse_credentials({"key": FORM}))


def test_a_value_may_be_a_reference() -> None:
    form = {"headers": {"X-Auth": "{key}"}, "values": {"key": {"ref": "env:NAME"}}}
    credentials = parse_credentials({"key": form}, lambda reference: f"behind {reference}")
    made = choose_signer(((("key", ()),),), SCHEMES, credentials, pinned=frozenset([ORIGIN]))
    assert made is not None
    assert next(made.sign(Request(method="GET", origin=ORIGIN, target="/"))).headers == [("X-Auth", "behind env:NAME")]


def test_braces_that_are_no_place_stay_and_values_are_not_read_again() -> None:
    form = {"headers": {"X-Auth": '{"k": {key}}'}, "values": {"key": "{other}", "other": "never-here"}}
    found = next(signer(form).sign(Request(method="GET", origin=ORIGIN, target="/")))
    assert found.headers == [("X-Auth", '{"k": {other}}')]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"headers": {}, "values": {}}, "credentials.form"),
        ({"headers": {"X-Auth": "{key}"}}, "credentials.form"),
        ({"headers": {"X-Auth": "{key}"}, "values": {"key": "secret-value"}, "more": 1}, "credentials.form"),
        ({"headers": {"X-Auth": 7}, "values": {}}, "credentials.form"),
        ({"headers": {"X-Auth": "{key}", "x-auth": "b"}, "values": {"key": "secret-value"}}, "credentials.form"),
        ({"headers": {"X-Auth": "{kye}"}, "values": {"key": "secret-value"}}, "credentials.form"),
        ({"headers": {"X Auth": "{key}"}, "values": {"key": "secret-value"}}, "credentials.form"),
        ({"headers": {"Host": "{key}"}, "values": {"key": "secret-value"}}, "credentials.form"),
        ({"headers": {"Content-Length": "{key}"}, "values": {"key": "secret-value"}}, "credentials.form"),
        ({"headers": {"X-Auth": "{key}"}, "values": {"key": "secret\nvalue"}}, "credentials.value"),
        ({"headers": {"X-Auth": "{key}"}, "values": {"key": ""}}, "credentials.value"),
        ({"headers": {"X-Auth": "{key}"}, "values": {"key": ["secret-value"]}}, "credentials.form"),
        ({"headers": {f"X-{n}": "a" for n in range(17)}, "values": {}}, "credentials.form"),
        ({"headers": {"X-Auth": "a" * 9000}, "values": {}}, "credentials.form"),
        ({"headers": {"X-Auth": "{key}" * 1600}, "values": {"key": "a-value" * 9000}}, "credentials.value"),
        ({"headers": {"X-Auth": "a\r\nX-More: b"}, "values": {}}, "credentials.value"),
        ({"headers": {"X-Auth": "{key}"}, "values": {"key": "sécret-value"}}, "credentials.value"),
    ],
)
def test_what_cannot_be_sent_is_refused_without_being_repeated(form: Any, code: str) -> None:
    with pytest.raises(DesignError) as caught:
        check_credentials(SCHEMES, parse_credentials({"key": form}))
    assert caught.value.code == code
    assert "value" not in caught.value.message or "secret-value" not in caught.value.sentence()


def test_a_header_that_would_be_too_long_is_never_made() -> None:
    form = {"headers": {"X-Auth": "{key}" * 1600}, "values": {"key": "v" * 10_000}}
    credentials = parse_credentials({"key": form})
    tracemalloc.start()
    try:
        with pytest.raises(DesignError):
            check_credentials(SCHEMES, credentials)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_an_account_keeps_as_text_is_read_and_follows_no_reference() -> None:
    kept = {"headers": '{"X-Auth": "{key}"}', "values": '{"key": "kept-secret"}'}
    assert next(signer(kept).sign(Request(method="GET", origin=ORIGIN, target="/"))).headers == [
        ("X-Auth", "kept-secret")
    ]
    for values in ('{"key": {"ref": "env:HOME"}}', "no json", "[]", "null"):
        with pytest.raises(DesignError) as caught:
            parse_credentials({"key": {**kept, "values": values}}, lambda _: pytest.fail("it was followed"))
        assert caught.value.code == "credentials.form"
