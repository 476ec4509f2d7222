"""Real proxies in front of a real gateway: the configurations of the page about them, filled in and run.

The gateway trusts one address of this machine, from which the proxies connect; everybody else of a test comes from
another, and is somebody on the network to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.gateway import PATHS, SCHEMES, words
from support.issuer import SigningIssuer, signing_issuer
from support.prism import free_port
from support.servers import APILOOM, Reading, Serving, clean_environment, ended
from support.shown_certificates import AUTHORITY, as_bytes, as_pem, shown_certificate
from support.source import ROOT
from support.tls import Identity, identity
from support.upstream import misbehaving

PATIENCE = 30.0
PROXY = "127.0.0.2"
"""From where proxies connect to the gateway, which believes nobody else."""

CALLER = "127.0.0.9"
"""From where raw requests come, to the proxy or past it."""

HOST = "gateway.example.com"
PAGE = "docs/behind-a-proxy.md"
SERVER = identity("proxy", "127.0.0.1", by=AUTHORITY)


def block(language: str) -> str:
    """The first block in a language on the page."""
    found = re.search(
        rf"^```{language}\n(.*?)^```", (ROOT / PAGE).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"{PAGE} has no {language}"
    return found[1]


def filled(text: str, places: Mapping[str, str]) -> str:
    """A configuration with places of a test in it."""
    for there, here in places.items():
        assert there in text, f"{PAGE} no longer says {there!r}"
        text = text.replace(there, here)
    return text


# the API


@dataclass
class Desk:
    """It tells whose token (``ada-…``) it was shown. ``/slow`` answers once ``go`` is set and notes who left."""

    url: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def conduct(self, line: socket.socket, over: threading.Event) -> None:
        with line.makefile("rb") as reading:
            head = [reading.readline()]
            while head[-1] not in {b"\r\n", b""}:
                head.append(reading.readline())
        if not head[0]:
            return
        fields = {name.lower(): value.strip() for name, _, value in (text.decode().partition(":") for text in head[1:])}
        path = head[0].split(b" ")[1].decode()
        if path == "/slow" and not self._waited(line, over):
            return
        whose = fields.get("authorization", "").removeprefix("Bearer ").partition("-")[0]
        body = json.dumps({"path": path, "whose": whose}).encode()
        start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        line.sendall(start + b"content-length: %d\r\n\r\n" % len(body) + body)

    def _waited(self, line: socket.socket, over: threading.Event) -> bool:
        self.arrived.release()
        line.settimeout(0.02)
        while not over.is_set() and not self.go.is_set():
            try:
                if not line.recv(1):
                    self.left.release()
                    return False
            except TimeoutError:
                continue
        return True


@contextmanager
def desk() -> Iterator[Desk]:
    made = Desk()
    with misbehaving(made.conduct) as made.url:
        yield made


async def counted(semaphore: threading.Semaphore) -> None:
    """Wait until something has happened once more."""
    async with asyncio.timeout(PATIENCE):
        while not semaphore.acquire(blocking=False):
            await asyncio.sleep(0.01)


# the proxies


@dataclass
class Proxy:
    """A running one. Everything that it writes lies in ``folder``."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def written(self) -> str:
        """All its logs."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def program(name: str) -> str:
    """Where a proxy is; fails the test where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: run tools/system-packages")
    return found


@contextmanager
def running(line: list[str], folder: Path, port: int) -> Iterator[Proxy]:
    """A proxy's program, from when it listens until the block ends."""
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    made = Proxy(port, folder, process)
    try:
        until = time.monotonic() + PATIENCE
        while not _listens(port):
            assert process.poll() is None, made.written()
            assert time.monotonic() < until, made.written()
            time.sleep(0.02)
        yield made
    finally:
        ended(process)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _placed(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "gateway.pem").write_bytes(SERVER.pem)
    (folder / "gateway.key").write_bytes(SERVER.pem)
    (folder / "clients.pem").write_bytes(AUTHORITY.certificate_pem)


