"""Certificates for tests, made on the spot: an authority, and what it or nobody signed."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, both as PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.certificate_pem + key


def identity(name: str, *hosts: str, by: Identity | None = None, days: int = 10) -> Identity:
    """An identity for hosts, signed by another one or by itself; negative days make it expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not hosts and by is None, path_length=None), critical=True)
    )
    if hosts:
        names = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(builder.sign(by.key if by else key, hashes.SHA256()), key)


def server_context(of: Identity, folder: Path, *, clients_of: Identity | None = None) -> ssl.SSLContext:
    """A server's TLS settings; with ``clients_of`` it demands a certificate that this authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "server.pem"
    file.write_bytes(of.pem)
    context.load_cert_chain(file)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients_of.certificate_pem.decode())
    return context


@dataclass
class Door:
    """A port of this machine that ends TLS and passes everything on to another, ``target``, which is set later."""

    port: int = 0
    target: int = 0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        there, thither = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(pass_on(reader, thither), pass_on(there, writer))


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Whatever one end says to the other, until it says no more."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def tls_door(of: Identity, folder: Path) -> AsyncIterator[Door]:
    """Such a port with a certificate, until the block ends; whoever came in must have gone by then."""
    it = Door()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, ssl=server_context(of, folder))
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        async with asyncio.timeout(20):
            await asyncio.gather(*it.tasks)
