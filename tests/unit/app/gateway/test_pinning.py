"""Which endpoints of a document may be sent what is secret: those at the places that were named when it was given."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.app.gateway.pinning import Known, Pin, check_pins, named_by, pin_of, places_at
from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.vault.forms import check_encrypted
from apiloom.vault.oauth.places import own_places, place_of, places_of
from apiloom.vault.oauth.providers import provider_of
from apiloom.vault.oauth.terms import Endpoints, Provider

HERE = "https://id.example.com"


def scheme(**flow: str) -> SecurityScheme:
    return SecurityScheme(id="login", kind="oauth2", details={"flows": {"authorizationCode": flow}})


def checked(named: Endpoints, *places: str, given: Endpoints | None = None, provider: str = "") -> str:
    """The code of what is said, empty where it may be sent."""
    pins = [Pin(places=frozenset(places), of="client")]
    try:
        check_pins(given or Endpoints(), named, pins, Known(provider_of=provider_of, id=provider))
    except DesignError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://ID.example.com:443/token?x=1", HERE),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://id.example.com:8443/token", f"{HERE}:8443"),
        ("http://id.example.com:443/", "http://id.example.com:443"),
        ("https://id.example.com@evil.example/", ""),
        ("/token", ""),
        ("https://id.example.com:port/", ""),
        ("ftp://id.example.com/", ""),
    ],
)
def test_a_place_is_an_origin_in_one_spelling(url: str, place: str) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "member", ["token_url", "refresh_url", "revocation_url", "device_url", "identity_url", "issuer"]
)
def test_every_endpoint_that_lies_elsewhere_is_refused(member: str) -> None:
    for url in ("https://evil.example/token", "https://id.example.com:8443/t", "http://id.example.com/t"):
        assert checked(Endpoints(**{member: url}), HERE) == "oauth.moved"
    assert checked(Endpoints(**{member: "https://evil.example/token"})) == "oauth.moved"
    assert checked(Endpoints(**{member: f"{HERE}/other"}), HERE) == ""


def test_what_a_person_gave_is_followed_wherever_it_lies() -> None:
    given = Endpoints(token_url="https://new.example/token")
    assert checked(Endpoints(device_url="https://new.example/device"), HERE, given=given) == ""
    assert checked(Endpoints(device_url="https://evil.example/device"), HERE, given=given) == "oauth.moved"


def test_a_known_providers_own_hosts_count_and_those_that_anybody_may_have_there_do_not() -> None:
    github = Endpoints(token_url="https://github.com/login/oauth/access_token")
    assert checked(github, HERE) == "oauth.moved"
    assert checked(github, HERE, provider="github") == ""
    shared = Provider(hosts=("api.example.com", "*.example.com"))
    assert own_places([shared]) == {"https://api.example.com"}


def test_a_refusal_names_the_place_and_nothing_more_of_the_address() -> None:
    named = Endpoints(token_url="https://evil.example/token?key=hush")
    pins = [Pin(places=frozenset({HERE}), of="grant")]
    with pytest.raises(DesignError) as caught:
        check_pins(Endpoints(), named, pins, Known(provider_of=provider_of))
    assert "names https://evil.example for OAuth by now" in caught.value.message
    assert "hush" not in caught.value.sentence()


def test_places_are_those_of_every_scheme_and_of_what_was_given() -> None:
    told = [
        scheme(tokenUrl=f"{HERE}/token", authorizationUrl="https://www.example.com/auth"),
        SecurityScheme(id="open", kind="openIdConnect", details={"openIdConnectUrl": "https://issuer.example/x"}),
    ]
    assert places_at({"device_url": "https://device.example/d", "colour": "red"}, told) == (
        "https://device.example",
        HERE,
        "https://issuer.example",
        "https://www.example.com",
    )
    assert places_at({}, ()) == ()


def test_a_document_adds_what_nobody_gave_and_renews_nowhere_else_than_where_tokens_are_given() -> None:
    told = scheme(tokenUrl=f"{HERE}/token", refreshUrl=f"{HERE}/renew", authorizationUrl=f"{HERE}/auth")
    assert named_by(told, Endpoints()).refresh_url == f"{HERE}/renew"
    assert named_by(told, Endpoints(token_url=f"{HERE}/own")) == Endpoints(
        authorization_url=f"{HERE}/auth", refresh_url=f"{HERE}/renew"
    )
    assert named_by(told, Endpoints(token_url="https://new.example/token")).refresh_url == ""
    assert places_of(Endpoints()) == frozenset()


@pytest.mark.parametrize("member", ["tokenUrl", "refreshUrl", "deviceAuthorizationUrl"])
def test_a_document_that_names_an_address_without_encryption_is_sent_nothing(member: str) -> None:
    def named(url: str) -> tuple[SecurityScheme, Endpoints]:
        told = scheme(**{member: url})
        return told, named_by(told, Endpoints())

    with pytest.raises(DesignError) as caught:
        check_encrypted(*named("http://id.example.com/token"))
    assert caught.value.code == "oauth.url"
    assert "without encryption" in caught.value.message
    for url in ("http://127.0.0.1:9/token", "http://localhost/token", "https://id.example.com/token"):
        check_encrypted(*named(url))


@pytest.mark.parametrize(("opened", "places"), [({"at": [HERE]}, [{HERE}]), ({"at": []}, [set()]), ({}, [])])
def test_a_pin_lies_beside_the_secret(opened: dict[str, Any], places: list[set[str]]) -> None:
    assert [pin.places for pin in pin_of(opened, "client")] == places