@contextmanager
def nginx(
    folder: Path, node: int, *, port: int = 0, changes: Mapping[str, str] | None = None, source: str = PROXY
) -> Iterator[Proxy]:
    """nginx with the configuration of the page, in front of a port of this machine. ``changes`` are made besides."""
    _placed(folder)
    port = port or free_port()
    text = filled(
        filled(block("nginx"), changes or {}),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "10.0.0.8:8787": f"127.0.0.1:{node}",
            "/etc/nginx/": f"{folder}/",
            "/var/log/nginx/": f"{folder}/",
            "proxy_http_version 1.1;": f"proxy_http_version 1.1;\n    proxy_bind {source};",
        },
    )
    places = "".join(
        f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    head = f"daemon off;\n{user}worker_processes 1;\npid {folder}/pid;\nerror_log {folder}/main.log;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{head}http {{\n    access_log off;\n{places}{text}}}\n")
    line = [program("nginx"), "-p", str(folder), "-e", str(folder / "main.log"), "-c", str(folder / "nginx.conf")]
    with running(line, folder, port) as made:
        yield made


@contextmanager
def haproxy(
    folder: Path, node: int, *, port: int = 0, changes: Mapping[str, str] | None = None, source: str = PROXY
) -> Iterator[Proxy]:
    """HAProxy likewise."""
    _placed(folder)
    port = port or free_port()
    text = filled(
        filled(block("haproxy"), changes or {}),
        {
            "bind :443 ": f"bind 127.0.0.1:{port} ",
            "10.0.0.8:8787": f"127.0.0.1:{node} source {source}",
            "/etc/haproxy/": f"{folder}/",
            "log /dev/log local0": "log stdout format raw local0",
        },
    )
    (folder / "haproxy.cfg").write_text(text)
    with running([program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], folder, port) as made:
        yield made


@dataclass(frozen=True)
class Kind:
    """A proxy and how it is met: the header it writes, what it answers to certificates that it refuses (0: nothing).

    ``members`` are those of the identity file, ``write`` makes the header's value. Changes of its configuration: by
    ``strict`` all must show a certificate, by ``listing`` it has a list at ``{}`` of those that are revoked, by
    ``hasty`` it waits 20 seconds for its server instead of 120, by ``leaky`` its logs say everything, by ``careless``
    it lets the client's own header pass. ``places`` says whether its logs name places otherwise.
    """

    run: Callable[..., AbstractContextManager[Proxy]]
    header: str
    members: Mapping[str, str]
    write: Callable[[Identity], str]
    refuses: int
    strict: Mapping[str, str]
    listing: Mapping[str, str]
    hasty: Mapping[str, str]
    leaky: Mapping[str, str]
    careless: Mapping[str, str]
    places: bool = True


KINDS = {
    "nginx": Kind(
        run=nginx,
        header="X-SSL-Client-Cert",
        members={"header": "X-SSL-Client-Cert"},
        write=as_pem,
        refuses=400,
        strict={"ssl_verify_client optional;": "ssl_verify_client on;"},
        listing={"ssl_verify_client optional;": "ssl_verify_client optional; ssl_crl {};"},
        hasty={"proxy_read_timeout 120s;": "proxy_read_timeout 20s;"},
        leaky={"apiloom.log apiloom;": "apiloom.log combined;", "error_log /dev/null emerg;": ""},
        careless={"proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;": ""},
    ),
    "haproxy": Kind(
        run=haproxy,
        header="Client-Cert",
        members={},
        write=as_bytes,
        refuses=0,
        strict={"verify optional": "verify required"},
        listing={"verify optional\n": "verify optional crl-file {}\n"},
        hasty={"timeout server 120s": "timeout server 20s"},
        leaky={"%[var(txn.place)]": "%HU"},
        careless={"http-request del-header Client-Cert\n": ""},
    ),
}


# the gateway behind


