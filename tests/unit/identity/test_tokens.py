"""What a token looks like, who recognises it, and what is kept of it."""

import hashlib
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.identity import tokens
from apiloom.identity.tokens import PATTERN, TokenHasher, find_tokens, kind_of, mint, well_formed

KINDS = ("als", "ala")
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_names_its_kind_and_holds_43_characters_and_a_checksum(kind: tokens.TokenKind) -> None:
    token = mint(kind)
    assert re.fullmatch(rf"{kind}_[A-Za-z0-9_-]{{43}}[0-9A-Za-z]{{6}}", token)
    assert re.fullmatch(PATTERN, token)
    assert well_formed(token)
    assert kind_of(token) == kind


def test_no_two_tokens_are_alike() -> None:
    assert len({mint("als") for _ in range(1000)}) == 1000


def test_there_are_two_kinds() -> None:
    with pytest.raises(ValueError):
        mint("alx")


def test_the_checksum_never_changes() -> None:
    known = "als_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    assert well_formed(known + tokens._checksum(known))
    assert tokens._checksum(known) == "2VXNnt"
    assert tokens._checksum("") == "000000"


@given(place=st.integers(0, 52), sign=st.characters())
def test_one_wrong_character_makes_it_no_token(place: int, sign: str) -> None:
    token = mint("ala")
    changed = token[:place] + sign + token[place + 1 :]
    assert well_formed(changed) == (changed == token)


@given(st.text(max_size=60))
def test_other_text_is_no_token(text: str) -> None:
    assert not well_formed(text)
    assert kind_of(text) is None


@pytest.mark.parametrize("wrap", ["{}\n", "\n{}", " {}", "{} ", "{}\0", "{0}{0}", ""])
def test_nothing_may_stand_around_a_token(wrap: str) -> None:
    assert not well_formed(wrap.format(mint("als")))


@given(before=st.text(max_size=40), between=st.text(max_size=40), after=st.text(max_size=40))
def test_tokens_are_found_wherever_they_stand(before: str, between: str, after: str) -> None:
    server, api = mint("als"), mint("ala")
    found = find_tokens(f"{before}{server}{between}{api}{after}{server}")
    assert found == (server, api)


@pytest.mark.parametrize(
    "around", ["als_{}", "ala_als_{}", "x{}y", "-{}-", "A{}", "{}AAAA", "https://h/mcp/{}?x=1", '"{}"']
)
def test_a_run_of_like_characters_hides_no_token(around: str) -> None:
    token = mint("als")
    assert token in find_tokens(around.format(token))


def test_a_token_is_found_in_a_url_that_was_encoded() -> None:
    token = mint("als")
    while "-" not in token:
        token = mint("als")
    encoded = "".join(f"%{ord(sign):02x}" if sign in "-_" else sign for sign in token)
    assert find_tokens(f"next={quote('https://h/mcp/', safe='')}{encoded}") == (token,)


def test_looking_for_tokens_has_an_end() -> None:
    many = [mint("als") for _ in range(tokens.MOST_FOUND + 5)]
    assert len(find_tokens("".join(many))) == tokens.MOST_FOUND
    assert find_tokens("x" * tokens.MOST_TEXT + many[0]) == ()


def test_what_is_kept_depends_on_the_key_and_the_whole_token() -> None:
    token = mint("als")
    digest, version = TokenHasher({1: OLD}, 1).digest(token)
    assert (len(digest), version) == (32, 1)
    others = [TokenHasher({1: NEW}, 1).digest(token)[0], TokenHasher({1: OLD}, 1).digest("ala" + token[3:])[0]]
    assert digest not in others
    assert token.encode() not in digest


def test_what_was_kept_is_found_by_every_later_release() -> None:
    """Hashes stand in stores: a change here would make every token unknown."""
    known = hashlib.blake2b(b"als_x", key=OLD, digest_size=32, person=b"apiloom token").digest()
    assert TokenHasher({1: OLD}, 1).digest("als_x") == (known, 1)


def test_after_a_rotation_old_hashes_are_still_found_and_new_ones_use_the_new_key() -> None:
    token = mint("ala")
    before = TokenHasher({1: OLD}, 1)
    after = TokenHasher({1: OLD, 2: NEW}, 2)
    assert before.digest(token)[0] in after.digests(token)
    assert after.digest(token) == (after.digests(token)[0], 2)
    assert len(after.digests(token)) == 2
    assert TokenHasher({2: NEW}, 2).digests(token) == (after.digest(token)[0],)


@pytest.mark.parametrize(
    ("keys", "newest"), [({}, 1), ({1: OLD}, 2), ({1: b"short"}, 1), ({1: OLD, 2: b""}, 1), ({1: OLD * 2}, 1)]
)
def test_a_hasher_without_its_newest_key_or_with_a_short_one_is_refused(keys: dict[int, bytes], newest: int) -> None:
    with pytest.raises(ValueError):
        TokenHasher(keys, newest)


def test_a_hasher_shows_no_key() -> None:
    assert repr(TokenHasher({1: OLD}, 1)) == "TokenHasher(***)"


@given(st.text())
def test_any_text_can_be_hashed(text: str) -> None:
    hasher = TokenHasher({1: OLD, 2: NEW}, 2)
    assert hasher.digest(text)[0] == hasher.digests(text)[0]
