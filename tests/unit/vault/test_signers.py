"""Which credentials an operation is signed with, where they go on the wire, and that they go nowhere else."""

from __future__ import annotations

import base64
import pickle

import pytest

from apiloom.base.errors import DesignError, HouseFault
from apiloom.base.secret import Secret
from apiloom.model.api import SecurityNeed, SecurityScheme
from apiloom.net.request import Request, Response
from apiloom.vault.credentials import Credentials
from apiloom.vault.given import parse_credentials
from apiloom.vault.marks import build_signature
from apiloom.vault.signers import DEFAULT, Signer, check_credentials, choose_signer, default_schemes, missing

HOME = "https://api.example"
PINNED = frozenset([HOME])
SCHEMES = {
    "header": SecurityScheme(id="header", kind="apiKey", place="header", name="X-API-Key"),
    "query": SecurityScheme(id="query", kind="apiKey", place="query", name="api key'"),
    "cookie": SecurityScheme(id="cookie", kind="apiKey", place="cookie", name="session"),
    "app": SecurityScheme(id="app", kind="apiKey", place="header", name="X-App-Key"),
    "bearer": SecurityScheme(id="bearer", kind="http", scheme="bearer"),
    "basic": SecurityScheme(id="basic", kind="http", scheme="basic"),
    "token": SecurityScheme(id="token", kind="http", scheme="token"),
    "oauth": SecurityScheme(id="oauth", kind="oauth2"),
    "oidc": SecurityScheme(id="oidc", kind="openIdConnect"),
    "mtls": SecurityScheme(id="mtls", kind="mutualTLS"),
    "broken": SecurityScheme(id="broken", kind="apiKey"),
}


def given(*names: str) -> Credentials:
    """A credential for each scheme, recognisable by its name."""
    return parse_credentials({name: {"token": f"user:{name}-secret"} for name in names})


def need(*names: str) -> SecurityNeed:
    return tuple((name, ()) for name in names)


def chosen(security: tuple[SecurityNeed, ...], credentials: Credentials) -> Signer | None:
    return choose_signer(security, SCHEMES, credentials, pinned=PINNED)


def unsigned(signer: Signer | None) -> bool:
    """Whether a request leaves as it was planned."""
    return signer is None or (signer.schemes == () and next(signer.sign(request())) == request())


def request(target: str = "/pets", headers: list[tuple[str, str]] | None = None) -> Request:
    return Request(method="GET", origin=HOME, target=target, headers=headers or [("Accept", "*/*")])


def signed(scheme: str, secret: dict[str, str], asked: Request | None = None) -> Request:
    signer = chosen((need(scheme),), parse_credentials({scheme: secret}))
    assert signer is not None
    return next(signer.sign(asked or request()))


@pytest.mark.parametrize(
    ("scheme", "secret", "header"),
    [
        ("header", {"key": " k/+= "}, ("X-API-Key", "k/+=")),
        ("bearer", {"token": "abc.def"}, ("Authorization", "Bearer abc.def")),
        ("bearer", {"token": "bearer abc.def"}, ("Authorization", "Bearer abc.def")),
        ("oauth", {"token": "abc"}, ("Authorization", "Bearer abc")),
        ("oidc", {"token": "abc"}, ("Authorization", "Bearer abc")),
        ("token", {"token": "abc"}, ("Authorization", "Token abc")),
        (
            "basic",
            {"username": "Aladdin", "password": "open sesame"},
            ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        ("basic", {"token": "Aladdin:open sesame"}, ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        ("basic", {"token": "sk_live_key:"}, ("Authorization", "Basic " + base64.b64encode(b"sk_live_key:").decode())),
        (
            "basic",
            {"username": "ü", "password": "pä:ß"},
            ("Authorization", "Basic " + base64.b64encode("ü:pä:ß".encode()).decode()),
        ),
        ("cookie", {"key": 'a b;c"ü%2F'}, ("Cookie", "session=a%20b%3Bc%22%C3%BC%2F".replace("%2F", "%2F"))),
    ],
)
def test_each_scheme_puts_its_credential_where_it_belongs(
    scheme: str, secret: dict[str, str], header: tuple[str, str]
) -> None:
    asked = signed(scheme, secret)
    assert asked.headers == [("Accept", "*/*"), header]
    assert asked.target == "/pets"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/pets", "/pets?api%20key%27=a%26b%2F%C3%BC%27"),
        ("/pets?a=1", "/pets?a=1&api%20key%27=a%26b%2F%C3%BC%27"),
        ("/pets?", "/pets?api%20key%27=a%26b%2F%C3%BC%27"),
        ("/pets?a=1&", "/pets?a=1&api%20key%27=a%26b%2F%C3%BC%27"),
    ],
)
def test_a_key_in_the_query_is_added_percent_encoded_behind_what_was_planned(before: str, after: str) -> None:
    asked = signed("query", {"key": "a&b/ü'"}, request(before))
    assert asked.target == after
    assert asked.headers == [("Accept", "*/*")]


