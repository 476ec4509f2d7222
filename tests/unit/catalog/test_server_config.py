"""A server's config: every member, its bounds, and what is said of what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.catalog.server_config import MOST_NAMES, ServerConfig, config_to_json, read_config

FULL = {
    "methods": ["read", "POST /pets"],
    "tags": ["pets"],
    "tools": {"allow": ["*_pet*"], "deny": ["delete_*"]},
    "toolsets": ["shop"],
    "mode": "direct",
    "profile": "openai",
    "result_tokens": 0,
    "require_api_token_auth": True,
    "pin_version": {"pets": 3},
    "require_descriptions": True,
    "allowed_addresses": ["192.0.2.0/24", "2001:db8::1/128"],
}


def test_what_is_not_said_is_as_in_the_defaults() -> None:
    assert read_config({}) == ServerConfig()
    assert read_config({}).methods == ("read",)
    assert read_config({"tags": None, "tools": {"allow": None}}) == ServerConfig()
    standing = ServerConfig(profile="gemini", deny=("x",))
    assert read_config({"mode": "code"}, defaults=standing) == ServerConfig(mode="code", profile="gemini", deny=("x",))


def test_every_member_is_read_and_written_back() -> None:
    config = read_config(FULL)
    assert config_to_json(config) == FULL
    assert read_config(config_to_json(ServerConfig())) == ServerConfig()
    selection = config.selection(("danger",))
    assert (selection.methods, selection.allow, selection.toolsets_off) == (config.methods, ("*_pet*",), ("danger",))
    assert (config.version("pets"), config.version("shop"), read_config({"pin_version": 2}).version("x")) == (
        3,
        None,
        2,
    )


@pytest.mark.parametrize(
    ("raw", "pointer", "hint"),
    [
        ({"method": ["read"]}, "/config/method", "methods"),
        ({"tools": {"alow": []}}, "/config/tools/alow", "allow"),
        ({"Tags": []}, "/config/Tags", "tags"),
    ],
)
def test_a_member_nobody_knows_is_refused_with_the_nearest(raw: Any, pointer: str, hint: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_config(raw)
    assert (caught.value.code, caught.value.facts["pointer"]) == ("config.unknown", pointer)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ([], "/config"),
        ({"methods": "read"}, "/config/methods"),
        ({"methods": []}, "/config/methods"),
        ({"tags": [""]}, "/config/tags/0"),
        ({"tags": ["x" * 501]}, "/config/tags/0"),
        ({"tags": ["t"] * (MOST_NAMES + 1)}, "/config/tags"),
        ({"tools": []}, "/config/tools"),
        ({"tools": {"allow": []}}, "/config/tools/allow"),
        ({"tools": {"deny": [1]}}, "/config/tools/deny/0"),
        ({"mode": "fast"}, "/config/mode"),
        ({"mode": ["direct"]}, "/config/mode"),
        ({"profile": 1}, "/config/profile"),
        ({"result_tokens": -1}, "/config/result_tokens"),
        ({"result_tokens": True}, "/config/result_tokens"),
        ({"result_tokens": 1.5}, "/config/result_tokens"),
        ({"require_api_token_auth": "yes"}, "/config/require_api_token_auth"),
        ({"require_descriptions": 1}, "/config/require_descriptions"),
        ({"pin_version": 0}, "/config/pin_version"),
        ({"pin_version": {}}, "/config/pin_version"),
        ({"pin_version": {"pets": "3"}}, "/config/pin_version/pets"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "/config/allowed_addresses/0"),
        ({"allowed_addresses": ["example.com"]}, "/config/allowed_addresses/0"),
        ({"allowed_addresses": ["10.0.0.0/8"] * 1 + [f"192.0.2.{n}" for n in range(100)]}, "/config/allowed_addresses"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(raw: Any, pointer: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_config(raw)
    assert (caught.value.code, caught.value.facts["pointer"]) == ("config.form", pointer)


def test_an_empty_list_that_denies_denies_nothing() -> None:
    assert read_config({"tools": {"deny": []}}).deny == ()


def test_patterns_and_profiles_are_checked_as_elsewhere() -> None:
    for raw, code in (
        ({"tools": {"deny": ["*" * 9]}}, "selection.pattern"),
        ({"profile": "x"}, "view.profile_unknown"),
    ):
        with pytest.raises(CallerError) as caught:
            read_config(raw)
        assert caught.value.code == code
