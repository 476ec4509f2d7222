"""No field that takes a secret is forgotten by the hunt: what the code's own tables name is compared with its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apiloom.flows import oauth_clients
from apiloom.identity import settings
from apiloom.vault import aws_keys, certificates, forms, given, referring, templates
from apiloom.vault.custody import PURPOSES, RootKey, fresh_custody
from support.harvest import NO_SECRETS, harvesting
from support.leaks import Canaries
from support.mirror import credentials
from support.mirror_elsewhere import PLACES, Elsewhere
from support.secret_fields import HUNTED, MEMBERS, OPEN, UNHUNTED, makers
from support.source import ROOT, modules

API = json.loads((ROOT / "docs" / "openapi.json").read_text())


def members_of_credentials() -> set[str]:
    """Every member that a credential or a client's proof may have."""
    shown = set(re.findall(r'"(\w+)":', given._FORMS))
    plain = shown | given.MARKS | certificates.MEMBERS | aws_keys.MEMBERS | templates.MEMBERS
    client = {*oauth_clients.PROOFS, *oauth_clients._BESIDE_KEY}
    inside = {name for allowed in forms._ALLOWED.values() for name in allowed}
    return plain | client | inside | {"session_token"}


def test_every_member_of_a_credential_has_a_canary_or_a_reason() -> None:
    assert members_of_credentials() == MEMBERS.keys() | OPEN.keys()
    assert not MEMBERS.keys() & OPEN.keys()
    assert all(OPEN.values())


def test_every_member_that_may_lie_elsewhere_or_come_back_is_a_secret_here() -> None:
    assert MEMBERS.keys() | {"username", "certificate"} >= referring.ELSEWHERE
    names = ("client_secret", "private_key", "access_token", "refresh_token")
    assert set(forms.form_secrets(dict.fromkeys(names, "x"))) == {"x"}


def test_every_member_that_may_lie_elsewhere_does_in_a_hunt(tmp_path: Path) -> None:
    asked: list[str] = []

    class Kept:
        def put(self, path: str, **_: str) -> None:
            asked.append(path)

    places = Elsewhere(tmp_path, Kept())  # type: ignore[arg-type]  # nothing is asked of it
    forms = credentials(Canaries(), "https://t.example/t", tmp_path)
    moved = places.referring(forms)
    inside = {f"{name}.{inner}" for name, allowed in referring.INSIDE.items() for inner in allowed or ()}
    assert {one.partition(".")[0] for one in places.moved} >= referring.ELSEWHERE | referring.INSIDE.keys()
    assert places.moved >= inside | {"values.a"}
    assert asked
    followed = {reference for form in moved.values() for reference in referring.references_of(form)}
    assert {reference.partition(":")[0] for reference in followed} == set(PLACES)


WRITE_ONLY = {
    "NewAccount.credentials",
    "AccountPatch.credentials",
    "NewOAuthClient.secret",
    "OAuthClientPatch.secret",
    "Redemption.code",
    "Found.text",
}
"""Members of bodies that are, or may be, secrets: all are hunted with what is refused and with what is done."""

_SECRETLY = re.compile(
    r"secret|credential|password|passphrase|private|(?:^|_)key$|^code$|found where it should not", re.IGNORECASE
)
NAMES_ALONE = {
    "NewServer.config": "says that an API token is needed",
    "NewConnectSession.return_url": "where a page leads",
}


def test_every_member_of_a_body_that_sounds_like_a_secret_is_known() -> None:
    bodies = {name for name in API["components"]["schemas"] if name.startswith("New") or name.endswith("Patch")}
    found = {
        f"{schema}.{name}"
        for schema in bodies | {"Redemption", "Found"}
        for name, told in API["components"]["schemas"][schema].get("properties", {}).items()
        if _SECRETLY.search(name) or ("Written only" in told.get("description", ""))
    }
    assert found | {"Found.text"} == WRITE_ONLY


def test_what_the_identity_file_takes_as_a_secret_is_a_reference() -> None:
    text = next(module.text for module in modules() if module.dotted == settings.__name__)
    assert set(re.findall(r"secret=(\w+)\(", text)) == {"_reference"}


def test_every_key_of_the_house_is_taken_down() -> None:
    canaries = Canaries()
    with harvesting(canaries):
        custody = fresh_custody(RootKey(bytes(range(32))))
    held = set(canaries.cores.values())
    assert bytes(range(32)) in held
    assert all(custody.sub_key(purpose, 1) in held for purpose in PURPOSES)


def test_every_place_that_makes_a_secret_is_reached_by_a_hunt_or_says_why_not() -> None:
    places = {place for place, _ in makers() if not _is_constant(place)}
    assert places == HUNTED | UNHUNTED.keys()
    assert all(UNHUNTED.values())


def _is_constant(place: str) -> bool:
    """Whether it is a module: an empty secret that stands for none."""
    return place in {module.dotted for module in modules()}


@pytest.mark.parametrize("place", sorted(NO_SECRETS))
def test_every_exception_is_still_there(place: str) -> None:
    """An exception that no code needs any more hides the next thing of that name."""
    drawing = {module.dotted: module.text for module in modules() if re.search(r"\bsecrets\.token_", module.text)}
    (module,) = [name for name in drawing if place.startswith(name)] or [place]
    function = place.removeprefix(module).lstrip(".").rpartition(".")[2]
    assert module in drawing or any(name.startswith(place) for name in drawing), place
    assert not function or f"def {function}(" in drawing[module]
