"""What versions on several lines have published, as one."""

from __future__ import annotations

from apiloom.catalog.pins import Pin, join_pins


def pin(name: str, operation: str = "", **more: object) -> Pin:
    return Pin(name=name, operation=operation or f"GET /{name}", **more)  # type: ignore[arg-type]


def test_every_name_is_kept_and_of_two_meanings_the_last() -> None:
    joined = join_pins([pin("a"), pin("b", "GET /old")], [pin("b", "GET /new"), pin("c")])
    assert [(each.name, each.operation) for each in joined] == [("a", "GET /a"), ("b", "GET /new"), ("c", "GET /c")]


def test_arguments_of_one_operation_are_kept_of_all_versions_and_those_of_another_are_not() -> None:
    old = pin("a", arguments={"query:x": "x", "query:y": "y", "query:z": "n"})
    (joined,) = join_pins([old], [pin("a", arguments={"query:x": "x_query", "path:n": "n"})])
    assert joined.arguments == {"query:y": "y", "query:x": "x_query", "path:n": "n"}
    (other,) = join_pins([old], [pin("a", "GET /moved", arguments={"query:q": "q"})])
    assert other.arguments == {"query:q": "q"}


def test_a_name_is_an_alias_or_a_tool_as_the_last_version_has_it() -> None:
    apart, together = [pin("a"), pin("b")], [pin("a", aliases=("b",))]
    (joined,) = join_pins(apart, together)
    assert (joined.name, joined.aliases) == ("a", ("b",))
    assert [(each.name, each.aliases) for each in join_pins(together, apart)] == [("a", ()), ("b", ())]


def test_aliases_of_what_became_an_alias_go_along() -> None:
    (joined,) = join_pins([pin("b", aliases=("c",))], [pin("a", aliases=("b",))])
    assert (joined.name, joined.aliases) == ("a", ("b", "c"))


def test_nothing_published_joins_to_nothing() -> None:
    assert join_pins() == join_pins([], []) == ()