def test_a_session_joins_the_planned_cookies_in_one_header() -> None:
    asked = signed("cookie", {"key": "s3cret"}, request(headers=[("cookie", "a=1; b=2"), ("Accept", "*/*")]))
    assert asked.headers == [("Accept", "*/*"), ("Cookie", "a=1; b=2; session=s3cret")]


def test_a_planned_header_of_the_same_name_gives_way() -> None:
    asked = signed("bearer", {"token": "mine"}, request(headers=[("authorization", "Bearer argument"), ("X", "y")]))
    assert asked.headers == [("X", "y"), ("Authorization", "Bearer mine")]


def test_every_scheme_of_an_alternative_is_applied_together() -> None:
    signer = chosen((need("header", "app", "query", "cookie"),), given("header", "app", "query", "cookie"))
    assert signer is not None
    assert signer.schemes == ("header", "app", "query", "cookie")
    asked = next(signer.sign(request()))
    assert asked.headers == [
        ("Accept", "*/*"),
        ("X-API-Key", "user:header-secret"),
        ("X-App-Key", "user:app-secret"),
        ("Cookie", "session=user:cookie-secret"),
    ]
    assert asked.target == "/pets?api%20key%27=user%3Aquery-secret"


@pytest.mark.parametrize(
    ("security", "have", "expected"),
    [
        # OR: the first alternative that can be satisfied, in the document's order
        ((need("bearer"), need("header")), ("header", "bearer"), ("bearer",)),
        ((need("bearer"), need("header")), ("header",), ("header",)),
        ((need("header", "app"), need("bearer")), ("header", "bearer"), ("bearer",)),
        # AND: whole or not at all
        ((need("header", "app"),), ("header",), None),
        ((need("header", "app"),), ("header", "app"), ("header", "app")),
        # {} means that none is needed; what was given is still used, wherever {} stands
        ((need(), need("header")), ("header",), ("header",)),
        ((need("header"), need()), (), None),
        # nothing asked for, nothing sent
        ((), ("header", "bearer"), None),
        # schemes nobody declared, or declared without saying where, can never be satisfied
        ((need("ghost"),), ("ghost",), None),
        ((need("ghost", "header"), need("header")), ("ghost", "header"), ("header",)),
        ((need("broken"),), ("broken",), None),
        # a client certificate is the connection's matter; it counts once it is said to be there
        ((need("mtls", "header"),), ("header",), None),
        ((need("mtls", "header"),), ("mtls", "header"), ("mtls", "header")),
    ],
)
def test_alternatives_are_used_whole_and_in_order(
    security: tuple[SecurityNeed, ...], have: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    signer = chosen(security, given(*have))
    assert ((signer.schemes or None) if signer else None) == expected


@pytest.mark.parametrize(
    ("security", "have", "expected"),
    [
        ((), (), ()),
        ((need("header"),), (), ("header",)),
        ((need("header"),), ("header",), ()),
        ((need("header", "app"),), ("header",), ("app",)),
        ((need("header", "app"), need("bearer")), (), ("bearer",)),
        ((need("bearer"), need("header")), (), ("bearer",)),
        ((need("header"), need()), (), ()),
        ((need("ghost"), need("header")), (), ("header",)),
        ((need("ghost"),), (), (DEFAULT,)),
    ],
)
def test_what_is_missing_is_the_shortest_way_to_a_signed_call(
    security: tuple[SecurityNeed, ...], have: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert missing(security, SCHEMES, given(*have)) == expected


@pytest.mark.parametrize("security", [(), (need(),), (need("header"),), (need("ghost"),)])
def test_the_default_credential_applies_wherever_no_other_one_does(security: tuple[SecurityNeed, ...]) -> None:
    schemes = {**SCHEMES, **default_schemes("bearer")}
    credentials = parse_credentials({DEFAULT: {"token": "t0ken-x"}})
    signer = choose_signer(security, schemes, credentials, pinned=PINNED)
    assert signer is not None
    assert signer.schemes == (DEFAULT,)
    assert missing(security, schemes, credentials) == ()
    both = parse_credentials({DEFAULT: {"token": "t0ken-x"}, "header": {"key": "k"}})
    preferred = choose_signer((need("header"),), schemes, both, pinned=PINNED)
    assert preferred is not None
    assert preferred.schemes == ("header",)


@pytest.mark.parametrize(
    ("kind", "header", "target"),
    [
        ("bearer", ("Authorization", "Bearer a:b"), "/"),
        ("basic", ("Authorization", "Basic YTpi"), "/"),
        ("header:X-Key", ("X-Key", "a:b"), "/"),
        ("query:key", None, "/?key=a%3Ab"),
        ("cookie:sid", ("Cookie", "sid=a:b"), "/"),
        ("scheme:token", ("Authorization", "token a:b"), "/"),
        ("scheme:SSWS", ("Authorization", "SSWS a:b"), "/"),
        ("scheme:Bearer", ("Authorization", "Bearer a:b"), "/"),
    ],
)
def test_the_auth_option_defines_the_default_scheme(kind: str, header: tuple[str, str] | None, target: str) -> None:
    signer = choose_signer((), default_schemes(kind), parse_credentials({DEFAULT: {"token": "a:b"}}), pinned=PINNED)
    assert signer is not None
    asked = next(signer.sign(Request(method="GET", origin=HOME, target="/")))
    assert (asked.headers, asked.target) == ([header] if header else [], target)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "digest",
        "header:",
        "header:X Key",
        "header:a\r\nb",
        "query:",
        "cookie:a b",
        "scheme:",
        "scheme:digest",
        "Bearer",
    ],
)
def test_an_unknown_auth_option_is_told_with_the_known_ones(kind: str) -> None:
    with pytest.raises(DesignError, match="--auth does not know") as caught:
        default_schemes(kind)
    assert "header:NAME" in caught.value.hint


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://api.example", "https://api.example:8443", "https://API.example"]
)
def test_a_signer_never_signs_for_another_origin(origin: str) -> None:
    signer = chosen((need("header"),), given("header"))
    assert signer is not None
    asked = Request(method="GET", origin=origin, target="/")
    with pytest.raises(HouseFault) as caught:
        next(signer.sign(asked))
    assert caught.value.code == "vault.origin"
    assert "secret" not in caught.value.sentence()
    assert asked.headers == []


