"""TLS for connections of our own: the system's authorities and those given, HTTP/1.1, and who we are if asked.

A certificate is always checked against the host's name. Keys stay in memory: the standard library reads them from
files only, so it is given a pipe.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from apiloom.net import failures
from apiloom.net.settings import NetSettings

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[\x00-\x7f]*?-----END CERTIFICATE-----\n?")
_PIPES = "/dev/fd"
_MOST_PEM = 256 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """What one connection is made with: the settings of all, and the name that the certificate must be for."""

    context: ssl.SSLContext
    name: str


def check_settings(settings: NetSettings) -> None:
    """Refuse settings that cannot be used, before the first connection would.

    Raises:
        DesignError: ``net.settings``.
    """
    if settings.ca_pem:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings.ca_pem)
    if settings.identity_pem:
        _show(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings.identity_pem)


def build_context(settings: NetSettings) -> ssl.SSLContext:
    """The TLS settings of a sender. Reads the system's authorities, which takes tens of milliseconds.

    Raises:
        DesignError: ``net.settings``.
    """
    context = ssl.create_default_context()
    # from Python 3.13 on the default also refuses the authorities of many companies, for a missing extension
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if settings.ca_pem:
        _trust(context, settings.ca_pem)
    if settings.identity_pem:
        _show(context, settings.identity_pem)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def bade_farewell(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side ended a connection itself, now that nothing more comes.

    Whoever sits between may cut a connection too; only TLS's own farewell tells the two apart (RFC 8446 section 6.1).
    """
    try:
        return not transport.get_extra_info("ssl_object").read(1)
    except (ssl.SSLError, ValueError):
        return False


def _trust(context: ssl.SSLContext, pem: bytes) -> None:
    # what stands between certificates is for people, and may be in their language
    found = "".join(_CERTIFICATE.findall(pem.decode("utf-8", "replace")))
    try:
        context.load_verify_locations(cadata=found)  # nothing at all is refused too
    except (ValueError, ssl.SSLError) as error:
        raise failures.unusable(error, "file of certificate authorities") from None


def _show(context: ssl.SSLContext, pem: bytes) -> None:
    """Take a certificate, those between it and its authority, and its key."""
    try:
        with ExitStack() as stack:
            # each is read on its own, and a pipe can be read once
            chain, key = (stack.enter_context(_readable(pem)) for _ in range(2))
            context.load_cert_chain(chain, key, password=_no_password)
    except (ValueError, OSError) as error:
        raise failures.unusable(error, "client certificate") from None


def _no_password() -> str:
    """A key behind a password would be asked for at the terminal."""
    raise ValueError


@contextmanager
def _readable(pem: bytes) -> Iterator[str]:
    """A path from which some bytes can be read once. They do not reach the disk where there are pipes by path."""
    if len(pem) > _MOST_PEM:
        raise ValueError
    if not os.path.isdir(_PIPES):  # noqa: PTH112 - asked of the system, not of a tree of files
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pem")  # noqa: PTH118
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(pem)
            yield path
        return
    source, target = os.pipe()
    writing = threading.Thread(target=_write, args=(target, pem), daemon=True)
    try:
        writing.start()
        yield f"{_PIPES}/{source}"
    finally:
        os.close(source)  # whoever still writes is told so
        writing.join()


def _write(target: int, pem: bytes) -> None:
    with suppress(OSError), os.fdopen(target, "wb") as file:
        file.write(pem)
