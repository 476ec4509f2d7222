"""The picture of how long lists are is drawn from the figures beside it, and always the same way."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from support.source import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("tools", "sizes.py")


def test_the_picture_is_what_the_figures_draw(tool: ModuleType) -> None:
    assert tool.PICTURE.read_text(encoding="utf-8") == tool.picture(tool.figures()), "run tools/sizes.py --draw"


def test_the_figures_are_kept_in_one_order(tool: ModuleType) -> None:
    lines = tool.figures()
    assert lines == sorted(lines)
    assert tool.FIGURES.read_text(encoding="utf-8") == tool.figures_text(lines)


def test_every_document_is_one_point_inside_the_frame(tool: ModuleType) -> None:
    dots = re.findall(r'<circle cx="([0-9]+)" cy="([0-9]+)"', tool.picture(tool.figures()))
    points = [(int(x), int(y)) for x, y in dots]
    assert len(points) == len(tool.figures()) > 200
    assert all(tool.LEFT <= x <= tool.WIDTH - 24 and tool.TOP <= y <= tool.HEIGHT - 44 for x, y in points)


def test_a_list_that_doubles_with_its_document_is_linear(tool: ModuleType) -> None:
    linear = [tool.Line(str(size), size, 1, 3 * size) for size in (10_000, 40_000, 90_000)]
    square = [tool.Line(str(size), size, 1, size * size) for size in (10_000, 40_000, 90_000)]
    assert tool.slope(linear) == pytest.approx(1)
    assert tool.slope(square) == pytest.approx(2)
