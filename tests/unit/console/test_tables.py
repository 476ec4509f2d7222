"""Tables fit where they are read: what is long gives way, what is to be copied stays whole."""

from __future__ import annotations

import pytest

from apiloom.console.cli.platform.showing import whole_seconds
from apiloom.console.cli.tables import PIPE_WIDTH, fitted, print_table


def test_a_long_text_is_cut_before_an_id_or_a_time_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    id_, at = "acc_3arpk76tpa26l7clvxzx", "2026-11-22T06:21:30Z"
    print_table(("at", "target", "detail"), [(at, id_, "x" * 400)])
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith(f"{at}  {id_}  xxx")
    assert row.rstrip().endswith("…")
    assert len(row.rstrip()) == PIPE_WIDTH


@pytest.mark.parametrize(
    ("wanted", "room", "widths"),
    [
        ([5, 5], 12, [5, 5]),
        ([5, 50], 40, [5, 33]),
        ([30, 30], 42, [20, 20]),
        ([30, 31], 4, [1, 2]),
        ([], 10, []),
    ],
)
def test_the_widest_columns_give_way_first_and_none_below_its_title(
    wanted: list[int], room: int, widths: list[int]
) -> None:
    assert fitted(wanted, ["a", "bc"][: len(wanted)], room) == widths


def test_wide_letters_count_twice(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "id"), [("東京" * 10, "a"), ("x", "b")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].index("b") == 42


def test_times_are_shown_to_the_second_and_other_texts_as_they_are() -> None:
    assert whole_seconds("2026-11-22T06:21:30.123Z") == "2026-11-22T06:21:30Z"
    assert whole_seconds("2026-11-22T06:21:30Z") == "2026-11-22T06:21:30Z"
    assert whole_seconds("v2026-11-22T06:21:30.123Z") == "v2026-11-22T06:21:30.123Z"
