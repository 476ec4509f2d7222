"""A keyring of the tests' own, forced by its name: what is in it lives as long as the process."""

from __future__ import annotations

import threading
from typing import ClassVar

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

NAMED = f"{__name__}.InMemory"


class InMemory(KeyringBackend):
    """Entries of all who use it. ``mode`` makes it locked, silent, or fail with what must not be told."""

    priority = 1
    entries: ClassVar[dict[tuple[str, str], str]] = {}
    mode: ClassVar[str] = ""
    go: ClassVar[threading.Event] = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        if self.mode == "locked":
            raise KeyringLocked("hunter2")
        if self.mode == "silent":
            self.go.wait(60)
        if self.mode == "broken":
            raise ValueError("hunter2")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


class NoKeyring:
    """What is no keyring."""
