"""For whose devices people may sign in, as the operator's file says, and what clients say of themselves."""

from __future__ import annotations

import pytest

from apiloom.base import json
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.identity.facade_clients import DEVICE_GRANT, USUAL_GRANTS, read_client
from apiloom.identity.settings import Facade, read_identity

PLACE = ["https://client.example/callback"]


@pytest.mark.parametrize(("said", "meant"), [({}, "cli"), ({"devices": "all"}, "all"), ({"devices": "none"}, "none")])
def test_the_command_line_alone_unless_the_file_says_otherwise(said: dict[str, str], meant: str) -> None:
    facade = read_identity(json.dumps({"facade": said})).facade
    assert facade is not None
    assert facade.devices == meant
    # it lets nobody in who was not let in, so no sign-in ends with it
    assert facade.admits == Facade().admits


@pytest.mark.parametrize("said", ["ALL", "yes", True, ["all"], None])
def test_anything_else_is_refused(said: object) -> None:
    with pytest.raises(DesignError, match="/facade/devices"):
        read_identity(json.dumps({"facade": {"devices": said}}))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, USUAL_GRANTS),
        (["authorization_code"], USUAL_GRANTS),
        (["refresh_token", "implicit"], USUAL_GRANTS),
        (["authorization_code", DEVICE_GRANT], (*USUAL_GRANTS, DEVICE_GRANT)),
        ([DEVICE_GRANT, {"a": 1}], ("refresh_token", DEVICE_GRANT)),
    ],
)
def test_a_client_says_how_it_comes_to_tokens(said: object, meant: tuple[str, ...]) -> None:
    told = {"redirect_uris": PLACE, **({} if said is None else {"grant_types": said})}
    assert read_client(told).grants == meant


def test_only_who_has_nobody_sent_back_needs_no_place_for_it() -> None:
    assert read_client({"grant_types": [DEVICE_GRANT]}).redirect_uris == ()
    for told in (
        {},
        {"grant_types": ["authorization_code", DEVICE_GRANT]},
        {"grant_types": [DEVICE_GRANT], "redirect_uris": 1},
    ):
        with pytest.raises(ApiloomError, match="redirect_uris"):
            read_client(told)
    for grants in ([], ["implicit"], "code", 7, [7]):
        with pytest.raises(ApiloomError, match="grant_types"):
            read_client({"redirect_uris": PLACE, "grant_types": grants})
