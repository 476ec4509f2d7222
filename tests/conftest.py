"""What holds for every test: where it stands says what it needs, and a test that lacks its part fails."""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from support.oidc import oidc, oidc_process  # noqa: F401 - fixtures, one server for the tests of a file
from support.openbao import openbao  # noqa: F401 - a fixture, one server for all tests that ask for it
from support.postgres import postgres  # noqa: F401 - a fixture, one server for all tests that ask for it

# The same examples on every machine and no clock: a test that fails, fails for everyone.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")

HERE = Path(__file__).parent


@cache
def needs(path: Path) -> str:
    """What a test file needs beyond a package index, as the name of a mark: ``system``, ``corpus`` or nothing.

    A file that uses the corpus of real documents need not say so in a mark: it imports ``support.corpus``.
    """
    if path.suffix != ".py" or not path.is_relative_to(HERE):
        return ""
    if path.relative_to(HERE).parts[0] == "system":
        return "system"
    in_corpus = path.relative_to(HERE).parts[0] == "corpus" or "support.corpus" in path.read_text(encoding="utf-8")
    return "corpus" if in_corpus else ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file whose tests are deselected as a whole is not even imported: it may read the corpus when it is."""
    need = needs(collection_path) if collection_path.is_file() else ""
    return True if need and f"not {need}" in config.getoption("markexpr") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test carries the mark of what its file needs."""
    for item in items:
        if need := needs(item.path):
            item.add_marker(need)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test proves nothing and looks green: it is a failure here."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped ({report.longrepr}); here a test that lacks its part fails"
    return report
