"""Credentials from the environment and from a file: whose they are, and when they are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.environment import CredentialPlaces, Given, given_credentials
from apiloom.base.errors import DesignError
from apiloom.console.cli.platform.private import read_credentials
from apiloom.model.api import SecurityScheme

SCHEMES = {
    "ApiKey": SecurityScheme(id="ApiKey", kind="apiKey", place="header", name="X-API-Key"),
    "basic-auth": SecurityScheme(id="basic-auth", kind="http", scheme="basic"),
}


def given(environment: Mapping[str, str] | None = None, *, slug: str = "pets", **places: Any) -> Given:
    return given_credentials(SCHEMES, slug, CredentialPlaces(environment=environment or {}, **places))


def tokens(found: Given) -> dict[str, str]:
    return {name: item.token.reveal() for name, item in found.credentials.by_scheme.items() if item.token}


def written(folder: Path, value: Any, mode: int = 0o600) -> str:
    file = folder / "credentials.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    file.chmod(mode)
    return str(file)


def test_variables_are_found_by_the_names_of_the_schemes() -> None:
    found = given({"APILOOM_AUTH_APIKEY": "k", "APILOOM_AUTH_BASIC_AUTH": "user:pw", "PATH": "/bin"})
    assert tokens(found) == {"ApiKey": "k", "basic-auth": "user:pw"}
    assert found.warnings == ()


def test_the_variable_that_names_the_source_wins_over_the_short_one() -> None:
    found = given({"APILOOM_AUTH_APIKEY": "short", "APILOOM_PETS_AUTH_APIKEY": "long"}, slugs=("pets",))
    assert tokens(found) == {"ApiKey": "long"}


def test_with_several_sources_a_short_variable_belongs_to_nobody_and_is_told() -> None:
    environment = {"APILOOM_AUTH_APIKEY": "short", "APILOOM_SHOP_AUTH_APIKEY": "shop"}
    pets = given(environment, slugs=("pets", "shop"))
    assert tokens(pets) == {}
    assert pets.warnings == ("APILOOM_AUTH_APIKEY is not used: with several sources write APILOOM_PETS_AUTH_…",)
    assert tokens(given(environment, slug="shop", slugs=("pets", "shop"))) == {"ApiKey": "shop"}


def test_with_several_sources_what_is_missing_is_told_by_the_name_that_counts() -> None:
    misspelt = given({"APILOOM_PETS_AUTH_APIKEYS": "x"}, slugs=("pets", "shop"))
    assert misspelt.warnings[0].endswith("takes APILOOM_PETS_AUTH_APIKEY, APILOOM_PETS_AUTH_BASIC_AUTH")
    assert given(slugs=("pets", "shop"), auth="bearer").warnings == (
        "--auth bearer has no secret yet: set APILOOM_PETS_AUTH_DEFAULT",
    )


def test_a_misspelt_variable_is_told_with_the_names_that_exist() -> None:
    found = given({"APILOOM_AUTH_APIKEYS": "s3cret"})
    (warning,) = found.warnings
    assert warning.startswith("APILOOM_AUTH_APIKEYS names no security scheme of this API")
    assert warning.endswith("takes APILOOM_AUTH_APIKEY, APILOOM_AUTH_BASIC_AUTH")
    assert "s3cret" not in warning


def test_an_empty_variable_is_no_credential() -> None:
    assert tokens(given({"APILOOM_AUTH_APIKEY": ""})) == {}


def test_the_auth_option_takes_its_secret_from_the_default_variable() -> None:
    found = given({"APILOOM_AUTH_DEFAULT": "t0ken"}, auth="bearer")
    assert tokens(found) == {"DEFAULT": "t0ken"}
    assert found.schemes["DEFAULT"].scheme == "bearer"
    assert "ApiKey" in found.schemes
    assert given(auth="header:X-Key").warnings == ("--auth header:X-Key has no secret yet: set APILOOM_AUTH_DEFAULT",)
    assert given({"APILOOM_AUTH_DEFAULT": "t"}).warnings == (
        "APILOOM_AUTH_DEFAULT is set, but nothing says how to send it: add --auth bearer (or header:NAME)",
    )
    with pytest.raises(DesignError, match="--auth does not know 'digest'"):
        given(auth="digest")


def test_a_file_is_read_and_goes_before_the_environment(tmp_path: Path) -> None:
    file = written(tmp_path, {"ApiKey": {"key": "from-file"}, "Ghost": {"key": "x"}})
    found = given({"APILOOM_AUTH_APIKEY": "from-environment", "APILOOM_AUTH_BASIC_AUTH": "a:b"}, file=file)
    assert tokens(found) == {"ApiKey": "from-file", "basic-auth": "a:b", "Ghost": "x"}
    assert found.warnings == (
        f"{file} names Ghost, which is no security scheme of this API: there are ApiKey, basic-auth",
    )


def test_with_several_sources_a_file_says_whose_each_entry_is(tmp_path: Path) -> None:
    file = written(tmp_path, {"pets": {"ApiKey": {"key": "for-pets"}}, "ApiKey": {"key": "for-whom"}})
    slugs = ("pets", "shop")
    assert tokens(given(file=file, slugs=slugs)) == {"ApiKey": "for-pets"}
    shop = given(file=file, slug="shop", slugs=slugs)
    assert tokens(shop) == {}
    assert "entries that name no source" in shop.warnings[0]


def test_references_are_followed_into_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("in-a-file\n")
    (tmp_path / "secret.txt").chmod(0o600)
    file = written(
        tmp_path, {"ApiKey": {"ref": "env:MY_KEY"}, "basic-auth": {"ref": f"file:{tmp_path / 'secret.txt'}"}}
    )
    assert tokens(given({"MY_KEY": "in-the-environment"}, file=file)) == {
        "ApiKey": "in-the-environment",
        "basic-auth": "in-a-file",
    }
    with pytest.raises(DesignError, match="the environment has no MY_KEY"):
        given(file=file)
    (tmp_path / "secret.txt").chmod(0o640)
    with pytest.raises(DesignError, match=r"secret\.txt can be read by others"):
        given({"MY_KEY": "x"}, file=file)
    (tmp_path / "secret.txt").unlink()
    with pytest.raises(DesignError, match=r"the secret in .*secret\.txt cannot be read"):
        given({"MY_KEY": "x"}, file=file)


def test_a_variable_may_refer_to_a_secret_and_what_only_looks_so_is_the_secret_itself() -> None:
    around = {"MY_KEY": "in-the-environment", "APILOOM_AUTH_APIKEY": '{"ref": "env:MY_KEY"}'}
    assert tokens(given(around))["ApiKey"] == "in-the-environment"
    for literal in ("env:MY_KEY", '{"ref":', '{"ref":7}', '{"ref":"env:MY_KEY","x":1}'):
        assert tokens(given({**around, "APILOOM_AUTH_APIKEY": literal}))["ApiKey"] == literal
    with pytest.raises(DesignError, match="the environment has no OTHER"):
        given({"APILOOM_AUTH_APIKEY": '{"ref":"env:OTHER"}'})


def test_what_opens_the_house_is_no_apis_credential() -> None:
    for name in ("APILOOM_KEY", "APILOOM_TOKEN", "BAO_TOKEN", "VAULT_TOKEN"):
        with pytest.raises(DesignError) as error:
            given({"APILOOM_AUTH_APIKEY": f'{{"ref":"env:{name}"}}', name: "s3cret"})
        assert error.value.code == "credentials.form"


@pytest.mark.parametrize("name", ["pipe", "folder", "a\0b"])
def test_a_reference_to_what_is_no_file_is_refused_without_waiting(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    file = written(tmp_path, {"ApiKey": {"ref": f"file:{tmp_path / name}"}})
    with pytest.raises(DesignError) as caught:
        given(file=file)
    assert caught.value.code == "credentials.ref"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_could_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(DesignError, match="can be read by others") as caught:
        read_credentials(Path(written(tmp_path, {}, mode)))
    assert "chmod 600" in caught.value.hint


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, {})
    monkeypatch.setattr(os, "geteuid", lambda: Path(file).stat().st_uid + 1)
    with pytest.raises(DesignError, match="belongs to another user"):
        read_credentials(Path(file))


def test_a_file_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"missing\.json cannot be read: No such file") as caught:
        read_credentials(tmp_path / "missing.json")
    assert caught.value.code == "credentials.file"
    with pytest.raises(DesignError, match=r"is not a regular file|cannot be read"):
        read_credentials(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(DesignError, match="is not a regular file"):
        read_credentials(tmp_path / "pipe")


@pytest.mark.parametrize("text", ["", "s3cret", "[]", '"s3cret"', '{"a": s3cret}', "{" * 100_000])
def test_a_file_that_holds_no_object_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(DesignError, match="is not a JSON object") as caught:
        read_credentials(Path(written(tmp_path, text)))
    assert "s3cret" not in caught.value.sentence()


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="is larger than"):
        read_credentials(Path(written(tmp_path, " " * 1_048_577)))


def test_nothing_about_credentials_can_be_read_off_their_places() -> None:
    assert "s3cret" not in repr(CredentialPlaces(environment={"APILOOM_AUTH_X": "s3cret"}))
    assert "s3cret" not in repr(given({"APILOOM_AUTH_APIKEY": "s3cret"}))


def test_a_client_certificate_is_there_once_its_file_is_named() -> None:
    schemes = {"mtls": SecurityScheme(id="mtls", kind="mutualTLS")}
    for environment, there in (({}, set()), ({"APILOOM_CLIENT_CERTIFICATE": "me.pem"}, {"mtls"})):
        found = given_credentials(schemes, "pets", CredentialPlaces(environment=environment))
        assert set(found.credentials.by_scheme) == there


def test_two_keys_that_no_document_declares_have_variables_of_their_own() -> None:
    auth = "header:X-A,query:b"
    found = given({"APILOOM_AUTH_DEFAULT": "one", "APILOOM_AUTH_DEFAULT_2": "two"}, auth=auth)
    assert tokens(found) == {"DEFAULT": "one", "DEFAULT_2": "two"}
    assert found.warnings == ()
    half = given({"APILOOM_AUTH_DEFAULT": "one"}, auth=auth)
    assert half.warnings == (f"--auth {auth} has no secret yet: set APILOOM_AUTH_DEFAULT_2",)


def test_a_file_may_hold_what_sources_want_that_are_not_here(tmp_path: Path) -> None:
    file = written(tmp_path, {"pets": {"ApiKey": {"key": "mine"}}, "shop": {"ApiKey": {"key": "s3cret"}}})
    found = given(slugs=("pets",), file=file)
    assert tokens(found) == {"ApiKey": "mine"}
    assert found.warnings == (f"{file} speaks of sources that are not here: shop; there is pets",)
    with pytest.raises(DesignError, match="the credential of ApiKey is not an object of texts"):
        given(slugs=("pets",), file=written(tmp_path, {"ApiKey": {"key": {"key": "s3cret"}}}))
