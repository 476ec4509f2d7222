"""The benchmarks themselves work: they run, check every answer and notice a wrong one. Figures are not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.servers import clean_environment
from support.source import ROOT


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / "run.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(str(folder)),
        check=False,
    )


def test_calls_are_measured_beside_a_relay_and_a_direct_call(tmp_path: Path) -> None:
    done = bench("calls", "--quick", "--report", "--no-many", "--results", str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "calls.json").is_file()
    assert "ok     wrong answers: 0" in done.stdout
    for cell in ("get@1", "get@16", "get@64", "post@16", "list@16", "big@16"):
        for name in ("direct", "relay", "apiloom"):
            assert f"{cell:<8} {name} " in done.stdout


def test_a_soak_counts_every_call_and_finds_none_wrong(tmp_path: Path) -> None:
    done = bench("soak", "--calls", "2000", "--report", "--results", str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok     wrong answers: 0" in done.stdout
    assert "ok     checked calls: 2" in done.stdout


NOTICED = """
import msgspec
from cells import CELLS
from load import DirectWork, McpWork

cell = CELLS["get"]
right, other = cell.expected(3), cell.expected(4)


def reply(text, structured, number=3):
    content = [{"type": "text", "text": text.decode()}]
    result = {"content": content, "structuredContent": msgspec.Raw(structured)}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": result})


assert not DirectWork(cell).wrong(3, 200, right)
assert DirectWork(cell).wrong(3, 200, other)
assert DirectWork(cell).wrong(3, 500, right)
work = McpWork(cell)
assert not work.wrong(3, 200, reply(right, right))
assert work.wrong(3, 200, reply(other, right))
assert work.wrong(3, 200, reply(right, other))
assert work.wrong(3, 200, reply(right, right, 4))
assert work.wrong(3, 503, reply(right, right))
"""


def test_a_wrong_answer_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTICED], cwd=ROOT / "bench", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
