"""A form taken apart while it comes, however it is cut into pieces; and everything that is none."""

from __future__ import annotations

import pytest

from apiloom.base.errors import CallerError
from apiloom.wire.forms import MOST_BEFORE, MOST_HEAD, MOST_PARTS, Form, Head

TYPE = "multipart/form-data; boundary=XyZ"
WIRE = (
    b"--XyZ\r\n"
    b'Content-Disposition: form-data; name="a"; filename="one.txt"\r\nContent-Type: text/plain\r\n\r\n'
    b"hello\r\n--XyNOT\r\n--Xy\r\n"
    b"\r\n--XyZ  \r\n"
    b"content-disposition: form-data; name=b; filename*=UTF-8''%C3%BCber.bin\r\n\r\n"
    b"\r\n--XyZ\r\n\r\n"
    b"bare"
    b"\r\n--XyZ--\r\nepilogue"
)
PARTS = [
    (Head("one.txt", "text/plain"), b"hello\r\n--XyNOT\r\n--Xy\r\n"),
    (Head("über.bin", ""), b""),
    (Head("", ""), b"bare"),
]


def parts(form: Form, pieces: list[bytes]) -> list[tuple[Head, bytes]]:
    found: list[tuple[Head, bytes]] = []
    for piece in pieces:
        for event in form.feed(piece):
            if isinstance(event, Head):
                found.append((event, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + event)
    form.check()
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_parts_are_found_however_the_body_is_cut(size: int) -> None:
    pieces = [WIRE[at : at + size] for at in range(0, len(WIRE), size)]
    assert parts(Form(TYPE), pieces) == PARTS


def test_content_is_given_on_before_its_end_is_known() -> None:
    form = Form(TYPE)
    list(form.feed(b"--XyZ\r\n\r\n"))
    (piece,) = form.feed(b"x" * 1000)
    assert isinstance(piece, bytes)
    assert len(piece) > 980


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b'filename="a\\"b.txt"', 'a"b.txt'),
        (b'filename="..\\\\..\\\\evil.exe"', "evil.exe"),
        (b'filename="../../etc/passwd"', "passwd"),
        (b"filename=\"x\"; filename*=UTF-8''%0D%0AX-A:%20b", "_X-A: b"),
        (b'filename="\xc3\xa4.txt"', "ä.txt"),
        (b'filename="\xe4.txt"', "ä.txt"),
        (b'filename=".."', ""),
        (b'filename=""', ""),
        (b"filename*=UTF-8''%2e%2e%2fa%00b", "a_b"),
    ],
)
def test_a_file_name_has_no_folder_and_no_control_character(name: bytes, said: str) -> None:
    wire = b"--XyZ\r\nContent-Disposition: form-data; name=a; " + name + b"\r\n\r\n\r\n--XyZ--"
    assert parts(Form(TYPE), [wire])[0][0].filename == said


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"--XyZ\r\n\r\nhello", "breaks off"),
        (b"", "breaks off"),
        (b"--XyZ--", "nothing in it"),
        (b"x" * (MOST_BEFORE + 10), "does not stand at its start"),
        (b"--XyZevil\r\n\r\n", "behind a boundary"),
        (b"--XyZ" + b" " * (MOST_HEAD + 1), "behind a boundary"),
        (b"--XyZ\r\nA: " + b"b" * MOST_HEAD, "too long"),
        (b"--XyZ\r\n\r\n\r\n" * (MOST_PARTS + 1) + b"--XyZ--", "more than 32 parts"),
    ],
)
def test_what_is_no_form_is_refused(wire: bytes, why: str) -> None:
    with pytest.raises(CallerError, match=why) as caught:
        parts(Form(TYPE), [wire])
    assert caught.value.code == "files.form"


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y"])
def test_a_form_without_a_boundary_is_refused(kind: str) -> None:
    with pytest.raises(CallerError, match="names no boundary"):
        Form(kind)


def test_a_boundary_may_be_quoted() -> None:
    wire = b"--a b:c\r\n\r\nx\r\n--a b:c--"
    assert parts(Form('multipart/form-data; charset=utf-8; boundary="a b:c"'), [wire]) == [(Head("", ""), b"x")]
