"""What an MCP client may say of itself, and where it may have people sent back to. Pure rules, no requests.

Sources: RFC 7591 section 2, RFC 8252 sections 7 and 8, OAuth Client ID Metadata Document (draft), OAuth 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from apiloom.base.errors import CallerError
from apiloom.identity.settings import is_loopback

LONGEST: Final = 2000
"""Characters of a URL."""

MOST_URIS: Final = 20
LONGEST_NAME: Final = 100

CODE_GRANT: Final = "authorization_code"
REFRESH_GRANT: Final = "refresh_token"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
"""The ways to a token, by OAuth's names (RFC 6749 sections 4.1 and 6, RFC 8628 section 3.4)."""

USUAL_GRANTS: Final = (CODE_GRANT, REFRESH_GRANT)

_APPLICATIONS: Final = frozenset(
    {
        *("claude", "cursor", "goose", "raycast", "vscode", "vscode-insiders", "vscodium", "warp", "windsurf", "zed"),
    }
)
"""Schemes of known MCP clients. All others are a domain of their maker's, turned round (RFC 8252 section 7.1): what
has no dot may be the system's own, such as ``search-ms`` or ``itms-services``, and does things when it is opened.
"""

_REVERSED = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+", re.ASCII)
_SYSTEMS = ("ms-", "x-")
_AUTHORITY = re.compile(r"[A-Za-z0-9.:\[\]-]*", re.ASCII)
"""What may stand between ``//`` and the path: it is shown to people, and stands in a policy for browsers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTerms:
    """What a client said of itself, checked. ``name`` is its own word, nobody else's; ``grants`` are those of the ways
    to a token that it named, of those there are.
    """

    name: str
    redirect_uris: tuple[str, ...]
    grants: tuple[str, ...] = USUAL_GRANTS


def refused(code: str, why: str, hint: str = "") -> CallerError:
    """A refusal by one of OAuth's own words behind a family of ours, such as ``sign_in.invalid_request``."""
    return CallerError(why, code=code, hint=hint)


def read_client(value: object) -> ClientTerms:
    """Read what a client registers (RFC 7591 section 2), or what its document says.

    Raises:
        CallerError: ``sign_in.invalid_client_metadata``, ``sign_in.invalid_redirect_uri``.
    """
    if not isinstance(value, Mapping):
        raise refused("sign_in.invalid_client_metadata", "a client is described by a JSON object")
    grants = _grants(value.get("grant_types"))
    # who has nobody sent back needs no place for it (RFC 7591 section 2)
    uris = value.get("redirect_uris", [] if CODE_GRANT not in grants else None)
    if not isinstance(uris, list) or not (CODE_GRANT not in grants or uris) or len(uris) > MOST_URIS:
        raise refused("sign_in.invalid_redirect_uri", f"a client names one to {MOST_URIS} redirect_uris")
    for uri in uris:
        if not isinstance(uri, str) or not is_redirect(uri):
            raise refused(
                "sign_in.invalid_redirect_uri",
                "a redirect URI is https, http on this machine alone, or of an application's own scheme",
                "an own scheme is a domain turned round, such as com.example.app; leave out fragments and users",
            )
    wanted = value.get("response_types")
    if wanted is not None and CODE_GRANT in grants and not (isinstance(wanted, list) and "code" in wanted):
        raise refused("sign_in.invalid_client_metadata", "response_types must have code")
    name = value.get("client_name", "")
    return ClientTerms(name=_clean(name) if isinstance(name, str) else "", redirect_uris=tuple(uris), grants=grants)


def read_document(value: object, url: str) -> ClientTerms:
    """Read the document that a client's id leads to; it must be about that very URL.

    Raises:
        CallerError: as :func:`read_client`; ``sign_in.invalid_client``.
    """
    if not isinstance(value, Mapping) or value.get("client_id") != url:
        raise refused("sign_in.invalid_client", "the client's document is not about the URL it lies at")
    if value.get("token_endpoint_auth_method", "none") != "none" or "client_secret" in value:
        raise refused("sign_in.invalid_client", "clients that are named by a document have no secret here")
    return read_client(value)


def is_document_url(text: str) -> bool:
    """Whether a client id is the URL of a document: https, with a path, and plain."""
    if not text.startswith("https://") or not _plain(text) or "#" in text:
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or _AUTHORITY.fullmatch(parts.netloc) is None or parts.path in {"", "/"}:
        return False
    return not {".", ".."} & set(parts.path.split("/"))


def is_redirect(uri: str) -> bool:
    """Whether people may be sent to a URI at all."""
    if not _plain(uri) or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    if _AUTHORITY.fullmatch(parts.netloc) is None:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme == "http":
        return is_loopback(parts.hostname or "")
    return parts.scheme in _APPLICATIONS or (
        _REVERSED.fullmatch(parts.scheme) is not None and not parts.scheme.startswith(_SYSTEMS)
    )


def allows(registered: Iterable[str], asked: str) -> bool:
    """Whether a redirect URI is one that was registered: letter by letter, but for the port of this machine's own
    addresses, which an application does not know beforehand (RFC 8252 section 7.3).
    """
    known = tuple(registered)
    if asked in known:
        return is_redirect(asked)
    wanted = _without_port(asked)
    return wanted is not None and any(_without_port(each) == wanted for each in known)


def redirect_host(uri: str) -> str:
    """What a person is told of where they are sent back to."""
    parts = urlsplit(uri)
    if parts.scheme == "https" or (parts.scheme == "http" and not is_loopback(parts.hostname or "")):
        return parts.netloc
    if parts.scheme == "http":
        return "this computer"
    return f"the application for {parts.scheme}: links"


def is_web(uri: str) -> bool:
    """Whether a URI belongs to whoever has its host: no other program can take what is sent there."""
    return uri.startswith("https://")


def is_local(uri: str) -> bool:
    """Whether a URI is that of a program which listens on this computer."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def _grants(wanted: object) -> tuple[str, ...]:
    """The ways to a token that a client names; those of a browser where it names none, or not a device's."""
    if wanted is None:
        return USUAL_GRANTS
    known = (*USUAL_GRANTS, DEVICE_GRANT)
    if not isinstance(wanted, list) or not any(isinstance(each, str) and each in known for each in wanted):
        raise refused("sign_in.invalid_client_metadata", f"grant_types must have one of {', '.join(known)}")
    if DEVICE_GRANT not in wanted:
        return USUAL_GRANTS
    return tuple(each for each in known if each in wanted or each == REFRESH_GRANT)


def _without_port(uri: str) -> tuple[str, str, str] | None:
    if not is_redirect(uri):
        return None
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(host):
        return None
    return host, parts.path, parts.query


def _plain(text: str) -> bool:
    """Printable ASCII without what parsers read differently from each other."""
    return 0 < len(text) <= LONGEST and all("!" <= sign <= "~" for sign in text) and not set(text) & set('\\"<>^`{|}')


def _clean(name: str) -> str:
    """A name as one line of printable text, without signs that turn the direction of writing."""
    return "".join(sign for sign in " ".join(name[:1000].split()) if sign.isprintable())[:LONGEST_NAME]
