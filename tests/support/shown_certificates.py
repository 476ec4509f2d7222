"""Client certificates of every kind, the headers that proxies tell of them in, and a small proxy that ends TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.tls import Identity, identity, pass_on, server_context

CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
SERVERS = ExtendedKeyUsageOID.SERVER_AUTH
NOBODY = x509.Name([])


def shown_certificate(
    name: str,
    by: Identity,
    now: float,
    *,
    seconds: tuple[float, float] = (-3600, 3600),
    alternatives: Sequence[x509.GeneralName] = (),
    uses: Sequence[x509.ObjectIdentifier] = (CLIENTS,),
    ca: bool = False,
    more: Sequence[tuple[Any, bool]] = (),
) -> Identity:
    """A client's certificate, signed by an authority, that counts from and to so many seconds around ``now``."""
    key = ec.generate_private_key(ec.SECP256R1())
    begins, ends = (dt.datetime.fromtimestamp(now + each, dt.UTC) for each in seconds)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if name else NOBODY)
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    return Identity(builder.sign(by.key, hashes.SHA256()), key)


def der_of(of: Identity) -> bytes:
    return of.certificate.public_bytes(Encoding.DER)


def as_bytes(of: Identity) -> str:
    """The header of RFC 9440."""
    return f":{base64.b64encode(der_of(of)).decode()}:"


def as_pem(of: Identity) -> str:
    """PEM as nginx escapes it."""
    return quote(of.certificate_pem.decode(), safe="")


def as_element(of: Identity, before: str = "") -> str:
    """What Envoy writes, behind what was there."""
    hash_ = of.certificate.fingerprint(hashes.SHA256()).hex()
    own = f'Hash={hash_};Cert="{as_pem(of)}";Subject="CN=a \\"b\\", c;d";URI=spiffe://house/x'
    return f"{before},{own}" if before else own


AUTHORITY = identity("clients' authority", days=3000)
OTHER_AUTHORITY = identity("nobody's authority", days=3000)


@dataclass
class TlsProxy:
    """A proxy that demands a client's certificate, ends TLS, and tells of it in a header of its own making.

    ``strips`` says whether it takes the header away that a client sent itself, as every such proxy must.
    """

    port: int = 0
    target: int = 0
    header: str = "client-cert"
    strips: bool = True
    seen: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers |= {writer, upstream}
        back = asyncio.create_task(pass_on(upstream_reader, writer))
        self.tasks.add(back)
        back.add_done_callback(self.tasks.discard)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    upstream.write(self._told(head, shown))
                    length = next((int(v) for k, v in _fields(head) if k == b"content-length"), 0)
                    upstream.write(await reader.readexactly(length))
                    await upstream.drain()
        finally:
            upstream.close()
            await back
            writer.close()

    def _told(self, head: bytes, shown: bytes) -> bytes:
        """The head with the header of ours, and without the client's own."""
        start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        name = self.header.encode()
        kept = [line for line in lines if not self.strips or line.partition(b":")[0].strip().lower() != name]
        told = b"%b: :%b:" % (name, base64.b64encode(shown))
        self.seen.append(start)
        return b"\r\n".join((start, *kept, told)) + b"\r\n\r\n"


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]


@contextlib.asynccontextmanager
async def tls_proxy(folder: Path, target: int, **more: Any) -> AsyncIterator[TlsProxy]:
    """A proxy in front of a port of this machine, until the block ends."""
    it = TlsProxy(target=target, **more)
    context = server_context(identity("proxy", "127.0.0.1", by=AUTHORITY), folder, clients_of=AUTHORITY)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, limit=1 << 20, ssl=context)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for writer in it.writers:
            writer.close()
        async with asyncio.timeout(20):
            await asyncio.gather(*it.tasks)


def client_context(of: Identity | None, folder: Path) -> ssl.SSLContext:
    """A client's TLS settings: it trusts the authority, and shows a certificate if it has one."""
    context = ssl.create_default_context(cadata=AUTHORITY.certificate_pem.decode())
    if of is not None:
        file = folder / "client.pem"
        file.write_bytes(of.pem)
        context.load_cert_chain(file)
    return context