def test_a_dialogue_ends_with_the_first_answer() -> None:
    signer = chosen((need("header"),), given("header"))
    assert signer is not None
    dialogue = signer.sign(request())
    next(dialogue)
    with pytest.raises(StopIteration):
        dialogue.send(Response(status=200, headers=(), body=b""))


def test_a_masked_request_shows_where_secrets_stand_and_none_of_them() -> None:
    names = ("header", "query", "cookie", "basic")
    signer = chosen((need(*names),), given(*names))
    assert signer is not None
    shown = signer.masked(request())
    assert shown.target == "/pets?api%20key%27=***"
    assert shown.headers == [
        ("Accept", "*/*"),
        ("X-API-Key", "***"),
        ("Authorization", "Basic ***"),
        ("Cookie", "session=***"),
    ]
    for text in (repr(shown), repr(signer), str(signer)):
        assert "secret" not in text
        assert base64.b64encode(b"user:basic-secret").decode() not in text


def test_a_signer_knows_its_secrets_and_what_base64_makes_of_them_and_no_short_ones() -> None:
    signer = chosen(
        (need("basic", "header", "app"),),
        parse_credentials(
            {"basic": {"token": "user:p/ss word"}, "header": {"key": "h3ader-key"}, "app": {"key": "abc"}}
        ),
    )
    assert signer is not None
    pair = base64.b64encode(b"user:p/ss word").decode()
    assert set(signer.secrets) >= {"p/ss word", pair, "h3ader-key"}
    for before in range(3):
        echoed = base64.b64encode(b"x" * before + b"h3ader-key; more").decode()
        assert any(secret in echoed for secret in signer.secrets)
    assert "abc" not in signer.secrets
    assert "user" not in signer.secrets


