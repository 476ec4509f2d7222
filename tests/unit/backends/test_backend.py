"""One tool over HTTP, from call to outcome: through a sender that records, and over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from apiloom.backends.http.backend import HttpBackend
from apiloom.base.errors import CallerError, DesignError, HouseFault, UpstreamError
from apiloom.calls.call import Call, Outcome, Text
from apiloom.catalog.plan import HttpPlan
from apiloom.model.api import SecurityScheme
from apiloom.net.client import connect
from apiloom.net.request import Request, Response
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import Signer, choose_signer
from support.sockets import WITHIN, answer, peer, says, silence

HOME = "https://api.example"
SECRET = "s3cret/to+ken"


@dataclass
class Recorder:
    """A sender that answers from a list and remembers what it was asked."""

    answers: list[Response | Exception]
    asked: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        said = self.answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def close(self) -> None:
        """Nothing is open."""


def planned(arguments: Mapping[str, Any], **more: Any) -> HttpPlan:
    settings: dict[str, Any] = {"method": "GET", "origin": HOME, "target": "/pets/7?q=hidden", **more}
    return HttpPlan(headers=[("Accept", "application/json")], **settings)


def said(status: int = 200, body: bytes = b"{}", *headers: tuple[str, str], json_: bool = True) -> Response:
    kind = [("content-type", "application/json")] if json_ else []
    return Response(status=status, headers=(*kind, *headers), body=body)


def signer(kind: str = "header", secret: str = SECRET, origin: str = HOME) -> Signer:
    place: Any = kind
    schemes = {"key": SecurityScheme(id="key", kind="apiKey", place=place, name="X-Key")}
    made = choose_signer(
        ((("key", ()),),), schemes, parse_credentials({"key": {"key": secret}}), pinned=frozenset([origin])
    )
    assert made is not None
    return made


def asking(*answers: Response | Exception, **more: Any) -> tuple[HttpBackend, Recorder]:
    sender = Recorder(list(answers))
    return HttpBackend(planner=more.pop("planner", planned), sender=sender, clock=lambda: 0.0, **more), sender


async def outcome(*answers: Response | Exception, **more: Any) -> Outcome:
    backend, _ = asking(*answers, **more)
    return await backend.answer(Call(tool="get_pet", arguments={}))


def text(result: Outcome) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, Text))


async def test_a_call_becomes_a_request_and_its_answer_an_outcome() -> None:
    def planner(arguments: Mapping[str, Any]) -> HttpPlan:
        return HttpPlan(
            method="POST", origin=HOME, target=f"/pets/{arguments['id']}", headers=[("A", "b")], body=b"body"
        )

    backend, sender = asking(said(201, b'{"id":7}'), planner=planner)
    result = await backend.answer(Call(tool="t", arguments={"id": 7}))
    (asked,) = sender.asked
    assert (asked.method, asked.origin, asked.target, asked.headers, asked.body) == (
        "POST",
        HOME,
        "/pets/7",
        [("A", "b")],
        b"body",
    )
    assert result == Outcome(content=(Text('{"id":7}'),), structured=b'{"id":7}')


@pytest.mark.parametrize(("call", "backend", "expected"), [(5.0, 60.0, 5.0), (90.0, 60.0, 60.0)])
async def test_the_shorter_deadline_counts(call: float, backend: float, expected: float) -> None:
    it, sender = asking(said(), timeout=backend, max_bytes=77)
    await it.answer(Call(tool="t", arguments={}, timeout=call))
    assert sender.asked[0].timeout == expected
    assert sender.asked[0].max_bytes == 77


async def test_a_request_is_signed_on_its_way_out() -> None:
    it, sender = asking(said(), signer=signer())
    await it.answer(Call(tool="t", arguments={}))
    assert sender.asked[0].headers == [("Accept", "application/json"), ("X-Key", SECRET)]


async def test_a_signer_may_answer_a_challenge() -> None:
    class Challenged:
        schemes = ("digest",)
        secrets: tuple[str, ...] = ()

        def sign(self, request: Request) -> Any:
            response = yield request
            if response.status == 401:
                request.headers = [("Authorization", response.header("www-authenticate"))]
                yield request

        def masked(self, request: Request) -> Request:
            return request

    it, sender = asking(said(401, b"", ("www-authenticate", "nonce")), said(200, b'{"ok":true}'), signer=Challenged())
    result = await it.answer(Call(tool="t", arguments={}))
    assert result.structured == b'{"ok":true}'
    assert sender.asked[1].headers == [("Authorization", "nonce")]


async def test_credentials_never_leave_for_another_origin() -> None:
    it, sender = asking(said(), signer=signer(origin="https://other.example"))
    with pytest.raises(HouseFault):
        await it.answer(Call(tool="t", arguments={}))
    assert sender.asked == []


@pytest.mark.parametrize("kind", ["header", "query", "cookie"])
def test_a_preview_shows_the_request_without_its_secrets_and_sends_nothing(kind: str) -> None:
    it, sender = asking(signer=signer(kind))
    shown = it.preview(Call(tool="t", arguments={}))
    assert sender.asked == []
    assert shown["method"] == "GET"
    assert SECRET not in json.dumps(shown)
    assert json.dumps(shown).count("***") == 1
    assert shown["url"].startswith(f"{HOME}/pets/7?q=hidden")
    assert shown["body"] is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {"text": ""}),
        ("é".encode(), {"text": "é"}),
        (b"\xff\x00", {"base64": base64.b64encode(b"\xff\x00").decode()}),
    ],
)
def test_a_preview_shows_text_as_text_and_bytes_as_base64(body: bytes, expected: dict[str, str]) -> None:
    it, _ = asking(planner=lambda arguments: planned(arguments, body=body))
    assert it.preview(Call(tool="t", arguments={}))["body"] == expected


def test_a_preview_refuses_what_could_not_be_sent() -> None:
    it, _ = asking(planner=lambda arguments: planned(arguments, target="/a/../b"))
    with pytest.raises(DesignError) as caught:
        it.preview(Call(tool="t", arguments={}))
    assert caught.value.code == "net.target"


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "upstream.refused", False),
        (404, "upstream.refused", False),
        (408, "upstream.refused", True),
        (409, "upstream.refused", False),
        (429, "upstream.limited", True),
        (500, "upstream.failed", True),
        (501, "upstream.failed", False),
        (503, "upstream.failed", True),
        (599, "upstream.failed", False),
    ],
)
async def test_a_refusal_is_a_failed_outcome_with_its_status(status: int, code: str, retryable: bool) -> None:
    result = await outcome(said(status, b'{"message":"no"}'), structured_always=True)
    assert result.failed
    assert result.structured is None
    assert result.meta["dev.apiloom/error"] == {"code": code, "status": status, "retryable": retryable}
    assert text(result).startswith(f"GET /pets/7 answered {status}")
    assert "hidden" not in text(result)


async def test_what_may_have_happened_is_not_called_retryable() -> None:
    def posted(arguments: Mapping[str, Any]) -> HttpPlan:
        return planned(arguments, method="POST")

    for status, expected in ((500, False), (502, False), (429, True), (503, True)):
        result = await outcome(said(status), planner=posted)
        assert result.meta["dev.apiloom/error"]["retryable"] is expected
    for code, retryable in (("net.timeout", False), ("net.broken", False), ("net.refused", True), ("net.dns", True)):
        result = await outcome(UpstreamError("it failed", code=code, hint="look"), planner=posted)
        assert result.meta["dev.apiloom/error"]["retryable"] is retryable
        assert ("may have been carried out" in text(result)) is not retryable


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"no such pet"}', "no such pet"),
        (b'{"error":"invalid_grant","error_description":"no such pet"}', "no such pet"),
        (b'{"error":{"code":7,"message":"no such pet"}}', "no such pet"),
        (b'{"errors":[{"detail":"no such pet"}]}', "no such pet"),
        (b'{"type":"about:blank","title":"Oops","detail":"no such pet"}', "no such pet"),
        (b'["no such pet"]', "no such pet"),
        (b'{"error":"no such pet"}', "no such pet"),
        (b"no such pet", "no such pet"),
    ],
)
async def test_the_message_of_an_error_is_told(body: bytes, message: str) -> None:
    padded = body.replace(b"{", b'{"filler":"' + b"x" * 9000 + b'",', 1) if body.startswith(b"{") else body
    for one in (body, padded):
        lines = text(await outcome(said(404, one))).split("\n")
        assert any(message in line for line in lines[1:3])


async def test_an_excerpt_is_bounded() -> None:
    result = await outcome(said(500, b"x" * 3_000_000, json_=False))
    assert 4000 <= len(text(result)) < 4300
    deep = await outcome(said(400, b'{"error":' * 3000 + b"1" + b"}" * 3000))
    assert len(text(deep)) < 4300


async def test_a_page_is_told_without_its_tags_and_bytes_by_their_number() -> None:
    page = b"<html><style>p{color:red}</style><script>x()</script><h1>502 Bad\n Gateway</h1></html>"
    told = text(await outcome(said(502, page, ("content-type", "text/html"), json_=False)))
    assert "502 Bad Gateway\n" in told
    assert "color" not in told
    assert "<" not in told
    binary = text(await outcome(said(500, b"\x00" * 1234, ("content-type", "application/pdf"), json_=False)))
    assert "(a body of 1,234 bytes, application/pdf)" in binary


@pytest.mark.parametrize(
    ("status", "more", "hint"),
    [
        (400, {}, "check the arguments"),
        (422, {}, "check the arguments"),
        (404, {}, "check the identifiers"),
        (409, {}, "conflicts with the present state"),
        (412, {}, "precondition"),
        (415, {}, "media type"),
        (429, {}, "wait before the next call"),
        (500, {}, "try again later"),
        (503, {}, "try again later"),
        (401, {"lacking": ("APILOOM_AUTH_KEY", "APILOOM_AUTH_APP")}, "set APILOOM_AUTH_KEY and APILOOM_AUTH_APP"),
        (403, {"lacking": ("APILOOM_AUTH_KEY",)}, "set APILOOM_AUTH_KEY where"),
        (401, {"signer": signer()}, "the credential for key was not accepted"),
        (403, {"signer": signer()}, "the credential for key does not allow this"),
        (401, {}, "start apiloom with --auth"),
    ],
)
async def test_a_hint_says_what_to_do(status: int, more: dict[str, Any], hint: str) -> None:
    told = text(await outcome(said(status, b""), **more)).split("\n")[-1]
    assert told.startswith("hint: ")
    assert hint in told


async def test_limits_are_told_with_a_429_and_ride_along_with_any_answer() -> None:
    headers = [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("retry-after", "35")]
    expected = {"limit": 60, "remaining": 0, "reset": None, "retry_after": 35}
    refused = await outcome(said(429, b"", *headers))
    assert refused.meta["dev.apiloom/ratelimit"] == expected
    assert "limits: limit 60, 0 remaining, retry after 35 s" in text(refused)
    fine = await outcome(said(200, b"{}", *headers))
    assert fine.meta == {"dev.apiloom/ratelimit": expected}
    assert (await outcome(said(200))).meta == {}


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("api.example refused the connection", code="net.refused", hint="check"),
        UpstreamError("the answer of api.example is larger than 5 bytes", code="net.too_large", hint="ask for less"),
        DesignError("the request was not sent", code="net.target"),
        CallerError("the header X holds a line break", code="net.header"),
    ],
)
async def test_what_keeps_a_request_from_an_answer_is_a_failed_outcome(error: Any) -> None:
    result = await outcome(error)
    assert result.failed
    assert error.message in text(result)
    assert result.meta["dev.apiloom/error"]["code"] == error.code
    assert result.meta["dev.apiloom/error"]["retryable"] is (error.code == "net.refused")


async def test_arguments_that_cannot_be_planned_are_a_failed_outcome() -> None:
    def planner(arguments: Mapping[str, Any]) -> HttpPlan:
        raise CallerError("pet_id cannot be empty", code="call.argument")

    it, sender = asking(planner=planner)
    result = await it.answer(Call(tool="t", arguments={}))
    assert (result.failed, text(result)) == (True, "pet_id cannot be empty")
    assert sender.asked == []


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("kind", ["header", "query"])
async def test_a_credential_that_comes_back_is_removed_in_every_spelling(status: int, kind: str) -> None:
    spellings = [SECRET, "s3cret%2Fto%2Bken", "s3cret\\/to+ken"]
    body = json.dumps({"plain": spellings[0]})[:-1] + f', "escaped": "{spellings[2]}", "url": "?k={spellings[1]}"}}'
    result = await outcome(said(status, body.encode(), ("location", f"/x?k={spellings[1]}")), signer=signer(kind))
    everything = text(result) + (result.structured or b"").decode()
    assert not any(spelling in everything for spelling in spellings)
    assert everything.count("***") >= 3
    if status == 200:
        assert json.loads(result.structured or b"") == {"plain": "***", "escaped": "***", "url": "?k=***"}


async def test_a_credential_in_headers_that_are_shown_is_removed() -> None:
    told = await outcome(
        said(200, b"", ("x-echo", f"key {SECRET}")), signer=signer(), planner=lambda a: planned(a, method="HEAD")
    )
    assert "x-echo: key ***" in text(told)


async def test_progress_is_told_in_rising_numbers_only_to_those_who_asked() -> None:
    heard: list[tuple[float, float | None, str]] = []
    async with peer(says(answer(b'"' + b"x" * 900_000 + b'"', "Content-Type: application/json"))) as it:
        sender = connect()
        backend = HttpBackend(planner=lambda a: planned(a, origin=it.origin), sender=sender)
        call = Call(tool="t", arguments={}, progress=lambda *told: heard.append(told))
        result = await asyncio.wait_for(backend.answer(call), WITHIN)
        await sender.close()
    assert not result.failed
    numbers = [done for done, _, _ in heard]
    assert numbers == sorted(set(numbers))
    assert [message for _, _, message in heard][:2] == ["sent", "headers received"]
    assert heard[-1] == (3.0, 3.0, "done")
    assert len(heard) <= 24


async def test_a_failed_exchange_tells_no_more_progress_than_happened() -> None:
    heard: list[float] = []
    it, _ = asking(UpstreamError("gone", code="net.broken"))
    await it.answer(Call(tool="t", arguments={}, progress=lambda done, *_: heard.append(done)))
    assert heard == [1.0]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (says(b"", then="close"), "net.broken"),
        (says(b"garbage\r\n\r\n", then="close"), "net.broken"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", then="half-close"), "net.broken"),
        (silence(), "net.timeout"),
    ],
)
async def test_a_misbehaving_upstream_gives_an_outcome_and_the_next_call_works(script: Any, code: str) -> None:
    async with peer(script) as bad, peer(says(answer(b'{"ok":1}', "Content-Type: application/json"))) as good:
        sender = connect()

        def planner(origin: str) -> Callable[[Mapping[str, Any]], HttpPlan]:
            return lambda arguments: planned(arguments, origin=origin)

        call = Call(tool="t", arguments={}, timeout=0.3)
        failed = await asyncio.wait_for(HttpBackend(planner=planner(bad.origin), sender=sender).answer(call), WITHIN)
        assert failed.failed
        assert failed.meta["dev.apiloom/error"]["code"] == code
        assert "hidden" not in text(failed)
        fine = await asyncio.wait_for(
            HttpBackend(planner=planner(good.origin), sender=sender).answer(Call(tool="t", arguments={})), WITHIN
        )
        assert fine.structured == b'{"ok":1}'
        await sender.close()
