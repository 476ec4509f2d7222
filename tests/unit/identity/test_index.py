"""Who holds which token, found in memory, and that nobody learns why a token is not taken."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.identity import index as index_module
from apiloom.identity.index import Holder, TokenIndex
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import TokenHasher, mint

KEYS = {1: b"1" * 32}
HASHER = TokenHasher(KEYS, 1)


class Counting(TokenHasher):
    """A hasher that counts how often it is asked."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__({1: b"1" * 32, 2: b"2" * 32}, 2)
        self.asked = 0

    def digests(self, text: str) -> tuple[bytes, ...]:
        self.asked += 1
        return super().digests(text)


def put(index: TokenIndex, holder: Holder, hasher: TokenHasher = HASHER) -> str:
    text = mint(holder.kind)
    index.put(hasher.digest(text)[0], holder)
    return text


def server(id_: str = "tok_1", server_id: str = "srv_1", expires_at: float | None = None) -> Holder:
    end = math.inf if expires_at is None else expires_at
    principal = Principal(id=f"server:{server_id}", token=id_, tenant="acme", servers=(server_id,), expires_at=end)
    return Holder(principal, server_id)


def api(id_: str = "key_1", expires_at: float = math.inf) -> Holder:
    return Holder(Principal(id=id_, token=id_, tenant="acme", role="operator", expires_at=expires_at))


def test_a_live_token_gives_its_holder() -> None:
    index = TokenIndex(HASHER)
    texts = [put(index, server()), put(index, api())]
    assert index.get(texts[0], 5.0) == server()
    assert index.get(texts[1], 5.0) == api()
    assert len(index) == 2


def test_a_holder_says_which_kind_of_token_it_is() -> None:
    holder = server()
    assert (holder.server, holder.kind, holder.token) == ("srv_1", "als", "tok_1")
    assert (api().server, api().kind, api().token) == ("", "ala", "key_1")


@given(end=st.integers(1, 2**40), before=st.floats(0.001, 1.0))
def test_a_token_ends_at_its_second_and_not_before(end: int, before: float) -> None:
    index = TokenIndex(HASHER)
    text = put(index, server(expires_at=float(end)))
    assert index.get(text, end - before) is not None
    assert index.get(text, float(end)) is None
    assert index.get(text, end + 1.0) is None


@pytest.mark.parametrize("end", [math.nan, 0.0, -math.inf])
def test_an_end_that_is_no_time_to_come_is_over(end: float) -> None:
    index = TokenIndex(HASHER)
    assert index.get(put(index, api(expires_at=end)), 1.0) is None


def test_wrong_expired_removed_and_unknown_tokens_cost_the_same_and_give_the_same() -> None:
    hasher = Counting()
    index = TokenIndex(hasher)
    live, expired, removed = (put(index, api(f"key_{n}", end), hasher) for n, end in enumerate((9.0, 1.0, 9.0)))
    index.remove("key_2")
    costs = []
    for text in (live, expired, removed, mint("ala"), mint("als")):
        hasher.asked = 0
        assert (index.get(text, 5.0) is None) == (text != live)
        costs.append(hasher.asked)
    assert costs == [1] * 5


@pytest.mark.parametrize("text", ["", "als_", "x" * 53, "als_" + "x" * 10_000, "\xff" * 53])
def test_what_was_never_a_token_is_not_hashed(text: str) -> None:
    hasher = Counting()
    assert TokenIndex(hasher).get(text, 0.0) is None
    assert hasher.asked == 0


def test_what_is_found_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(index_module.hmac, "compare_digest", compare)
    hasher = Counting()  # under two keys: finding it under the first ends nothing early
    index = TokenIndex(hasher)
    for text in (put(index, api(), hasher), mint("ala")):
        index.get(text, 0.0)
        assert compared == [(32, 32), (32, 32)]
        compared.clear()


def test_tokens_hashed_under_an_older_key_are_found_after_a_rotation() -> None:
    text = mint("ala")
    digest, _ = HASHER.digest(text)
    index = TokenIndex(TokenHasher(KEYS | {2: b"2" * 32}, 2))
    index.put(digest, api())
    assert index.get(text, 0.0) == api()


