"""Files around a call: handles become what they stand for, large answers become links, and neither is ever held."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apiloom.backends.http.backend import HttpBackend
from apiloom.backends.http.echo import Eraser
from apiloom.backends.http.files import FileArguments, Overflowing, linked, told
from apiloom.base.errors import CallerError
from apiloom.base.pieces import Pieces, Stored
from apiloom.calls.call import Call, Link, Outcome
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.servers import BaseUrl
from apiloom.catalog.tool import BoundBody, BoundField, FieldKind, HttpBinding
from apiloom.catalog.values import FileContent
from apiloom.identity.principal import ANYONE, Principal
from apiloom.net.disposition import file_name
from apiloom.net.request import IN_MEMORY, Request, Response
from apiloom.store.kept import Bounds, KeptFiles

LARGE = bytes(range(256)) * 1200
FORM = "multipart/form-data"


def field(name: str, kind: FieldKind = "binary") -> BoundField:
    return BoundField(argument=name, name=name, kind=kind)


def uploaded(keeper: KeptFiles, content: bytes = LARGE, name: str = "a.bin", kind: str = "x/y") -> str:
    draft = keeper.begin(ANYONE, "uploads")
    assert draft is not None
    assert draft.write(content)
    return draft.keep(mime_type=kind, name=name).uri


def opened(body: BoundBody, arguments: Mapping[str, Any], keeper: KeptFiles) -> Mapping[str, Any]:
    return FileArguments(body).opened(arguments, keeper, ANYONE)


def content(file: Any) -> bytes:
    assert isinstance(file, FileContent)
    return file.content if isinstance(file.content, bytes) else file.content.read(0, file.content.size)


# in


@pytest.mark.parametrize("size", [3, len(LARGE)])
@pytest.mark.parametrize("form", ["{}", '{{"uri": "{}"}}', "object"])
def test_a_handle_in_any_form_becomes_the_file_with_its_name_and_type(size: int, form: str) -> None:
    keeper = KeptFiles()
    uri = uploaded(keeper, LARGE[:size])
    value: Any = {"uri": uri} if form == "object" else form.format(uri)
    file = opened(BoundBody(media_type="*/*", required=True, whole="body", binary=True), {"body": value}, keeper)[
        "body"
    ]
    assert (content(file), file.filename, file.type) == (LARGE[:size], "a.bin", "x/y")
    assert isinstance(file.content, Stored) == (size > 3)


def test_what_the_caller_says_of_a_file_goes_before_what_is_known_of_it() -> None:
    keeper = KeptFiles()
    value = {"uri": uploaded(keeper), "filename": "b.png", "type": "image/png"}
    file = opened(BoundBody(media_type=FORM, required=True, fields=(field("f"),)), {"f": value}, keeper)["f"]
    assert (file.filename, file.type) == ("b.png", "image/png")


def test_a_type_that_says_nothing_is_not_said() -> None:
    keeper = KeptFiles()
    uri = uploaded(keeper, kind="application/octet-stream")
    file = opened(BoundBody(media_type=FORM, required=True, fields=(field("f"),)), {"f": uri}, keeper)["f"]
    assert file.type == ""


def test_lists_mix_handles_and_content_and_each_keeps_its_own_name() -> None:
    keeper = KeptFiles()
    body = BoundBody(media_type=FORM, required=True, fields=(field("fs", "binaries"), field("note", "value")))
    arguments = {"fs": [uploaded(keeper, b"1", "1.txt"), "aGk=", {"uri": uploaded(keeper, b"2", "2.txt")}], "note": "n"}
    files = opened(body, arguments, keeper)
    assert [files["fs"][0].filename, files["fs"][1], files["fs"][2].filename] == ["1.txt", "aGk=", "2.txt"]
    assert files["note"] == "n"
    assert isinstance(arguments["fs"][0], str)


def test_members_of_a_whole_form_are_files_where_they_are_declared_or_say_so() -> None:
    keeper = KeptFiles()
    uri = uploaded(keeper)
    body = BoundBody(media_type=FORM, required=True, whole="body", fields=(field("known"),))
    given = {"known": uri, "text": uri, "said": {"uri": uri}, "all": [{"uri": uri}], "link": {"uri": "http://x/y"}}
    files = opened(body, {"body": given}, keeper)["body"]
    assert {name for name, value in files.items() if isinstance(value, FileContent)} == {"known", "said"}
    assert isinstance(files["all"][0], FileContent)
    assert (files["text"], files["link"]) == (uri, {"uri": "http://x/y"})


def test_parts_by_place_and_members_beside_fields_and_other_bodies_take_handles() -> None:
    keeper = KeptFiles()
    uri = uploaded(keeper)
    other = BoundBody(media_type="image/png", required=False, whole="body_file", binary=True)
    body = BoundBody(media_type=FORM, required=True, fields=(field("f"),), rest="more", others=(other,))
    files = opened(body, {"more": {"g": {"uri": uri}}, "body_file": uri}, keeper)
    assert isinstance(files["more"]["g"], FileContent)
    assert isinstance(files["body_file"], FileContent)
    listed = BoundBody(media_type="multipart/mixed", required=True, whole="body", positions=(field(""),))
    assert isinstance(opened(listed, {"body": [uri, "aGk="]}, keeper)["body"][0], FileContent)


def test_bodies_that_are_no_files_are_left_alone() -> None:
    for body in (None, BoundBody(media_type="application/json", required=True, fields=(field("uri", "value"),))):
        assert not FileArguments(body)


def test_a_handle_of_somebody_else_or_of_nothing_says_what_to_do() -> None:
    now = 0.0
    keeper = KeptFiles(Bounds(seconds=10), lambda: now)
    uri = uploaded(keeper)
    body = BoundBody(media_type="*/*", required=True, whole="body", binary=True)
    sentences = set()
    for principal, asked in ((Principal(id="bob"), uri), (ANYONE, "apiloom://uploads/never"), (ANYONE, uri)):
        now = 10.0 if principal is ANYONE else 0.0
        with pytest.raises(CallerError) as caught:
            FileArguments(body).opened({"body": asked}, keeper, principal)
        sentences.add(caught.value.sentence())
    (sentence,) = sentences
    assert sentence.startswith(
        "argument 'body' names a file that is not here (it has expired, or never was): upload it"
    )


async def test_a_call_with_a_handle_sends_the_file_and_one_that_has_expired_sends_nothing() -> None:
    keeper = KeptFiles()
    sent: list[Request] = []

    class Sender:
        async def send(self, request: Request) -> Response:
            sent.append(request)
            return Response(status=200, headers=(("content-type", "application/json"),), body=b"{}")

        async def close(self) -> None: ...

    body = BoundBody(media_type=FORM, required=True, fields=(field("f"), field("note", "value")))
    binding = HttpBinding(method="POST", path="/up", body=body)
    planner = compile_planner(binding, BaseUrl(origin="https://api.example", path_prefix=""))
    backend = HttpBackend(planner=planner, sender=Sender(), keeper=keeper, files=FileArguments(body))
    call = Call(tool="up", arguments={"f": uploaded(keeper, name='x".bin'), "note": "hi"})
    assert not (await backend.answer(call)).failed
    assert isinstance(sent[0].body, Pieces)
    wire = b"".join(sent[0].body.chunks())
    assert len(wire) == len(sent[0].body)
    boundary = dict(sent[0].headers)["Content-Type"].partition("boundary=")[2].encode()
    assert wire == (
        b'--%b\r\nContent-Disposition: form-data; name="f"; filename="x%%22.bin"\r\nContent-Type: x/y\r\n\r\n%b\r\n'
        b'--%b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n--%b--\r\n'
    ) % (boundary, LARGE, boundary, boundary)
    shown = backend.preview(call)["body"]["parts"]
    assert shown[1] == {"bytes": len(LARGE)}
    assert shown[2]["text"].endswith("--\r\n")
    keeper.close()
    outcome = await backend.answer(call)
    assert outcome.failed
    assert len(sent) == 1


def test_the_same_file_gives_the_same_bytes_whichever_way_it_came() -> None:
    keeper = KeptFiles()
    planner = compile_planner(
        HttpBinding(method="POST", path="/", body=BoundBody(media_type=FORM, required=True, fields=(field("f"),))),
        BaseUrl(origin="https://api.example", path_prefix=""),
    )
    at_hand = FileContent(content=LARGE, filename="a", type="x/y")
    seal = hashlib.sha256(LARGE).digest()
    elsewhere = FileContent(content=Stored(size=len(LARGE), seal=seal, read=lambda s, n: LARGE[s : s + n]))
    elsewhere = FileContent(content=elsewhere.content, filename="a", type="x/y")
    first, second = planner({"f": at_hand}), planner({"f": elsewhere})
    assert isinstance(second.body, Pieces)
    assert first.headers == second.headers
    assert first.body == b"".join(second.body.chunks())
    kept = keeper.open(ANYONE, uploaded(keeper))
    assert kept is not None
    assert kept.seal == seal


def test_a_body_is_told_without_being_read() -> None:
    def never(*_: int) -> bytes:
        raise AssertionError

    body = Pieces((b"a", Stored(size=7, seal=b"", read=never), b"\xff"))
    assert told(body) == {"parts": [{"text": "a"}, {"bytes": 7}, {"base64": "/w=="}]}
    assert (told(None), told(b"a")) == (None, {"text": "a"})


# out


def overflowed(
    pieces: Sequence[bytes], kind: str, keeper: KeptFiles, secrets: tuple[str, ...] = (), **headers: str
) -> Outcome:
    eraser = Eraser(secrets) if secrets else None
    sink = Overflowing(keeper, ANYONE, eraser, json_expected=False)(200, [("content-type", kind)], pieces[0][:8192])
    assert sink is not None
    for piece in pieces:
        assert sink.write(piece)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return linked("GET", sink, {"content-type": kind, **given}, structured_always=True)


def read(keeper: KeptFiles, outcome: Outcome) -> bytes:
    (link,) = outcome.content
    assert isinstance(link, Link)
    kept = keeper.open(ANYONE, link.uri)
    assert kept is not None
    assert kept.size == link.size
    return kept.read(0, kept.size)


def test_a_large_answer_of_bytes_is_a_link_with_its_name_and_type() -> None:
    keeper = KeptFiles()
    outcome = overflowed([LARGE, LARGE], "application/PDF; a=b", keeper, content_disposition='x; filename="../r.pdf"')
    (link,) = outcome.content
    assert isinstance(link, Link)
    assert (link.name, link.mime_type, link.size) == ("r.pdf", "application/pdf", 2 * len(LARGE))
    assert link.uri.startswith("apiloom://results/")
    assert outcome.structured == b"{}"
    assert read(keeper, outcome) == LARGE * 2


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="\u00c3\u00bc.pdf"', "ü.pdf"),
        ('attachment; filename="\u00fc.pdf"', "ü.pdf"),
        ('attachment; filename="日.pdf"', "日.pdf"),
        ("attachment; filename*=iso-8859-1'en'%FC.pdf; filename=x", "ü.pdf"),
    ],
)
def test_a_name_is_read_whatever_its_letters_were_sent_as(disposition: str, name: str) -> None:
    assert file_name(disposition) == name


def test_one_without_a_name_is_called_after_its_type() -> None:
    (link,) = overflowed([LARGE], "image/png", KeptFiles()).content
    assert isinstance(link, Link)
    assert link.name == "answer.png"


@pytest.mark.parametrize(
    ("status", "kind", "start", "kept"),
    [
        (200, "application/pdf", b"%PDF", True),
        (200, "", b"\0\1\2", True),
        (206, "video/mp4", b"text!", True),
        (200, "application/json", b"{", False),
        (200, "application/problem+json", b"\0", False),
        (200, "text/csv", b"\0", False),
        (200, "", b"plain text", False),
        (200, "multipart/mixed", b"\0", False),
        (404, "application/pdf", b"%PDF", False),
        (302, "application/pdf", b"%PDF", False),
        (200, "application/octet-stream", b' {"a"', False),
        (200, "application/octet-stream", b"\0", True),
    ],
)
def test_text_and_failures_stay_where_they_are_read(status: int, kind: str, start: bytes, kept: bool) -> None:
    chosen = Overflowing(KeptFiles(), ANYONE, None, json_expected=True)
    assert (chosen(status, [("content-type", kind)], start) is not None) == kept


@pytest.mark.parametrize("size", [1, 100, 4096, 70_000])
def test_credentials_are_erased_from_it_wherever_the_pieces_are_cut(size: int) -> None:
    secret = "s3cret/to+ken"
    spelled = (secret.encode(), b"s3cret%2Fto%2Bken", b"s3cret\\/to+ken")
    whole = b"\0".join(bytes([128 + n % 99]) * 333 + spelled[n % 3] for n in range(200)) * (1 if size == 1 else 3)
    keeper = KeptFiles()
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    found = read(keeper, overflowed(pieces, "application/pdf", keeper, (secret,)))
    assert found == Eraser((secret,)).cleaned(whole)
    assert b"cret" not in found
    assert found.count(b"***") == 200 * (1 if size == 1 else 3)


def test_one_in_a_coding_that_nobody_asked_for_is_an_error_and_not_kept() -> None:
    keeper = KeptFiles()
    outcome = overflowed([LARGE], "application/pdf", keeper, content_encoding="br")
    assert outcome.meta["dev.apiloom/error"]["code"] == "upstream.coding"
    assert keeper.listing(ANYONE) == []


def test_where_the_end_of_it_has_no_room_the_answer_says_so() -> None:
    keeper = KeptFiles(Bounds(disk=IN_MEMORY, share=1))
    eraser = Eraser(("secret",))
    sink = Overflowing(keeper, ANYONE, eraser, json_expected=False)(200, [("content-type", "a/b")], b"\0")
    assert sink is not None
    assert sink.write(b"\0" * (IN_MEMORY + 1000))
    outcome = linked("GET", sink, {}, structured_always=False)
    assert outcome.failed
    assert outcome.meta["dev.apiloom/error"]["code"] == "net.no_room"
