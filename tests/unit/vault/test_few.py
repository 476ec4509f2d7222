"""What hangs is left behind in a few threads and no more, and whoever asks then is told so at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.vault import keyrings, references
from apiloom.vault.few import Broken, Few, Unanswered

Asked = Callable[[], Any]


def hung(few: Few, go: threading.Event, asked: Asked, most: int) -> list[str]:
    """What is said to those who ask until all threads are left behind, and to one more."""
    before = threading.active_count()
    told = []
    for number in range(most + 3):
        if number > most:
            few._seconds = 600.0  # nobody waits for what has no thread
        with pytest.raises(DesignError) as refused:
            asked()
        told.append(refused.value.message)
    assert threading.active_count() == before + most == before + few.hanging()
    go.set()
    return told


def test_a_keyring_that_hangs_leaves_few_threads_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    go, few = threading.Event(), Few("keyring", keyrings.MOST_LEFT, 0.01)

    class Silent:
        def get_password(self, _service: str, _name: str) -> str | None:
            go.wait(20)
            return "open"

    monkeypatch.setattr(keyrings, "_FEW", few)
    monkeypatch.setattr(keyrings, "_backend", lambda _: Silent())
    told = hung(few, go, lambda: keyrings.read_entry("s", "n"), keyrings.MOST_LEFT)
    assert "does not answer" in told[0]
    assert "left 4 questions without an answer" in told[-1]
    while few.hanging():
        threading.Event().wait(0.001)
    monkeypatch.setattr(keyrings, "_FEW", Few("keyring", 1, 20))
    assert keyrings.read_entry("s", "n") == Secret("open")


def test_files_on_a_dead_disk_leave_few_threads_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    go, few = threading.Event(), Few("files", references.MOST_LEFT, 0.01)

    def silent(_: str) -> Secret:
        go.wait(20)
        return Secret("open")

    monkeypatch.setattr(references, "_FEW", few)
    monkeypatch.setattr(references, "read_secret_file", silent)
    told = hung(few, go, lambda: references._read_bounded("/gone"), references.MOST_LEFT)
    assert "is not there in time" in told[0]
    assert "8 others" in told[-1]


def test_more_who_ask_at_once_than_there_are_threads_take_turns() -> None:
    few, lock, most, running = Few("work", 2, 20), threading.Lock(), [0], [0]

    def work() -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with lock:
            running[0] -= 1
        return 1

    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(few.run(work))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(done), most[0]) == (8, 2)


def test_what_is_raised_in_a_thread_is_told_and_its_place_is_free_again() -> None:
    few = Few("work", 1, 20)
    for _ in range(3):
        with pytest.raises(Broken) as told:
            few.run(lambda: 1 / 0)
        assert told.value.kind == "ZeroDivisionError"
    with pytest.raises(Unanswered):
        Few("work", 0, 0).run(lambda: 1)
