"""The short code of a device: how it is read as people type it."""

from __future__ import annotations

import re

import pytest

from apiloom.flows.device_sign_ins import LENGTH, LETTERS, _fresh_code, read_user_code, shown_code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("bcdf-ghjk", "BCDFGHJK"),
        (" BCDF GHJK ", "BCDFGHJK"),
        ("BCDF–GHJK", "BCDFGHJK"),
        ("b.c.d.f.g.h.j.k", "BCDFGHJK"),
        ("BCDFGHJ", ""),
        ("BCDFGHJKL", ""),
        ("ABCDFGHJ", ""),
        ("ſCDFGHJK", ""),
        ("\u212aCDFGHJK", ""),
        ("ＢＣＤＦＧＨＪＫ", ""),
        ("BCDFGHJK\u0301", ""),
        ("", ""),
        ("-" * 100 + "BCDFGHJK", ""),
    ],
)
def test_codes_are_read_without_case_and_dashes_and_in_no_other_letters(said: str, code: str) -> None:
    assert read_user_code(said) == code


def test_codes_are_of_letters_that_nobody_mistakes_and_read_back_as_they_are_shown() -> None:
    made = {_fresh_code() for _ in range(300)}
    assert len(made) == 300
    assert not set(LETTERS) & set("AEIOUY0123456789")
    assert len(LETTERS) ** LENGTH > 2**34
    for code in made:
        assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", shown_code(code))
        assert read_user_code(shown_code(code)) == code
