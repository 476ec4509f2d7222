"""What holds for every test: where it stands says what it needs, and a test that lacks its part fails."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MARK_OF_FOLDER = {"corpus": pytest.mark.corpus, "system": pytest.mark.system}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in the folders ``corpus`` and ``system`` need not repeat it as a mark."""
    for item in items:
        if item.path.is_relative_to(HERE):
            mark = MARK_OF_FOLDER.get(item.path.relative_to(HERE).parts[0])
            if mark:
                item.add_marker(mark)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test proves nothing and looks green: it is a failure here."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped ({report.longrepr}); here a test that lacks its part fails"
    return report
