"""The HTTP client's errors as ours, in one place. Sentences name the host and the cause; never a URL, never a header.

The client tells little by its types (a hanging answer and a slow connection are one class), so the chain of causes is
read: the first entry of a table that occurs in it decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyreqwest import exceptions as raised

from apiloom.base.errors import DesignError, UpstreamError

_OS_ERROR = re.compile(r"\s*\(os error \d+\)")
_NEVER_ANSWERED = ("connection closed before message completed", "connection error", "Connection reset", "Broken pipe")

_CERTIFICATES = (
    ("UnknownIssuer", "its issuer is not trusted"),
    ("expired", "it has expired"),
    ("not valid for name", "it is for another host name"),
    ("NotValidYet", "it is not valid yet"),
    ("not valid yet", "it is not valid yet"),
)
_CAUSES: tuple[tuple[str, str, str, str], ...] = (
    # needle, code, sentence about the host, hint
    ("dns error", "net.dns", "the host name of {host} cannot be resolved", "check the base URL and the network"),
    (
        "tunnel error: proxy authorization required",
        "net.refused",
        "the proxy on the way to {host} wants credentials",
        "put user and password into the proxy setting",
    ),
    ("tunnel error", "net.refused", "the proxy made no connection to {host}: {cause}", "check the proxy setting"),
    (
        "Connection refused",
        "net.refused",
        "{host} refused the connection",
        "check that the API is up and the port right",
    ),
    ("unreachable", "net.refused", "{host} cannot be reached: {cause}", "check the base URL and the network"),
    ("tcp connect error", "net.refused", "{host} cannot be reached: {cause}", "check the base URL and the network"),
    ("received fatal alert", "net.tls", "{host} refused the TLS connection: {cause}", "check the TLS settings"),
    (
        "received corrupt message",
        "net.tls",
        "{host} does not speak TLS on this port",
        "check the scheme of the base URL",
    ),
    ("message head is too large", "net.broken", "{host} sent more headers than can be read", ""),
    ("end of file before message length", "net.broken", "{host} closed the connection in the middle of its answer", ""),
    ("unexpected end of file", "net.broken", "{host} closed the connection in the middle of its answer", ""),
    ("connection closed before", "net.broken", "{host} closed the connection without an answer", ""),
    ("Connection reset", "net.broken", "{host} reset the connection", ""),
    ("reading a body", "net.broken", "the answer of {host} broke off: {cause}", ""),
)


def translated(error: raised.PyreqwestError, host: str, timeout: float) -> UpstreamError:
    """The client's error as an :class:`UpstreamError` about ``host``; ``timeout`` is the one that was in force."""
    causes = _causes(error)
    chain = "\n".join(causes)
    if isinstance(error, raised.ClientClosedError):
        return _told("net.broken", f"the exchange with {host} was ended, because this program is stopping", "", chain)
    if isinstance(error, TimeoutError):
        return _late(error, chain, host, timeout)
    if "certificate" in chain:
        why = next((text for needle, text in _CERTIFICATES if needle in chain), "it is not acceptable")
        hint = "trust its authority through the CA setting, or mend the server's certificate"
        return _told("net.tls", f"the TLS certificate of {host} was not accepted: {why}", hint, chain)
    cause = _last(causes)
    for needle, code, sentence, hint in _CAUSES:
        if needle in chain:
            return _told(code, sentence.format(host=host, cause=cause), hint, chain)
    if isinstance(error, raised.BodyDecodeError):
        return _told("net.broken", f"the answer of {host} could not be decoded: {cause}", "", chain)
    if isinstance(error, raised.DecodeError):
        return _told("net.broken", f"{host} answered with something that is not HTTP: {cause}", "", chain)
    return _told("net.broken", f"the exchange with {host} failed: {cause}", "", chain)


def never_answered(error: raised.PyreqwestError) -> bool:
    """Whether the connection broke after the request went out and before the head of an answer was complete."""
    chain = "\n".join(_causes(error))
    return (
        isinstance(error, raised.ConnectError)
        and "SendRequest" in chain
        and any(needle in chain for needle in _NEVER_ANSWERED)
    )


def too_large(host: str, limit: int) -> UpstreamError:
    """The answer exceeds the bound on its decoded size."""
    return UpstreamError(
        f"the answer of {host} is larger than {limit:,} bytes",
        code="net.too_large",
        hint="ask for less, for example by a filter or a smaller page",
        host=host,
    )


def no_room(host: str) -> UpstreamError:
    """The answer is not too large, but there is no place for it now."""
    return UpstreamError(
        f"there is no room now for the large answer of {host}, because others are being read or kept",
        code="net.no_room",
        hint="try again in a moment, or ask for less",
        host=host,
    )


def unusable(error: Exception, what: str) -> DesignError:
    """A TLS or proxy setting that the client does not take. The client's own words are dropped: they may quote it."""
    del error
    return DesignError(f"the {what} cannot be used", code="net.settings", hint="check its format")


def _late(error: Exception, chain: str, host: str, timeout: float) -> UpstreamError:
    if "(Connect)" in chain:
        return _told("net.timeout", f"{host} did not accept a connection in time", "check host and port", chain)
    what = "finish its answer" if isinstance(error, raised.ReadTimeoutError) else "answer"
    return _told(
        "net.timeout", f"{host} did not {what} within {timeout:.3g} s", "try again later, or ask for less", chain
    )


def _told(code: str, message: str, hint: str, chain: str) -> UpstreamError:
    return UpstreamError(message, code=code, hint=hint, causes=chain)


def _causes(error: raised.PyreqwestError) -> list[str]:
    """The chain of causes, without those that quote the URL: its query may hold a key."""
    details = getattr(error, "details", None) or {}
    listed = details.get("causes") or []
    return [cause["message"] for cause in listed if " url (" not in cause["message"]]


def _last(causes: Sequence[str]) -> str:
    text = causes[-1] if causes else "no cause was given"
    return " ".join(_OS_ERROR.sub("", text).split())[:200]
