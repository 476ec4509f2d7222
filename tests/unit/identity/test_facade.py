"""What a client may register, where people are sent, and tokens that only the house can make."""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import CallerError
from apiloom.identity.facade_clients import allows, is_document_url, is_redirect, read_client, read_document
from apiloom.identity.facade_tokens import (
    Digests,
    is_proven,
    read_access,
    read_refresh,
    write_access,
    write_refresh,
)

FAMILY = "fam_" + "a2" * 10


def digests(*keys: bytes) -> Digests:
    return lambda text: tuple(hmac.digest(key, text.encode(), hashlib.sha256) for key in keys)


OURS, THEIRS = digests(b"new", b"old"), digests(b"theirs")


def test_a_token_says_whose_it_is_and_until_when_under_every_live_key() -> None:
    for made in (digests(b"new"), digests(b"old")):
        read = read_access(write_access(FAMILY, 1234.9, made), OURS)
        assert read is not None
        assert (read.family, read.ends) == (FAMILY, 1234.0)
    assert read_access(write_access(FAMILY, 1234.0, THEIRS), OURS) is None
    assert write_access(FAMILY, 1.0, OURS) != write_access(FAMILY, 1.0, OURS)


@given(st.integers(0, 120), st.characters(max_codepoint=255))
def test_a_changed_token_is_none(at: int, sign: str) -> None:
    token = write_access(FAMILY, 1234.0, OURS)
    at %= len(token)
    changed = token[:at] + sign + token[at + 1 :]
    assert changed == token or read_access(changed, OURS) is None


def test_a_refresh_token_is_of_one_generation_and_seed() -> None:
    text = write_refresh(FAMILY, 3, b"seed", OURS)
    assert text == write_refresh(FAMILY, 3, b"seed", OURS)
    read = read_refresh(text)
    assert read is not None
    assert (read.family, read.generation) == (FAMILY, 3)
    assert is_proven(read, b"seed", OURS)
    assert not is_proven(read, b"another", OURS)
    assert not is_proven(read, b"seed", THEIRS)
    other = read_refresh(text.replace(".3.", ".4."))
    assert other is not None
    assert not is_proven(other, b"seed", OURS)


def test_a_token_of_one_kind_is_none_of_the_other() -> None:
    assert read_refresh(write_access(FAMILY, 1.0, OURS)) is None
    assert read_access(write_refresh(FAMILY, 1, b"seed", OURS), OURS) is None


_SCHEMES = st.sampled_from(["http://", "http://", "HTTP://", "https://", "//", "http:/", "x://"])
_HOSTS = st.sampled_from(["127.0.0.1", "127.0.0.1", "a.example", "localhost", "[::1]", "127.0.0.1.evil.example"])
_RESTS = st.lists(
    st.sampled_from(
        [":9", ":", ":99999", "/cb", "/cb", "/", "..", "@", "#", "?x", "\\", " ", "\t", "%2f", ";", "\uff0f"]
    ),
    max_size=4,
)
_NEARLY = st.builds(lambda scheme, host, rest: scheme + host + "".join(rest), _SCHEMES, _HOSTS, _RESTS)
_LOCAL = re.compile(r"http://127\.0\.0\.1(:[0-9]{0,5})?/cb", re.ASCII | re.IGNORECASE)


@given(st.one_of(st.text(max_size=80), _NEARLY))
def test_no_text_is_a_redirect_by_accident(text: str) -> None:
    registered = ["https://a.example/cb", "http://127.0.0.1/cb"]
    if allows(registered, text):
        assert text in registered or _LOCAL.fullmatch(text)
    is_redirect(text)
    is_document_url(text)
    read_refresh(text)
    read_access(text, OURS)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("http://127.0.0.1:1234/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://localhost:1234/cb", False),
        ("http://127.0.0.1:1234/cb/", False),
        ("http://127.0.0.1:1234/cb?x", False),
        ("http://127.0.0.1:99999/cb", False),
        ("https://127.0.0.1:1234/cb", False),
        ("http://127.0.0.1:1@evil.example/cb", False),
    ],
)
def test_only_the_port_of_this_computer_is_free(asked: str, allowed: bool) -> None:
    assert allows(["http://127.0.0.1:9/cb"], asked) is allowed


@pytest.mark.parametrize(
    ("url", "fit"),
    [
        ("https://a.example/client.json", True),
        ("https://a.example:8443/x", True),
        ("https://a.example", False),
        ("https://a.example/", False),
        ("http://a.example/x", False),
        ("https://a.example/../x", False),
        ("https://u@a.example/x", False),
        ("https://a.example/x#f", False),
        ("https:///x", False),
    ],
)
def test_a_client_is_named_by_an_https_url_with_a_path(url: str, fit: bool) -> None:
    assert is_document_url(url) is fit


def test_a_document_is_about_the_url_it_lies_at_and_has_no_secret() -> None:
    url = "https://a.example/x"
    good = {"client_id": url, "redirect_uris": ["https://a.example/cb"], "client_name": "  A \n b\u202e "}
    assert read_document(good, url).name == "A b"
    for wrong in (
        {**good, "client_id": "https://b.example/x"},
        {**good, "token_endpoint_auth_method": "client_secret_basic"},
        {**good, "client_secret": "x"},
        [],
        None,
    ):
        with pytest.raises(CallerError):
            read_document(wrong, url)


@pytest.mark.parametrize(
    ("uri", "fit"),
    [
        ("com.example.app:/cb", True),
        ("com.example.app://cb", True),
        ("vscode://publisher.extension/cb", True),
        ("vscode-insiders://x/cb", True),
        ("cursor://anysphere.cursor-retrieval/oauth/cb", True),
        ("claude://cb", True),
        ("https://a.example:8443/cb?x=1", True),
        ("http://[::1]:9/cb", True),
        ("search-ms:query=x", False),
        ("search:x", False),
        ("ms-settings:x", False),
        ("ms-word.x:ofe", False),
        ("x-apple.systempreferences:x", False),
        ("telnet://h", False),
        ("callto:x", False),
        ("view-source:https://a.example", False),
        ("javascript:alert(1)", False),
        ("x:", False),
        (".x:", False),
        ("https://a;b/x", False),
        ("https://a,b/x", False),
        ("https://*/x", False),
        ("https://a.example:/'x", True),
        ("https://a'b.example/x", False),
        ("https://u@a.example/x", False),
    ],
)
def test_people_are_sent_into_the_web_to_this_computer_or_to_an_application(uri: str, fit: bool) -> None:
    assert is_redirect(uri) is fit


def test_a_client_that_could_use_no_code_is_refused() -> None:
    good = {"redirect_uris": ["https://a.example/cb"]}
    assert read_client({**good, "grant_types": ["authorization_code", "urn:x"]}).redirect_uris
    for more in ({"grant_types": ["implicit"]}, {"response_types": ["token"]}, {"redirect_uris": []}):
        with pytest.raises(CallerError):
            read_client({**good, **more})