@pytest.mark.parametrize(
    ("scheme", "echo"), [("bearer", "Bearer abc"), ("query", "api%20key%27=abc"), ("cookie", "session=abc")]
)
def test_a_short_secret_is_known_by_what_stands_before_it(scheme: str, echo: str) -> None:
    signer = chosen((need(scheme),), parse_credentials({scheme: {"token": "abc"}}))
    assert signer is not None
    assert echo in signer.secrets


def test_a_credential_of_the_wrong_form_is_told() -> None:
    with pytest.raises(DesignError, match="takes a single value"):
        signed("header", {"username": "a", "password": "b"})
    with pytest.raises(DesignError, match="basic authentication needs two") as caught:
        signed("basic", {"token": "only-one-s3cret"})
    assert "s3cret" not in caught.value.sentence()


def test_a_secret_cannot_be_printed_or_pickled() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert "hunter2" not in repr(parse_credentials({"basic": {"username": "u", "password": "hunter2"}}))
    # where the password is empty, the user name is the key
    assert "hunter2" not in repr(parse_credentials({"basic": {"username": "hunter2", "password": ""}}))


def test_of_two_schemes_in_one_place_the_first_that_is_given_is_sent() -> None:
    both = (need("bearer", "basic", "header"),)
    for names in (("bearer", "basic", "header"), ("bearer", "header"), ("basic", "header")):
        signer = chosen(both, given(*names))
        assert signer is not None
        assert signer.schemes == (names[0], "header")
        sent = [name for name, _ in next(signer.sign(request())).headers]
        assert sent == ["Accept", "Authorization", "X-API-Key"]
        assert missing(both, SCHEMES, given(*names)) == ()
    assert unsigned(chosen(both, given("bearer", "basic")))
    assert missing(both, SCHEMES, given("basic")) == ("header",)
    assert missing(both, SCHEMES, given("header")) == ("bearer",)


def test_a_need_with_a_scheme_that_is_declared_nowhere_is_still_never_met() -> None:
    assert unsigned(chosen((need("ghost", "bearer"),), given("ghost", "bearer")))


@pytest.mark.parametrize("name", ["Host", "Content-Length", "transfer-encoding", "Content-Type"])
def test_a_key_in_a_header_of_the_message_itself_is_never_sent(name: str) -> None:
    schemes = {"odd": SecurityScheme(id="odd", kind="apiKey", place="header", name=name)}
    assert choose_signer((need("odd"),), schemes, given("odd"), pinned=PINNED) is None
    with pytest.raises(DesignError, match="cannot send a credential in the header") as told:
        default_schemes(f"header:{name}")
    assert told.value.code == "auth.kind"


@pytest.mark.parametrize(
    "kinds", ["bearer,basic", "header:X-A,header:x-a", "query:k,query:k", "header:Authorization,bearer"]
)
def test_two_defaults_in_one_place_are_refused(kinds: str) -> None:
    with pytest.raises(DesignError, match="which holds one") as told:
        default_schemes(kinds)
    assert told.value.code == "auth.kind"


@pytest.mark.parametrize("name", ["X.Key", "x_key", "X-Key!"])
def test_every_name_that_a_header_can_have_can_be_given(name: str) -> None:
    assert default_schemes(f"header:{name}")[DEFAULT].name == name


@pytest.mark.parametrize("value", [" s3cret-key ", "\u2028s3cret-key", "s3cret-key\xa0"])
@pytest.mark.parametrize("scheme", ["header", "bearer", "token"])
def test_space_around_a_key_is_lost_before_it_is_sent_and_looked_for(scheme: str, value: str) -> None:
    signer = chosen((need(scheme),), parse_credentials({scheme: {"token": value}}))
    assert signer is not None
    assert next(signer.sign(request())).headers[-1][1].split(" ")[-1] == "s3cret-key"
    assert "s3cret-key" in signer.secrets


