"""Slugs of connectors."""

import re

import pytest

from apiloom.catalog.slugs import seat_slugs, slug_of, unique_slugs


@pytest.mark.parametrize(
    ("title", "source", "slug"),
    [
        ("Swagger Petstore", "x.yaml", "petstore"),
        ("GitHub v3 REST API", "x.yaml", "github"),
        ("The Very Long Name of a Service", "x.yaml", "verylongname"),
        ("API", "specs/billing.yaml", "billing"),
        ("3scale", "x.yaml", "scale"),
        ("价格", "https://example.com/prices.json", "prices"),
        ("", "-", "api"),
        ("Ünïcode", "-", "ncode"),
    ],
)
def test_a_slug_comes_from_the_title_else_from_the_source(title: str, source: str, slug: str) -> None:
    assert slug_of(title, source) == slug
    assert re.fullmatch(r"[a-z][a-z0-9]{0,11}", slug_of(title, source))


def test_equal_slugs_are_numbered_in_order_and_stay_short() -> None:
    assert unique_slugs(["pets", "pets", "shop", "pets"]) == ("pets", "pets2", "shop", "pets3")
    assert unique_slugs(["a" * 12, "a" * 12]) == ("a" * 12, "a" * 11 + "2")


def test_accounts_of_one_connector_are_numbered_and_never_take_another_connectors_slug() -> None:
    assert seat_slugs(["pets", "pets", "shop", "pets"]) == ("pets", "pets2", "shop", "pets3")
    assert seat_slugs(["pets", "pets", "pets2", "pets2"]) == ("pets", "pets3", "pets2", "pets22")
    assert seat_slugs(["a" * 12, "a" * 12]) == ("a" * 12, "a" * 11 + "2")
    assert seat_slugs([]) == ()
