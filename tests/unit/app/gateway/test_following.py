"""What belongs together is followed together, and why a reference leads nowhere is told to the log alone."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from apiloom.app.gateway.following import follow_all, follow_given, in_confidence
from apiloom.app.gateway.terms import Renewing, machine_secrets
from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.vault.references import Places, References

LOGIN = {"username": {"ref": "env:WHO"}, "password": {"ref": "env:WORD"}}


class Elsewhere:
    """Values by reference, of which some cannot be read; and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values = {"env:WHO": "ann", "env:WORD": "first"}
        self.down: set[str] = set()
        self.now = 1000.0
        self.references = References(Places(environment={}, bao=pytest.fail), clock=lambda: self.now)
        monkeypatch.setattr("apiloom.vault.references.follow", self.follow)

    async def follow(self, reference: str, _places: Places) -> Secret:
        if reference in self.down:
            raise UpstreamError(f"{reference} at bao.internal cannot be asked", code="bao.unreachable")
        if reference not in self.values:
            raise DesignError(f"there is nothing at {reference}", code="credentials.ref")
        return Secret(self.values[reference])

    async def pair(self, before: dict[str, Secret], form: Any = None) -> tuple[tuple[str, str], dict[str, Secret]]:
        credentials, followed = await follow_given(self.references, {"login": form or LOGIN}, before)
        found = credentials.by_scheme["login"]
        assert found.password is not None
        return (found.username, found.password.reveal()), followed


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    return Elsewhere(monkeypatch)


async def test_members_of_which_one_is_another_are_all_read_again(elsewhere: Elsewhere) -> None:
    pair, before = await elsewhere.pair({})
    assert pair == ("ann", "first")
    # somebody else had one of the two read a moment ago: it is held for longer than the other
    elsewhere.now += 40
    await follow_all(elsewhere.references, ["env:WORD"], anew=True)
    elsewhere.values = {"env:WHO": "bea", "env:WORD": "second"}
    elsewhere.now += 30
    assert (await elsewhere.pair(before))[0] == ("bea", "second")


async def test_while_one_cannot_be_asked_its_last_value_counts(elsewhere: Elsewhere) -> None:
    _, before = await elsewhere.pair({})
    elsewhere.values["env:WORD"] = "second"
    elsewhere.down = {"env:WHO"}
    elsewhere.now += 61
    assert (await elsewhere.pair(before))[0] == ("ann", "second")
    elsewhere.now += 600
    with pytest.raises(DesignError) as caught:
        await elsewhere.pair(before)
    assert caught.value.code == "credentials.unread"


async def test_what_cannot_be_used_is_read_once_more_at_once(elsewhere: Elsewhere) -> None:
    elsewhere.values["env:WHO"] = "a:colon"
    with pytest.raises(DesignError, match="colon"):
        await elsewhere.pair({})
    elsewhere.values["env:WHO"] = "ann"
    elsewhere.now += 2
    assert (await elsewhere.pair({}))[0] == ("ann", "first")


async def test_why_a_reference_leads_nowhere_is_told_to_the_log_alone(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.down = {"env:WHO"}
    text = in_confidence(elsewhere.references.text)
    caplog.set_level(logging.WARNING, logger="apiloom.gateway")
    for reference, code, kind in (
        ("env:WHO", "bao.unreachable", UpstreamError),
        ("env:NONE", "credentials.ref", DesignError),
    ):
        with pytest.raises(ApiloomError) as caught:
            await text(reference)
        assert (caught.value.code, type(caught.value)) == (code, kind)
        assert "env:" not in caught.value.sentence()
        assert "bao.internal" not in caught.value.sentence()
        with pytest.raises(DesignError) as refused:
            await follow_all(elsewhere.references, [reference])
        assert refused.value.code == "credentials.unread"
        assert "env:" not in refused.value.sentence()
    assert "bao.internal" in caplog.text
    assert "env:NONE" in caplog.text
    with pytest.raises(DesignError) as refused:
        await follow_all(None, ["env:WHO"])
    assert refused.value.code == "credentials.unread"
    assert await text("env:WORD") == "first"


async def test_what_tokens_are_got_with_is_known_once_it_was_read(elsewhere: Elsewhere) -> None:
    form = {"client_id": "me", "client_secret": {"ref": "env:WORD"}, "refresh_token": "brought"}
    assert machine_secrets(form, elsewhere.references) == ("brought",)
    await follow_all(elsewhere.references, ["env:WORD"])
    assert machine_secrets(form, elsewhere.references) == ("first", "brought")
    assert machine_secrets(form) == ("brought",)


@pytest.mark.parametrize(
    ("proof", "secret", "key"),
    [
        ({"ref": "env:WORD"}, "first", None),
        ({"client_secret": {"ref": "env:WORD"}}, "first", None),
        ({"private_key": {"ref": "env:WHO"}, "key_id": "k"}, None, "ann"),
        ({"private_key": "a key", "key_id": "k"}, None, "a key"),
        ({"client_secret": "a word"}, "a word", None),
        ({}, None, None),
    ],
)
async def test_what_an_oauth_client_proves_itself_with_may_lie_elsewhere(
    elsewhere: Elsewhere, proof: dict[str, Any], secret: str | None, key: str | None
) -> None:
    nothing: Any = None
    renewing = Renewing(sealing=nothing, artefacts=nothing, resolve=elsewhere.references.text)
    keys = await renewing.keys("me", "", proof)
    found = [None if one is None else one.reveal() for one in (keys.secret, keys.private_key)]
    assert found == [secret, key]
    assert keys.key_id == proof.get("key_id", "")
