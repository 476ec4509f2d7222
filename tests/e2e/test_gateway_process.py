"""The gateway as a process: what it says, where its token goes, its two listeners, and that it is alone on a folder."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib import error, request

from support.servers import APILOOM, clean_environment, ended


def fetched(url: str, token: str = "") -> tuple[int, str]:
    asked = request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    try:
        with request.urlopen(asked, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_a_gateway_starts_from_nothing_and_is_alone(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as home, socket.create_server(("127.0.0.1", 0)) as free:
        admin = free.getsockname()[1]
        free.close()
        environment = clean_environment(home, {"APILOOM_DATA": str(tmp_path / "house")})
        words = [*APILOOM, "serve", "--http", "127.0.0.1:0", "--json"]
        process = subprocess.Popen(
            [*words, "--admin-http", f"127.0.0.1:{admin}", "--token-file", str(tmp_path / "owner")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            told = json.loads(process.stdout.readline())
            assert told["data"] == str(tmp_path / "house")
            assert told["token_file"] == str(tmp_path / "owner")
            token = (tmp_path / "owner").read_text().strip()
            assert stat.S_IMODE((tmp_path / "owner").stat().st_mode) == 0o600
            assert fetched(f"{told['url']}/healthz")[0] == 200
            assert fetched(f"{told['url']}/readyz")[0] == 200
            assert fetched(f"{told['url']}/api/v1/whoami", token)[0] == 404
            status, text = fetched(f"http://127.0.0.1:{admin}/api/v1/whoami", token)
            assert (status, json.loads(text)["role"]) == (200, "owner")
            assert fetched(f"http://127.0.0.1:{admin}/api/v1/whoami", token[:-1])[0] == 401
            assert fetched(f"http://127.0.0.1:{admin}/mcp", token)[0] == 404
            second = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, check=False)
            assert second.returncode == 2
            assert "another node serves this data folder already" in second.stderr
            assert second.stderr.count("\n") == 1
        finally:
            ended(process)
        assert process.returncode == 0
        with process.stdout, process.stderr:
            said = process.stdout.read() + process.stderr.read()
        assert token not in said
