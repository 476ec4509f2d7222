"""A gateway starts quickly and stays small because of what it has not loaded when it is ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LATE = frozenset(
    {
        # the admin API, and the connect and sign-in pages
        "anyio",
        "apiloom.console.api.build",
        "apiloom.console.connect.build",
        "apiloom.console.signin.app",
        "fastapi",
        "jinja2",
        "pydantic",
        "pydantic_core",
        "starlette",
        # durable work
        "apiloom.flows.durable.dbos_engine",
        "dbos",
        "psycopg",
        # where secrets and keys may lie besides
        "apiloom.vault.aws",
        "apiloom.vault.keyrings",
        "botocore",
        "keyring",
        # of no use to a gateway
        "anthropic",
        "httpx",
        "mcp",
        "openai",
        "opentelemetry",
        "requests",
        "rich",
        "yaml",
        "yaml_rs",
    }
)
"""What is loaded when it is first needed, beside the loop."""

ALONE = LATE | {"cryptography.x509", "jwt", "apiloom.console.signin", "apiloom.identity.jwts"}
"""And what it is loaded for where people have an identity of their own."""

IDENTITY = {
    "facade": {
        "issuer": "https://id.invalid",
        "client_id": "apiloom",
        "scopes": ["openid"],
        "principals": [{"when": {"email": ["ada@example.com"]}, "tenant": "default", "end_user": "{sub}"}],
    }
}

# Runs the gateway, asks it whether it is ready, writes what is loaded then, and tells it to stop.
DRIVER = """
import os, signal, socket, sys, threading
from urllib.parse import urlsplit

report, sys.argv = sys.argv[1], ["apiloom", *sys.argv[2:]]
told, sys.stdout = os.pipe()
sys.stdout = os.fdopen(sys.stdout, "w", 1)

def look():
    try:
        url = urlsplit(os.read(told, 10_000).decode().split('"')[3])
        with socket.create_connection((url.hostname, url.port), 30) as line:
            line.sendall(b"GET /readyz HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
            if line.recv(100).startswith(b"HTTP/1.1 200 "):
                with open(report, "w") as opened:
                    opened.write("\\n".join(sys.modules))
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=look, daemon=True).start()
from apiloom.__main__ import main
sys.exit(main())
"""


def loaded_when_ready(tmp_path: Path, *words: str) -> set[str]:
    """The modules of a gateway on a new folder when it says for the first time that it is ready."""
    report = tmp_path / "modules.txt"
    known = {name: value for name, value in os.environ.items() if not name.startswith("APILOOM_")}
    given = [
        "--data",
        str(tmp_path / "house"),
        "--token-file",
        str(tmp_path / "token"),
        "--http",
        "127.0.0.1:0",
        *words,
    ]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(report), "serve", *given, "--json"],
        cwd=tmp_path,
        env={**known, "APILOOM_KEY_FILE": str(tmp_path / "keys" / "key")},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(report.read_text().split())


def test_a_node_is_ready_without_its_admin_api_its_pages_and_its_durable_engine(tmp_path: Path) -> None:
    loaded = loaded_when_ready(tmp_path)
    assert "apiloom.app.gateway.node" in loaded
    assert not loaded & ALONE


def test_nor_are_the_pages_of_a_sign_in_loaded_before_somebody_signs_in(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text(json.dumps(IDENTITY))
    loaded = loaded_when_ready(tmp_path, "--identity", "identity.json")
    assert "apiloom.app.gateway.signin" in loaded
    assert not loaded & LATE
