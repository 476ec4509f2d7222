"""Credentials as people write them down, and the sentences for those that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.vault.given import parse_credentials, single_value


def test_every_form_is_read() -> None:
    given = parse_credentials(
        {
            "a": {"token": "token-a"},
            "b": {"key": "key-b\n"},
            "c": {"username": "user", "password": ""},
            "d": {"ref": "env:NAME"},
        },
        resolve=lambda reference: f"<{reference}>\r\n",
    ).by_scheme
    values = {name: item.token.reveal() for name, item in given.items() if item.token}
    assert values == {"a": "token-a", "b": "key-b", "d": "<env:NAME>"}
    assert given["c"].username == "user"
    assert given["c"].password is not None
    assert given["c"].password.reveal() == ""


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ("s3cret", "credentials.form", "is not an object of texts"),
        ({"token": 7}, "credentials.form", "is not an object of texts"),
        ({"token": None}, "credentials.form", "is not an object of texts"),
        ({}, "credentials.form", "none of the known forms"),
        ({"tokn": "s3cret"}, "credentials.form", "none of the known forms"),
        ({"token": "s3cret", "key": "s3cret"}, "credentials.form", "none of the known forms"),
        ({"username": "s3cret"}, "credentials.form", "none of the known forms"),
        ({"token": ""}, "credentials.value", "is empty"),
        ({"token": "\n"}, "credentials.value", "is empty"),
        ({"token": "s3cret\r\nX-Evil: 1"}, "credentials.value", "line break"),
        ({"key": "s3cret\0"}, "credentials.value", "control character"),
        ({"username": "a:s3cret", "password": "b"}, "credentials.value", "colon"),
        ({"username": "a", "password": "s3\ncret"}, "credentials.value", "line break"),
        ({"client_id": "a", "client_secret": "s3cret", "token": "s3"}, "credentials.form", "together: token"),
        ({"ref": "keyring:a/b"}, "credentials.form", "cannot be followed"),
        ({"ref": "bao:secret/x"}, "credentials.form", "cannot be followed"),
        ({"ref": "env:NAME"}, "credentials.form", "cannot be followed"),
        ({"ref": "s3cret"}, "credentials.form", "cannot be followed"),
    ],
)
def test_what_cannot_be_used_is_told_without_showing_it(value: Any, code: str, says: str) -> None:
    with pytest.raises(DesignError) as caught:
        parse_credentials({"Scheme": value})
    assert caught.value.code == code
    assert says in caught.value.message
    assert "Scheme" in caught.value.message
    assert "s3" not in caught.value.sentence()
    assert caught.value.hint


def test_a_secret_that_is_no_text_is_refused_without_showing_it() -> None:
    with pytest.raises(DesignError, match="no text") as caught:
        single_value("Key", "abc\udcffdef")
    assert "abc" not in caught.value.sentence()