def test_a_token_that_is_put_again_replaces_what_was_known_of_it() -> None:
    index = TokenIndex(HASHER)
    old = put(index, server())
    new = put(index, server(expires_at=7.0))
    assert index.get(old, 0.0) is None
    assert index.get(new, 0.0) == server(expires_at=7.0)
    assert len(index) == 1
    assert index.of_server("srv_1") == (server(expires_at=7.0),)


def test_a_token_that_moves_to_another_server_leaves_the_first() -> None:
    index = TokenIndex(HASHER)
    put(index, server())
    put(index, server(server_id="srv_2"))
    assert index.of_server("srv_1") == ()
    assert index.remove_server("srv_1") == ()
    assert len(index) == 1


def test_removing_gives_back_who_held_it() -> None:
    index = TokenIndex(HASHER)
    text = put(index, server())
    assert index.holder("tok_1") == server()
    assert index.remove("tok_1") == server()
    assert index.remove("tok_1") is None
    assert index.holder("tok_1") is None
    assert index.get(text, 0.0) is None


def test_a_server_goes_with_all_its_tokens_and_no_others() -> None:
    index = TokenIndex(HASHER)
    gone = [put(index, server("tok_1")), put(index, server("tok_2"))]
    stays = [put(index, server("tok_3", "srv_2")), put(index, api())]
    assert {holder.token for holder in index.remove_server("srv_1")} == {"tok_1", "tok_2"}
    assert all(index.get(text, 0.0) is None for text in gone)
    assert all(index.get(text, 0.0) is not None for text in stays)
    assert {holder.token for holder in index.held()} == {"tok_3", "key_1"}


def test_last_uses_are_noted_until_they_are_drained() -> None:
    index = TokenIndex(HASHER)
    used, unused, gone = put(index, api()), put(index, server(expires_at=1.0)), put(index, api("key_2"))
    index.get(used, 3.0)
    index.get(used, 4.0)
    index.get(unused, 4.0)
    index.get(gone, 4.0)
    index.remove("key_2")
    assert index.drain_used() == {"key_1": 4.0}
    assert index.drain_used() == {}


@pytest.mark.parametrize("digest", [b"", b"short", bytes(32), bytes(33)])
def test_a_hash_that_is_none_is_refused(digest: bytes) -> None:
    index = TokenIndex(HASHER)
    with pytest.raises(ValueError):
        index.put(digest, api())
    assert len(index) == 0


def test_nobody_takes_over_anothers_hash() -> None:
    index = TokenIndex(HASHER)
    text = mint("ala")
    index.put(HASHER.digest(text)[0], api())
    with pytest.raises(ValueError):
        index.put(HASHER.digest(text)[0], api("key_2"))
    assert index.get(text, 0.0) == api()


def test_an_index_shows_no_hash() -> None:
    index = TokenIndex(HASHER)
    put(index, api())
    assert repr(index) == "TokenIndex(1 tokens)"


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove", "remove_server"]), st.integers(0, 4), st.integers(0, 2)),
        max_size=40,
    )
)
def test_an_index_is_what_was_put_and_not_removed(steps: list[tuple[str, int, int]]) -> None:
    index = TokenIndex(HASHER)
    texts: dict[str, tuple[str, str]] = {}
    for step, token, place in steps:
        token_id, server_id = f"tok_{token}", f"srv_{place}"
        if step == "put":
            texts[token_id] = (put(index, server(token_id, server_id)), server_id)
        elif step == "remove":
            index.remove(token_id)
            texts.pop(token_id, None)
        else:
            index.remove_server(server_id)
            texts = {kept: value for kept, value in texts.items() if value[1] != server_id}
    assert len(index) == len(texts)
    for token_id, (text, server_id) in texts.items():
        assert index.get(text, 0.0) == server(token_id, server_id)
    for place in range(3):
        expected = {kept for kept, value in texts.items() if value[1] == f"srv_{place}"}
        assert {holder.token for holder in index.of_server(f"srv_{place}")} == expected