@dataclass
class Scene:
    """A gateway with the server ``notes`` behind a proxy, and those who call it."""

    proxy: Proxy
    node: Serving
    desk: Desk
    issuer: SigningIssuer
    owner: str
    folder: Path
    kind: Kind
    place: str
    """Host and port of the public URL."""

    @property
    def public(self) -> str:
        return f"https://{self.place}"

    @cached_property
    def ada(self) -> Identity:
        return self.certificate("ada")

    @cached_property
    def mallory(self) -> Identity:
        """Somebody with a good certificate whom no rule knows."""
        return self.certificate("mallory")

    def certificate(self, name: str, by: Identity = AUTHORITY, **more: Any) -> Identity:
        return shown_certificate(name, by, time.time(), **more)

    def context(self, of: Identity | None, *also: Identity) -> ssl.SSLContext:
        """TLS of a client: it may show a certificate, with intermediate ones behind it."""
        context = ssl.create_default_context(cadata=AUTHORITY.certificate_pem.decode())
        if of is not None:
            file = self.folder / "client.pem"
            file.write_bytes(of.pem + b"".join(each.certificate_pem for each in also))
            context.load_cert_chain(file)
        return context

    def client(self, of: Identity | None = None, *also: Identity, **more: Any) -> httpx.AsyncClient:
        """Somebody who reaches the proxy and calls it by its public name."""
        head = {"host": self.place, **more.pop("headers", {})}
        verify = self.context(of, *also)
        return httpx.AsyncClient(base_url=self.proxy.url, headers=head, verify=verify, timeout=PATIENCE, **more)

    async def asked(
        self, of: Identity | None, path: str = "/mcp", /, *also: Identity, **headers: str
    ) -> httpx.Response:
        """What is answered to a list of tools, or what else a path answers."""
        message, head = words("tools/list")
        async with self.client(of, *also) as client:
            if not path.startswith("/mcp"):
                return await client.get(path, headers=headers)
            return await client.post(path, json=message, headers={**head, **headers})

    async def status(self, of: Identity | None, path: str = "/mcp", /, *also: Identity, **headers: str) -> int:
        """The status of that; 0 where the proxy makes no connection."""
        try:
            return (await self.asked(of, path, *also, **headers)).status_code
        except (httpx.TransportError, ssl.SSLError):
            return 0

    def told(self, of: Identity) -> str:
        """The value of the header that a certificate is told by."""
        return self.kind.write(of)

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.proxy.port), PATIENCE)

    async def called(self, of: Identity | None, tool: str = "list_notes") -> Any:
        message, head = words("tools/call", {"name": tool, "arguments": {}})
        async with self.client(of) as client:
            reply = await client.post("/mcp/s/notes", json=message, headers=head)
        assert reply.status_code == 200, reply.text
        value = reply.json() if "json" in reply.headers["content-type"] else json.loads(reply.text.split("data: ")[-1])
        return value["result"]["structuredContent"]

    async def raw(self, of: Identity | None, *fields: str, **more: Any) -> int:
        """The status of a list of tools whose head has lines of any kind, as they are; 0 when there is no answer. More
        is said as to :meth:`posted`.
        """
        data = self.posted(*fields, **more)
        return await asyncio.to_thread(answered, "127.0.0.1", self.proxy.port, self.context(of), data, CALLER)

    async def straight(self, *fields: str, source: str = CALLER, **more: Any) -> int:
        """The same past the proxy, from an address of this machine."""
        data = self.posted(*fields, **more)
        return await asyncio.to_thread(answered, *self.node.place, None, data, source)

    def posted(self, *fields: str, trailer: str = "", path: str = "/mcp", length: int = 0) -> bytes:
        """The bytes of a list of tools. With a ``trailer`` its body comes in chunks, and that behind it. With a
        ``length`` it says that it is so long.
        """
        message, head = words("tools/list")
        body = json.dumps(message).encode()
        lines = [f"POST {path} HTTP/1.1", f"host: {self.place}", *fields, "content-type: application/json"]
        lines += ["connection: close", *(f"{name}: {value}" for name, value in head.items())]
        if not trailer:
            return "\r\n".join((*lines, f"content-length: {length or len(body)}", "", "")).encode("latin-1") + body
        start = "\r\n".join((*lines, "transfer-encoding: chunked", "", "")).encode("latin-1")
        return b"%b%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (start, len(body), body, trailer.encode("latin-1"))

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        head = {"authorization": f"Bearer {self.owner}"}
        return httpx.request(method, f"{self.node.url}/api/v1{path}", json=body, headers=head, timeout=PATIENCE)

    def made(self, path: str, body: Any) -> Any:
        reply = self.admin("POST", path, body)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def secret(self, name: str, **config: Any) -> str:
        """The path of a server of its own, that holds its token."""
        account = self.made("/accounts", {"connector": "desk", "credentials": {"token": {"token": "ada-x"}}})
        url: str = self.made("/servers", {"accounts": [account["id"]], "name": name, "config": config})["url"]
        assert url.startswith(f"{self.public}/mcp/"), url
        return url.removeprefix(self.public)

    def identify(self, *names: str, **more: Any) -> None:
        """Write the identity file: these common names may call."""
        _identify(self.folder, self.issuer, {**self.kind.members, **more}, names)

    async def become(self, status: int, of: Identity | None, path: str = "/mcp", *also: Identity) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.status(of, path, *also) != status:
                await asyncio.sleep(0.1)


