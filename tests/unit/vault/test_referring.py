"""References inside of credentials: each secret of each form may lie elsewhere, and nothing else may."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.app.gateway.following import opened_credentials, references_in
from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.model.api import SecurityScheme
from apiloom.vault.credentials import AwsKeys, Certificate, Credentials, Template
from apiloom.vault.forms import form_secrets, read_form
from apiloom.vault.given import is_oauth_form, parse_credentials
from apiloom.vault.referring import ELSEWHERE, INSIDE, references_of, tell
from apiloom.vault.signers import check_credentials
from support.tls import identity

PAIR = identity("ann", "ann.example")
PEM = PAIR.certificate_pem.decode(), PAIR.pem.removeprefix(PAIR.certificate_pem).decode()
ACCOUNT = '{"client_email": "a@b.example", "private_key": "KEY", "token_uri": "https://id.example/t"}'
FORMS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "token": ({"token": "a-token"}, ("token",)),
    "key": ({"key": "a-key"}, ("key",)),
    "basic": ({"username": "ann", "password": "a-password"}, ("username", "password")),
    "aws": (
        {
            "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": "a-secret-key",
            "session_token": "a-session",
            "region": "eu-west-1",
            "service": "s3",
        },
        ("access_key_id", "secret_access_key", "session_token"),
    ),
    "certificate": ({"certificate": PEM[0], "private_key": PEM[1]}, ("certificate", "private_key")),
    "machine": ({"client_id": "me", "client_secret": "a-client-secret"}, ("client_secret",)),
    "signed": ({"client_id": "me", "private_key": PEM[1], "algorithm": "ES256"}, ("private_key",)),
    "service": (
        {"service_account": ACCOUNT.replace("KEY", PEM[1].replace("\n", "\\n")), "algorithm": "ES256"},
        ("service_account",),
    ),
    "brought": (
        {"client_id": "me", "client_secret": "c", "refresh_token": "a-refresh", "access_token": "an-access"},
        ("client_secret", "refresh_token", "access_token"),
    ),
}
SCHEMES = {
    **{name: SecurityScheme(id=name, kind="apiKey", place="header", name="X-Key") for name in FORMS},
    "basic": SecurityScheme(id="basic", kind="http", scheme="basic"),
}
ONE_BY_ONE = [(name, member) for name, (_, members) in FORMS.items() for member in members]


def plain(credentials: Credentials) -> Any:
    """All that is in credentials, in the clear."""

    def revealed(value: Any) -> Any:
        if isinstance(value, Secret):
            return value.reveal()
        if hasattr(value, "__dataclass_fields__"):
            return {name: revealed(getattr(value, name)) for name in value.__dataclass_fields__}
        if isinstance(value, tuple):
            return [revealed(each) for each in value]
        return {name: revealed(each) for name, each in value.items()} if isinstance(value, dict) else value

    return revealed(credentials)


@pytest.mark.parametrize(("name", "member"), ONE_BY_ONE)
def test_each_secret_of_a_form_may_lie_elsewhere_and_is_what_it_would_be_in_its_place(name: str, member: str) -> None:
    form = FORMS[name][0]
    value = form[member]
    referred = {**form, member: {"ref": "env:PLACE"}}
    assert references_in({name: referred}) == ("env:PLACE",)
    assert plain(opened_credentials({name: referred}, {"env:PLACE": Secret(value)})) == plain(
        parse_credentials({name: form})
    )
    # files end in a line break that is no part of the secret
    assert plain(opened_credentials({name: referred}, {"env:PLACE": Secret(f"{value}\n")})).keys()


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_lies_elsewhere_is_looked_at_without_being_read(name: str) -> None:
    form, members = FORMS[name]
    for part in (members, *[(member,) for member in members]):
        referred = {**form, **{member: {"ref": f"file:/{member}"} for member in part}}
        credentials = opened_credentials({name: referred})
        check_credentials(SCHEMES, credentials)
        assert (name in credentials.forms) == is_oauth_form(form)
        wrong = {**referred, part[0]: {"ref": "nowhere"}}
        with pytest.raises(DesignError) as caught:
            opened_credentials({name: wrong})
        assert caught.value.code == "credentials.form"


def test_values_of_a_template_and_the_key_of_a_service_account_may_lie_elsewhere() -> None:
    odd = {"headers": '{"X-A":"{k}/{l}"}', "values": {"k": {"ref": "env:K"}, "l": "second"}}
    form = opened_credentials({"odd": odd}, {"env:K": Secret("first")}).by_scheme["odd"].form
    assert isinstance(form, Template)
    assert {name: one.reveal() for name, one in form.values.items()} == {"k": "first", "l": "second"}
    account = {"client_email": "a@b.example", "private_key": {"ref": "file:/key"}}
    assert references_of({"service_account": account}) == ("file:/key",)
    read = read_form("s", {"service_account": account, "algorithm": "ES256"}, lambda _: PEM[1])
    assert read.keys.private_key == Secret(PEM[1])
    assert account["private_key"] == {"ref": "file:/key"}  # what was given is left as it was


def test_a_place_of_a_template_may_be_called_ref() -> None:
    odd = {"headers": {"Ref": "{ref}"}, "values": {"ref": "a-value"}}
    form = parse_credentials({"odd": odd}).by_scheme["odd"].form
    assert isinstance(form, Template)
    assert form.values["ref"].reveal() == "a-value"
    assert references_of(odd) == ()


def test_a_whole_form_behind_a_reference_is_one_text_as_before() -> None:
    credentials = opened_credentials({"login": {"ref": "env:PAIR"}}, {"env:PAIR": Secret("ann:secret")})
    assert credentials.by_scheme["login"].token == Secret("ann:secret")
    short = read_form("s", {"client_id": "me", "ref": "env:X"}, lambda _: "behind")
    assert short.keys.secret == Secret("behind")
    assert references_of({"client_id": "me", "ref": "env:X"}) == ("env:X",)


OPEN = ("client_id", "token_url", "issuer", "scopes", "region", "service", "method", "subject", "provider")


@pytest.mark.parametrize("member", OPEN)
def test_what_is_no_secret_stands_in_the_form_itself(member: str) -> None:
    form = {"client_id": "me", "client_secret": "c", member: {"ref": "env:X"}}
    with pytest.raises(DesignError, match=f"reference in {member}") as caught:
        tell("s", form, lambda _: "followed")
    assert caught.value.code == "credentials.form"
    assert references_of(form) == ()
    assert member not in ELSEWHERE


@pytest.mark.parametrize(
    "form",
    [
        {"token": {"ref": 7}},
        {"token": {"ref": "env:X", "more": "y"}},
        {"token": {"ref": {"ref": "env:X"}}},
        {"token": [{"ref": "env:X"}]},
        {"username": "ann", "password": {"value": {"ref": "env:X"}}},
        {"headers": {"X-A": "{k}"}, "values": {"k": {"k": {"ref": "env:X"}}}},
        {"headers": {"X-A": "{k}"}, "values": '{"k": {"ref": "env:X"}}'},
        {"service_account": {"client_email": {"ref": "env:X"}, "private_key": "k"}},
        {"service_account": '{"client_email": "a", "private_key": {"ref": "env:X"}}'},
    ],
)
def test_what_only_looks_like_a_reference_is_followed_by_nobody(form: dict[str, Any]) -> None:
    with pytest.raises(DesignError) as caught:
        parse_credentials({"s": form}, lambda _: pytest.fail("it was followed"))
    assert caught.value.code == "credentials.form"
    assert references_of(form) == ()


def test_a_form_with_a_reference_that_nobody_follows_is_refused() -> None:
    for resolve in (None, str):
        with pytest.raises(DesignError, match="reference of s cannot be followed"):
            parse_credentials({"s": {"username": "a", "password": {"ref": "https://x.example"}}}, resolve)


def test_what_was_only_looked_at_never_passes_for_a_secret_of_the_account() -> None:
    referred = {"client_id": "me", "client_secret": {"ref": "env:X"}, "refresh_token": "brought"}
    told = tell("s", referred, lambda _: None)
    assert told.unread == {"client_secret"}
    assert form_secrets({name: value for name, value in told.form.items() if name not in told.unread}) == ("brought",)
    assert "brought" not in repr(told)


def test_a_pair_that_does_not_fit_is_refused_once_it_is_read() -> None:
    other = identity("bob", "bob.example").certificate_pem.decode()
    form = {"certificate": {"ref": "file:/c"}, "private_key": {"ref": "file:/k"}}
    with pytest.raises(DesignError, match="cannot be used together"):
        opened_credentials({"mtls": form}, {"file:/c": Secret(other), "file:/k": Secret(PEM[1])})
    aws = {**FORMS["aws"][0], "access_key_id": {"ref": "env:ID"}}
    with pytest.raises(DesignError, match="as AWS writes them") as caught:
        opened_credentials({"aws": aws}, {"env:ID": Secret("no id")})
    assert "no id" not in caught.value.sentence()


def test_the_parts_that_may_lie_elsewhere_are_the_secrets_of_every_form() -> None:
    named = {member for _, members in FORMS.values() for member in members}
    assert named == ELSEWHERE
    assert INSIDE.keys() == {"values", "service_account"}
    kinds = {type(one.form) for one in opened_credentials({n: f for n, (f, _) in FORMS.items()}).by_scheme.values()}
    assert kinds >= {AwsKeys, Certificate}


def test_the_lines_of_a_key_are_secrets_one_by_one() -> None:
    lines = [line for line in PEM[1].splitlines() if not line.startswith("-----") and len(line) > 16]
    assert form_secrets({"private_key": PEM[1], "client_secret": "c"}) == ("c", *lines)
