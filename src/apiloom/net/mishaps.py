"""What can go wrong on a connection of our own, one sentence each, in the words :mod:`apiloom.net.failures` uses for
the client's errors: they name the host and the cause, never a URL, never a header.
"""

from __future__ import annotations

import os
import re
import ssl

from apiloom.base.errors import UpstreamError

_UNPRINTABLE = re.compile(r"[^ -~]+")
_CERTIFICATES = {
    2: "its issuer is not trusted",
    9: "it is not valid yet",
    10: "it has expired",
    18: "its issuer is not trusted",
    19: "its issuer is not trusted",
    20: "its issuer is not trusted",
    21: "its issuer is not trusted",
    23: "it was revoked",
    62: "it is for another host name",
    64: "it is for another host name",
}
"""Codes of OpenSSL (``X509_V_ERR_*``)."""


def unresolved(host: str) -> UpstreamError:
    """The name leads nowhere."""
    return _told("net.dns", f"the host name of {host} cannot be resolved", "check the base URL and the network")


def unconnected(host: str, errors: list[OSError]) -> UpstreamError:
    """No address of the host took the connection."""
    if any(isinstance(error, ConnectionRefusedError) for error in errors):
        return _told("net.refused", f"{host} refused the connection", "check that the API is up and the port right")
    untrusted = next((error for error in errors if isinstance(error, ssl.SSLError)), None)
    if untrusted is not None:
        return distrusted(host, untrusted)
    cause = _cause(errors[0]) if errors else "it has no address"
    return _told("net.refused", f"{host} cannot be reached: {cause}", "check the base URL and the network")


def unaccepted(host: str) -> UpstreamError:
    """Connecting took too long."""
    return _told("net.timeout", f"{host} did not accept a connection in time", "check host and port")


def distrusted(host: str, error: ssl.SSLError) -> UpstreamError:
    """No TLS connection stood; in the words that :mod:`apiloom.net.failures` has for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _CERTIFICATES.get(error.verify_code, "it is not acceptable")
        hint = "trust its authority through the CA setting, or mend the server's certificate"
        return _told("net.tls", f"the TLS certificate of {host} was not accepted: {why}", hint)
    reason = str(error.reason or "").replace("_", " ").lower()
    if "wrong version number" in reason or "record layer failure" in reason or "http request" in reason:
        return _told("net.tls", f"{host} does not speak TLS on this port", "check the scheme of the base URL")
    if "alert" in reason:
        return _told("net.tls", f"{host} refused the TLS connection: {_printable(reason)}", "check the TLS settings")
    cause = _printable(reason) or "no reason was given"
    return _told("net.tls", f"no TLS connection to {host} could be made: {cause}", "check the TLS settings")


def late(host: str, seconds: float, *, begun: bool) -> UpstreamError:
    """The deadline of the whole exchange passed; ``begun`` when the head of the answer had come."""
    what = "finish its answer" if begun else "answer"
    return _told("net.timeout", f"{host} did not {what} within {seconds:.3g} s", "try again later, or ask for less")


def lost(host: str, error: BaseException | None, *, begun: bool) -> UpstreamError:
    """The connection ended before the answer did."""
    if isinstance(error, ConnectionError):
        return _told("net.broken", f"{host} reset the connection")
    if error is not None:
        return _told("net.broken", f"the exchange with {host} failed: {_cause(error)}")
    how = "in the middle of its answer" if begun else "without an answer"
    return _told("net.broken", f"{host} closed the connection {how}")


def stopping(host: str) -> UpstreamError:
    """The sender was closed while an exchange was under way."""
    return _told("net.broken", f"the exchange with {host} was ended, because this program is stopping")


def unreadable(host: str) -> UpstreamError:
    """What was to be sent could not be read to its end."""
    return _told("net.broken", f"the request to {host} broke off, because a file to be sent could not be read")


def garbled(host: str, why: str, *, begun: bool) -> UpstreamError:
    """What came is not HTTP, or stopped being HTTP after the head of the answer."""
    why = _printable(why)
    if begun:
        return _told("net.broken", f"the answer of {host} broke off: {why}")
    return _told("net.broken", f"{host} answered with something that is not HTTP: {why}")


def undecodable(host: str, why: str) -> UpstreamError:
    """The content coding of the body is broken."""
    return _told("net.broken", f"the answer of {host} could not be decoded: {_printable(why)}")


def head_too_large(host: str) -> UpstreamError:
    """More headers, or longer ones, than an answer has."""
    return _told("net.broken", f"{host} sent more headers than can be read")


def switched(host: str) -> UpstreamError:
    """A protocol was chosen that nobody asked for."""
    return _told("net.broken", f"{host} switched to another protocol instead of answering")


def _told(code: str, message: str, hint: str = "") -> UpstreamError:
    return UpstreamError(message, code=code, hint=hint)


def _cause(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return _printable(str(error)) or type(error).__name__


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()[:200]