@pytest.mark.parametrize(
    ("scheme", "value", "says"),
    [
        ("header", "“s3cret”", "outside ASCII"),
        ("bearer", "s3crét", "outside ASCII"),
        ("header", "  ", "is empty"),
        ("bearer", "Bearer", "is empty"),
        ("bearer", "bearer ", "is empty"),
        ("token", "Token  ", "is empty"),
        ("basic", "s3cret", "needs two"),
    ],
)
def test_what_a_header_cannot_carry_is_refused_before_any_call(scheme: str, value: str, says: str) -> None:
    with pytest.raises(DesignError, match=says) as told:
        check_credentials(SCHEMES, parse_credentials({scheme: {"token": value}}))
    assert told.value.code == "credentials.value"
    assert "s3cr" not in told.value.sentence()


def test_a_signature_shows_none_of_its_secrets() -> None:
    signature = build_signature(SCHEMES["bearer"], given("bearer").by_scheme["bearer"])
    assert "bearer-secret" not in repr(signature)
    assert signature.shown.headers == (("Authorization", "Bearer ***"),)


def test_what_an_operation_is_not_signed_with_must_not_come_back_from_it_either() -> None:
    for security in ((), ((),), (need("bearer"),), (need("mtls"),)):
        signer = chosen(security, given("bearer", "query"))
        assert signer is not None
        assert {"user:bearer-secret", "user:query-secret"} <= set(signer.secrets)
    assert unsigned(chosen((), given("bearer", "query")))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/a?api%20key'=mine&b=1&api+key%27=mine", "/a?b=1&api%20key%27=s3cret"),
        ("/a?api%20key'=mine", "/a?api%20key%27=s3cret"),
        ("/a?api%2520key'=other&b=1&", "/a?api%2520key'=other&b=1&api%20key%27=s3cret"),
    ],
)
def test_a_planned_pair_of_the_name_of_the_key_gives_way(before: str, after: str) -> None:
    assert signed("query", {"key": "s3cret"}, request(before)).target == after


@pytest.mark.parametrize("planned", ["session=mine; b=1", "b=1;session=mine", "session = mine; b=1;session"])
def test_a_planned_cookie_of_the_name_of_the_session_gives_way(planned: str) -> None:
    asked = signed("cookie", {"key": "s3cret"}, request(headers=[("Cookie", planned)]))
    assert asked.headers == [("Cookie", "b=1; session=s3cret")]


def test_the_secret_of_an_option_that_has_none_yet_is_what_is_missing() -> None:
    schemes = {**SCHEMES, **default_schemes("bearer,header:X-Id")}
    assert missing((), schemes, parse_credentials({})) == ("DEFAULT", "DEFAULT_2")
    assert missing((), schemes, given("DEFAULT")) == ("DEFAULT_2",)
    assert missing((), schemes, given("DEFAULT", "DEFAULT_2")) == ()
    assert missing((need("header"),), schemes, parse_credentials({})) == ("header",)
    assert missing((need("ghost"),), schemes, given("DEFAULT_2")) == ("DEFAULT",)
    assert missing((), SCHEMES, parse_credentials({})) == ()


def test_a_whole_cookie_header_as_the_key_joins_the_cookies_of_the_call() -> None:
    schemes = {"whole": SecurityScheme(id="whole", kind="apiKey", place="header", name="Cookie")}
    given_one = parse_credentials({"whole": {"key": "sid=s3cret-1; lone-s3cret;"}})
    signer = choose_signer((need("whole"),), schemes, given_one, pinned=PINNED)
    assert signer is not None
    asked = request(headers=[("Cookie", "a=1; sid=mine")])
    assert next(signer.sign(asked)).headers == [("Cookie", "a=1; sid=s3cret-1; lone-s3cret")]
    assert signer.masked(request()).headers == [("Accept", "*/*"), ("Cookie", "sid=***; ***")]
    assert {"s3cret-1", "lone-s3cret"} <= set(signer.secrets)
