"""Whatever a body of the admin API holds, at real rows: no fault of ours, one shape, no secret told back.

Every operation that takes a body is asked with everything that a member may wrongly be, one member at a time, and with
texts that are no JSON. Operations and members are those of the published description, so that a new one is asked too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.compile.artefact import pack
from apiloom.console.api.build import build_api
from apiloom.flows.access import HOST
from apiloom.flows.connect_create import create_session
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.toolsets import create_toolset
from apiloom.identity.principal import Principal
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request, Response
from support.catalogs import OK, catalog_of
from support.gateway import Gateway, gateway
from support.importing import ThreadImports, described
from support.leaks import Canaries, core_of, leaks
from support.source import ROOT

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
CODES = frozenset(re.findall(r"^\| `([a-z_]+\.[a-z_.]+)`", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE))
SHAPE = {"type", "title", "status", "detail", "code", "hint", "pointer", "request_id"}
SECRET, PLAIN = core_of("noise"), core_of("no secret")
HIDDEN = frozenset({"credentials", "secret", "code", "text"})
"""Members of bodies whose values are secrets, or may be: nothing below them comes back."""

BEARER = "owner"


@dataclass(frozen=True)
class Raw:
    """Something that stands in a body letter by letter, whether it is JSON or not."""

    text: str


WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**18,
    10**400,
    "",
    " ",
    SECRET,
    f"{SECRET}\n",
    f"\x7f{SECRET}\u202e",
    f"{SECRET} {'x' * 70_000}",
    "\u0000",
    f"{SECRET}\u0000",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    '{"a": ',
    f'{{"private_key": "{SECRET}"}}',
    "9999-12-31T23:59:59-23:59",
    "http://[",
    f"https://{SECRET}:{SECRET}@127.0.0.1:9/x#y",
    [],
    {},
    [None],
    [SECRET, SECRET],
    [[SECRET]],
    {"": SECRET},
    {"ref": SECRET},
    {"ref": f"env:{SECRET}"},
    {"ref": f"file:/{SECRET}"},
    {"a": {"b": [SECRET, 10**40]}},
    {"token": SECRET, "key": SECRET, "client_id": 7},
    {"x" * 300: SECRET},
    [SECRET] * 300,
    {f"n{number}": SECRET for number in range(300)},
    Raw("NaN"),
    Raw("-Infinity"),
    Raw("1e999"),
    Raw("1e308"),
    Raw("9" * 5000),
    Raw("-0"),
    Raw("01"),
    Raw('"\\ud800"'),
    Raw(f'"{SECRET}\\udc00"'),
    Raw('"\\ud83d\\ude00"'),
    Raw(f'"{SECRET}\\x"'),
    Raw(f'"{SECRET}\n"'),
    Raw(f'"{SECRET}'),
    Raw("[" * 70 + "]" * 70),
    Raw("[" * 5000 + "]" * 5000),
    Raw('{"a":' * 5000 + "1" + "}" * 5000),
    Raw(f'{{"token": "{SECRET}", "token": "x{SECRET}"}}'),
    Raw(f'"{SECRET}" "{SECRET}"'),
)
"""What a member may wrongly be."""

CREDENTIALS: tuple[Mapping[str, Any], ...] = (
    {"token": SECRET},
    {"token": SECRET, "more": SECRET},
    {"username": f"a:{SECRET}", "password": SECRET},
    {"username": "a", "password": f"{SECRET}\n{SECRET}"},
    {"certificate": SECRET, "private_key": SECRET},
    {"certificate": {"ref": SECRET}, "private_key": 7},
    {"access_key_id": SECRET, "secret_access_key": SECRET, "region": SECRET, "service": "s3"},
    {"access_key_id": SECRET, "secret_access_key": SECRET},
    {"access_key_id": "A" * 20, "secret_access_key": SECRET, "session_token": f"{SECRET}\u00e9", "region": "EU"},
    {"headers": {"X-A": "Token {a}"}, "values": {"b": SECRET}},
    {"headers": {SECRET: "{a}"}, "values": {"a": SECRET}},
    {"headers": {"Host": "{a}"}, "values": {"a": f"{SECRET}\n"}},
    {"headers": SECRET, "values": SECRET},
    {"client_id": "a", "client_secret": f"{SECRET}\u00e9"},
    {"client_id": "a", "client_secret": SECRET, "token_url": f"http://{SECRET}.example/"},
    {"client_id": "a", "client_secret": SECRET, "method": SECRET, "scopes": [SECRET, 5]},
    {"client_id": "a", "private_key": SECRET, "algorithm": SECRET},
    {"client_id": "a", "private_key": f'{{"kty": "{SECRET}"}}'},
    {"issuer": "a", "private_key": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"},
    {"service_account": {"private_key": SECRET, "client_email": SECRET}},
    {"service_account": SECRET},
    {"service_account": f'{{"private_key": "{SECRET}"'},
    {"refresh_token": SECRET, "expires_at": SECRET},
    {"refresh_token": SECRET, "expires_at": 10**300, "access_token": SECRET},
    {"refresh_token": SECRET, "expires_at": -1e308, "access_token": SECRET},
    {"access_token": SECRET},
    {"ref": "env:HOME"},
    {"ref": f"bao:{SECRET}#"},
    {"ref": "env:HOME", "client_id": "a", "scopes": " "},
)
"""Credentials that are nearly of some form."""


@dataclass
class Asking:
    """A furnished gateway, how its admin API is asked, and what it logged."""

    runner: asyncio.Runner
    sender: InProcess
    origin: str
    known: Mapping[str, str]
    heard: list[logging.LogRecord] = field(default_factory=list)

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Response:
        """The answer to one request, which was looked at."""
        heads = {"authorization": f"Bearer {BEARER}", "content-type": "application/json"}
        heads |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method=method, origin=self.origin, target=f"/api/v1{path}", headers=list(heads.items()), body=body
        )
        self.heard.clear()
        answer = self.runner.run(self.sender.send(request))
        self.check(answer, f"{method} {path} {headers} {(body or b'')[:300]!r}")
        return answer

    def check(self, answer: Response, asked: str) -> None:
        assert answer.status < 500, (asked, answer.body)
        assert [one.getMessage() for one in self.heard if one.levelno >= logging.ERROR or one.exc_info] == [], asked
        if answer.status < 400:
            return
        heads = dict(answer.headers)
        value = json.loads(answer.body)
        assert heads["content-type"] == "application/problem+json", asked
        assert set(value) == SHAPE, asked
        assert value["status"] == answer.status, asked
        assert value["code"] in CODES, (asked, value)
        assert all(isinstance(value[name], str) for name in SHAPE - {"status"}), asked
        assert value["detail"], asked
        assert value["pointer"] == "" or value["pointer"].startswith("/"), (asked, value)
        assert len(answer.body) < 4_000, (asked, len(answer.body))
        assert "Traceback" not in value["detail"] + value["hint"], asked


class Hearing(logging.Handler):
    """Puts what was logged into a list."""

    def __init__(self, into: list[logging.LogRecord]) -> None:
        super().__init__(level=logging.WARNING)
        self.into = into

    def emit(self, record: logging.LogRecord) -> None:
        self.into.append(record)


def document() -> bytes:
    """An API with a scheme of each kind."""
    flow = {"clientCredentials": {"tokenUrl": "https://t.example/t", "scopes": {}}}
    schemes = {
        "token": {"type": "http", "scheme": "bearer"},
        "login": {"type": "http", "scheme": "basic"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "custom": {"type": "http", "scheme": "custom"},
        "oauth": {"type": "oauth2", "flows": flow},
        "tls": {"type": "mutualTLS"},
    }
    paths = {
        f"/{name}": {"get": {"operationId": f"get_{name}", "security": [{name: []}], "responses": OK}}
        for name in schemes
    }
    return pack(catalog_of(paths, {}, schemes))


async def furnished(house: Gateway) -> dict[str, str]:
    """One row of each kind that is named in a path, and what paths and bodies may rightly say."""
    await house.connector("desk", "http://127.0.0.1:9", document())
    account = await house.account("desk", "a token")
    server = await house.server(name="desk", accounts=[account.id])
    await house.api_token(tenant="default")
    ground = house.ground
    endpoints = {"token_url": "https://t.example/t"}
    wanted = {"connector": "desk", "scheme": "oauth", "client_id": "a", "secret": "s", "endpoints": endpoints}
    client = await create_oauth_client(ground, HOST, wanted)
    await create_toolset(ground, HOST, {"connector": "desk", "name": "all", "select": {"tools": ["*"]}})
    await create_session(ground, HOST, {"connector": "desk"})
    async with ground.store.reading() as work:
        tokens = await work.house().api_tokens.every()
    return {
        "tenant": "default",
        "connector": "desk",
        "account": account.id,
        "client": client.id,
        "server": server.server.id,
        "toolset": quote("desk/all", safe=""),
        "overlay": "ovl_none",
        "token": tokens[0].id,
        "number": "1",
    }


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """One house for all: whatever was done to its rows by one request, the next is answered as well."""
    with asyncio.Runner() as runner:
        around = gateway(tmp_path_factory.mktemp("noise"))
        house = runner.run(around.__aenter__())
        try:
            known = runner.run(furnished(house))
            ground = replace(house.ground, imports=ThreadImports())
            owner = Principal(id="key_owner", role="owner", token="key_owner", allow_commands=True)
            api = build_api(ground, {BEARER: owner}.get)
            made = Asking(runner, InProcess(api), house.url, known)
            handler = Hearing(made.heard)
            logging.getLogger().addHandler(handler)
            try:
                yield made
            finally:
                logging.getLogger().removeHandler(handler)
        finally:
            runner.run(around.__aexit__(None, None, None))


# -- bodies ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    id: str
    members: tuple[str, ...]
    needed: Mapping[str, Any]
    media: str

    def at(self, known: Mapping[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: known[match[1]], self.path)


GOOD: Mapping[str, Any] = {
    "connector": "desk",
    "source": {"text": described("a")},
    "client_id": "a",
    "name": "x",
    "role": "agent",
    "select": {"tools": ["*"]},
    "layer": "connector",
    "patch": {"tools": {}},
    "code": "x.y",
    "on": True,
    "text": "nothing",
}
"""What members that are needed may rightly be."""


def operations() -> list[Operation]:
    found = []
    for path, item in DOCUMENT["paths"].items():
        for method, told in item.items():
            if method not in ("post", "patch", "put"):
                continue
            content = told.get("requestBody", {}).get("content", {})
            media, schema = next(((media, one["schema"]) for media, one in content.items()), ("application/json", {}))
            schema = DOCUMENT["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
            needed = {name: GOOD[name] for name in schema.get("required", ())}
            if told["operationId"] == "create_connector":
                needed["slug"] = "noise"
            members = tuple(schema.get("properties", {}))
            found.append(Operation(method.upper(), path, told["operationId"], members, needed, media))
    return found


OPERATIONS = operations()
MEMBERS = [(operation, member) for operation in OPERATIONS for member in (*operation.members, "odd")]


def written(value: Any) -> bytes:
    """A body as text: what is raw stands in it as it is."""
    raw: list[str] = []

    def marked(one: Any) -> Any:
        if isinstance(one, Raw):
            raw.append(one.text)
            return f"@{len(raw) - 1}@"
        if isinstance(one, dict):
            return {name: marked(inner) for name, inner in one.items()}
        return [marked(inner) for inner in one] if isinstance(one, list) else one

    text = json.dumps(marked(value))
    return re.sub(r'"@(\d+)@"', lambda match: raw[int(match[1])], text).encode()


def wrongs() -> Iterator[tuple[Operation, str, Any]]:
    """Every member of every operation as everything it may wrongly be."""
    for operation, member in MEMBERS:
        for wrong in WRONG:
            yield operation, member, wrong
        if member in ("credentials", "secret"):
            for wrong in (*WRONG, *CREDENTIALS):
                yield operation, member, {"token": wrong}
                yield operation, member, {"oauth": wrong, "key": {"key": wrong}}
                yield operation, member, wrong


def put(asking: Asking, picked: Sequence[tuple[Operation, str, Any]]) -> tuple[int, int]:
    """Send each, and look for what may not come back; how many were refused and how many done."""
    canaries = Canaries({"a secret": SECRET.encode()})
    told: dict[str, bytes | str] = {}
    refused = done = 0
    for operation, member, wrong in picked:
        body = written({**operation.needed, member: wrong})
        if member not in HIDDEN:
            body = body.replace(SECRET.encode(), PLAIN.encode())
        answer = asking.send(operation.method, operation.at(asking.known), body, content_type=operation.media)
        refused, done = refused + (answer.status >= 400), done + (answer.status < 400)
        if member in HIDDEN:
            told[f"{operation.id} {member} {str(wrong)[:60]}"] = answer.body + repr(answer.headers).encode()
    assert "\n".join(map(str, leaks(canaries, told))) == ""
    return refused, done


def test_every_operation_has_members_that_are_asked(asking: Asking) -> None:
    """The rows are there: what is right is done, so that what is wrong is more than a row that is not found."""
    statuses = {}
    for operation in OPERATIONS:
        answer = asking.send(operation.method, operation.at(asking.known), written(operation.needed))
        statuses[operation.id] = answer.status
    assert {name for name, status in statuses.items() if status == 404} <= {"update_overlay", "redeem_connect_code"}
    assert sum(status < 300 for status in statuses.values()) > 18, statuses


def test_wrong_members_are_refused_in_one_shape_and_no_secret_is_told_back(asking: Asking) -> None:
    every = list(wrongs())
    random.Random(7).shuffle(every)
    refused, _ = put(asking, list(islice(every, 400)))
    assert refused > 200


@pytest.mark.system
def test_every_wrong_member_of_every_operation_is_refused_in_one_shape(asking: Asking) -> None:
    refused, _ = put(asking, list(wrongs()))
    assert refused > 5_000


# -- texts that are no JSON --------------------------------------------------------------------------------------------

SOUND = written({"connector": "desk", "credentials": {"token": {"token": SECRET}}, "metadata": {"a": [1, {"b": None}]}})
TYPES = (
    "application/json",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "application/merge-patch+json",
    "text/plain",
    "",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "\xff",
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A sound body that was cut, spoilt or put into another writing; or just bytes."""
    kind = draw(st.sampled_from(("cut", "spoilt", "doubled", "encoded", "bytes", "number")))
    at = draw(st.integers(0, len(SOUND)))
    if kind == "cut":
        return SOUND[:at]
    if kind == "spoilt":
        return SOUND[:at] + draw(st.binary(min_size=1, max_size=3)) + SOUND[at + draw(st.integers(0, 2)) :]
    if kind == "doubled":
        return SOUND[:at] + SOUND[at // 2 :]
    if kind == "encoded":
        return SOUND.decode().encode(draw(st.sampled_from(("utf-8-sig", "utf-16", "utf-32", "utf-7", "cp037"))))
    if kind == "number":
        return SOUND.replace(b"1", draw(st.sampled_from((b"1e400", b"-", b"1.", b"0x1", b"1_0", b"9" * 4299))))
    return draw(st.binary(max_size=40))


@given(
    body=texts(),
    operation=st.sampled_from([one for one in OPERATIONS if one.members]),
    media=st.sampled_from(TYPES),
    key=st.sampled_from(("", "", "a key", "k" * 256, "\xff")),
)
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_no_json_is_refused_without_a_word_of_it(
    asking: Asking, body: bytes, operation: Operation, media: str, key: str
) -> None:
    more = {"idempotency_key": key} if key else {}
    answer = asking.send(operation.method, operation.at(asking.known), body, content_type=media, **more)
    told = {"answer": answer.body + repr(answer.headers).encode()}
    assert leaks(Canaries({"a secret": SECRET.encode()}), told) == []
