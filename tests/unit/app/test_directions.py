"""What options say about one source among several."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.app.directions import directions, settled_by
from apiloom.base.errors import DesignError
from apiloom.console.house import Options

BOTH = ("pets", "shop")


def said(slug: str, slugs: tuple[str, ...] = BOTH, **options: Any) -> Any:
    return directions(Options(**options), slug, slugs)


def test_alone_a_source_need_not_be_named_and_may_be() -> None:
    for prefix in ("", "pets:"):
        found = said(
            "pets",
            ("pets",),
            servers=(f"{prefix}2",),
            variables=(f"{prefix}region=eu=1",),
            headers=(f"{prefix}X-Version=3",),
            trusted=(f"{prefix}https://Files.Example:443",),
        )
        assert (found.server, found.variables, found.headers) == ("2", {"region": "eu=1"}, (("X-Version", "3"),))
        assert found.trusted == {"https://files.example"}


def test_among_several_each_value_goes_to_the_source_it_names() -> None:
    options = {
        "base_url": "https://all.example",
        "base_urls": ("shop:http://localhost:1",),
        "headers": ("pets:A=1", "shop:B=2"),
        "servers": ("shop:2",),
        "trusted": ("pets:https://files.example",),
    }
    pets, shop = said("pets", **options), said("shop", **options)
    assert (pets.base_url, shop.base_url) == ("https://all.example", "http://localhost:1")
    assert (pets.headers, shop.headers) == ((("A", "1"),), (("B", "2"),))
    assert (pets.server, shop.server) == ("", "2")
    assert (pets.trusted, shop.trusted) == ({"https://files.example"}, frozenset())


@pytest.mark.parametrize(
    ("option", "value"),
    [("headers", "A=1"), ("servers", "2"), ("trusted", "https://x.example"), ("headers", "cats:A=1")],
)
def test_among_several_a_value_for_nobody_is_refused(option: str, value: str) -> None:
    with pytest.raises(DesignError) as told:
        said("pets", **{option: (value,)})
    assert told.value.code == "option.source"
    assert "pets, shop" in told.value.hint


def test_a_variable_for_nobody_is_for_all() -> None:
    options = {"variables": ("shop:region=us", "region=eu")}
    assert said("pets", **options).variables == {"region": "eu"}
    assert said("shop", **options).variables == {"region": "us"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"variables": ("region",)}, "option.form"),
        ({"headers": ("=1",)}, "option.form"),
        ({"servers": ("1", "2")}, "option.form"),
        ({"trusted": ("https://x.example/path",)}, "option.form"),
        ({"trusted": ("x.example",)}, "server.missing"),
        ({"trusted": ("https://user@x.example",)}, "server.invalid"),
    ],
)
def test_a_value_that_cannot_be_read_is_told(options: dict[str, Any], code: str) -> None:
    with pytest.raises(DesignError) as told:
        said("pets", ("pets",), **options)
    assert told.value.code == code


def test_what_is_settled_is_no_argument_of_the_source_it_is_settled_for() -> None:
    options = Options(headers=("pets:X-Version=1", "X-All=2"), auth="query:Key,header:X-Id,cookie:sid,scheme:token")
    shared = {("header", "x-all"): "", ("query", "Key"): "DEFAULT", ("header", "x-id"): "DEFAULT_2"}
    shared |= {("cookie", "sid"): "DEFAULT_3", ("header", "authorization"): "DEFAULT_4"}
    assert settled_by(options, "pets") == shared | {("header", "x-version"): ""}
    assert settled_by(options, "shop") == shared
    assert settled_by(Options(headers=("pets2:X-Version=1",)), "pets") == {("header", "x-version"): ""}