def _identify(folder: Path, issuer: SigningIssuer, certificates: Mapping[str, Any], names: Sequence[str]) -> None:
    rules = [{"when": {"cn": name}, "tenant": "default", "end_user": name} for name in names]
    others = issuer.settings(principals=[{"tenant": "default", "end_user": "issuer:{sub}"}])
    told = {"certificates": {"principals": rules, **certificates}, "issuers": [others]}
    draft = folder / "identity.draft"
    draft.write_text(json.dumps(told))
    draft.replace(folder / "identity.json")


def answered(host: str, port: int, tls: ssl.SSLContext | None, data: bytes, source: str) -> int:
    """The status that some bytes from an address are answered with; 0 for none."""
    try:
        with contextlib.ExitStack() as stack:
            line = stack.enter_context(socket.create_connection((host, port), PATIENCE, source_address=(source, 0)))
            if tls is not None:
                line = stack.enter_context(tls.wrap_socket(line, server_hostname=host))
            line.sendall(data)
            start = line.recv(4096)
    except (ConnectionError, ssl.SSLError):
        return 0
    return int(start.split(b" ")[1]) if start.startswith(b"HTTP/") else 0


@contextmanager
def _node(*arguments: str, port: int, environment: Mapping[str, str]) -> Iterator[Serving]:
    """A gateway that calls itself by another URL than the one it listens at."""
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        around = clean_environment(folder, environment)
        process = subprocess.Popen(
            [*APILOOM, "serve", "--http", f"127.0.0.1:{port}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=around,
            start_new_session=True,
        )
        errors = Reading(process.stderr)
        try:
            until = time.monotonic() + 2 * PATIENCE
            while "is served with" not in errors.text():
                assert process.poll() is None, errors.text()
                assert time.monotonic() < until, errors.text()
                time.sleep(0.02)
            yield Serving(process, f"http://127.0.0.1:{port}", errors, around)
        finally:
            ended(process)
            errors.join(5)


@contextmanager
def scene(folder: Path, kind: Kind) -> Iterator[Scene]:
    """A gateway behind a proxy of some kind."""
    port, node_port = free_port(), free_port()
    around = {"APILOOM_TRUSTED_PROXIES": PROXY, "APILOOM_DATA": str(folder / "house")}
    words_ = ["--public-url", f"https://{HOST}:{port}", "--identity", str(folder / "identity.json")]
    words_ += ["--token-file", str(folder / "owner")]
    with desk() as api, signing_issuer() as issuer, kind.run(folder / "proxy", node_port, port=port) as proxy:
        _identify(folder, issuer, kind.members, ("ada", "bob"))
        with _node(*words_, port=node_port, environment=around) as node:
            owner = (folder / "owner").read_text().strip()
            made = Scene(proxy, node, api, issuer, owner, folder, kind, f"{HOST}:{port}")
            document = {
                "openapi": "3.1.0",
                "info": {"title": "Desk", "version": "1"},
                "paths": PATHS,
                "components": {"securitySchemes": SCHEMES},
                "security": [{"token": []}],
            }
            options = {"base_url": api.url}
            made.made("/connectors", {"slug": "desk", "source": {"text": json.dumps(document)}, "options": options})
            for name in ("ada", "bob"):
                credentials = {"token": {"token": f"{name}-x"}}
                made.made("/accounts", {"connector": "desk", "credentials": credentials, "end_user": name})
            made.made("/servers", {"connectors": ["desk"], "name": "notes"})
            yield made
