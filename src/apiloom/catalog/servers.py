"""Which origin and folder an operation's requests go to.

Servers are URL templates, absolute or relative; what comes out is a plain http(s) origin in the spelling an HTTP
client would give it (so that nothing is rewritten later) and a path prefix. A variable's value can never leave the
place where the template puts it; only values that the document itself lists may. Pure: nothing is looked up.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from urllib.parse import SplitResult, urljoin, urlsplit

from apiloom.base.errors import DesignError
from apiloom.catalog.values import escape_except
from apiloom.model.api import Server

_variable = re.compile(r"\{([^{}]*)\}")
_host = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?").fullmatch
_numeric = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?").fullmatch
_bracketed = re.compile(r"\[[0-9A-Fa-f:.]+\](?::\d*)?").fullmatch
_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_path_text = escape_except("!$&'()*+,;=:@/", triplets=True)
_dot_segment = re.compile(r"(?:^|[/\\]|%2[fF]|%5[cC])(?:\.|%2[eE]){1,2}(?:[/;\\]|$|%2[fF]|%5[cC]|%3[bB])").search
"""Many servers undo escapes before they look at where a path leads, so escaped slashes count as slashes."""

DEFAULT_PORTS = {"http": 80, "https": 443}
NO_BASE = "say where the API answers with --base-url"

_MOST_LISTED = 12
_STAND_IN = re.compile(
    r"(?i)[<{\[].*|x{3,}|your[-_ .a-z0-9]*|my[-_ a-z0-9]*|(?:sub-?)?domain|acme|account|change-?me|company|customer|"
    r"example|host(?:name)?|instance|none|null|org|organi[sz]ation|placeholder|site|store|tenant|undefined|workspace"
).fullmatch
"""Defaults that stand for a name still to be told. A host of that name is somebody else's."""
_left_to_fill = re.compile(r"your[-_].*|(?:change|replace)-?_?me").fullmatch
"""Labels of hosts that are written out and stand for a name still to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseUrl:
    """Where requests go: ``origin`` is ``scheme://host[:port]``, ``path_prefix`` empty or ``/…`` with no last slash."""

    origin: str
    path_prefix: str = ""


def choose_server(servers: Sequence[Server], wanted: str) -> Server:
    """One of a document's servers by its place in the list (from 1), its URL, or words of its description.

    Raises:
        DesignError: ``server.choice`` when none or several are meant; the hint lists what there is.
    """
    if wanted.isascii() and wanted.isdigit():
        meant = [servers[int(wanted[:6]) - 1]] if 0 < int(wanted[:6]) <= len(servers) else []
    else:
        words = wanted.strip().lower()
        meant = [server for server in servers if words in (server.url.lower(), server.description.strip().lower())]
        meant = meant or [server for server in servers if words in f"{server.description}\n{server.url}".lower()]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(
        f"{at} is {_shown(server.url)}"
        + (f" ({' '.join(server.description.split())[:60]})" if server.description else "")
        for at, server in enumerate(servers[:_MOST_LISTED], 1)
    )
    raise DesignError(
        f"{len(meant) or 'none'} of the document's servers {'is' if not meant else 'are'} meant by {wanted[:60]!r}",
        code="server.choice",
        hint=f"give a number or more of its name: {listed}",
    )


def resolve_origin(
    servers: Sequence[Server],
    *,
    own_servers: bool = False,
    base_url_override: str | None = None,
    document_url: str = "",
    variables: Mapping[str, str] | None = None,
) -> BaseUrl:
    """The base URL of an operation.

    The override replaces the document's servers; servers of a path or operation stay, relative ones resolve against
    the override, else against the document's URL. The first server that can be used counts, and its ``https`` twin
    where the document lists both. A document without servers means the root of where it came from.

    Raises:
        DesignError: ``server.missing`` when nothing says where the API answers, ``server.variable`` for a value that
            is missing or not allowed, ``server.invalid`` for a URL no request can go to.
    """
    override = _split(base_url_override) if base_url_override else None
    base = override or (_split(document_url) if document_url.lower().startswith(("http://", "https://")) else None)
    if override is not None and not own_servers:
        return _base_url(override, base_url_override or "")
    problems: list[DesignError] = []
    usable: list[BaseUrl] = []
    for server in servers or (Server(url="/"),):
        try:
            usable.append(_resolved(server, base, variables or {}))
        except DesignError as error:
            if error.facts.get("wanted") and not usable:
                raise  # going on to the next server would guess at what the first one asks for
            problems.append(error)
    if not usable:
        raise next((error for error in problems if error.code == "server.variable"), problems[0])
    twin = BaseUrl(origin=usable[0].origin.replace("http://", "https://", 1), path_prefix=usable[0].path_prefix)
    return twin if twin in usable else usable[0]


def unfilled(servers: Sequence[Server], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that the first of some servers has no value for, in the order its URL has them."""
    if not servers:
        return ()
    found: dict[str, None] = {}
    pieces = _variable.split(servers[0].url)
    before = pieces[0]
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        try:
            before += _value(servers[0], name, variables, in_host=_begins_host(before)) + literal
        except DesignError as error:
            if error.facts.get("wanted"):
                found[name] = None
            before += f"x{literal}"
    return tuple(found)


def _resolved(server: Server, base: SplitResult | None, variables: Mapping[str, str]) -> BaseUrl:
    url = _filled(server, variables).strip() or "/"
    if _scheme(url):
        return _base_url(_split(url), server.url)
    if url.startswith("//"):
        return _base_url(_split(f"{base.scheme if base else 'https'}:{url}"), server.url)
    if base is None and url == "/":
        raise DesignError("the document does not say where its API answers", code="server.missing", hint=NO_BASE)
    if base is None:
        raise DesignError(
            f"the document's server {server.url[:120]!r} is no absolute URL", code="server.missing", hint=NO_BASE
        )
    return _base_url(_split(urljoin(base.geturl(), url)), server.url)


def _filled(server: Server, variables: Mapping[str, str]) -> str:
    """The template with its variables filled in, each made harmless for the place it stands in."""
    pieces = _variable.split(server.url)
    if any(brace in literal for literal in pieces[::2] for brace in "{}"):
        raise _invalid(server.url, "has a brace without its partner")
    url = pieces[0]
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        value = _value(server, name, variables, in_host=_begins_host(url))
        declared = server.variables.get(name)
        if declared is None or value not in (declared.default, *declared.enum):
            value = _harmless(name, value, url, literal)
        url += value + literal
    return url


def _value(server: Server, name: str, variables: Mapping[str, str], *, in_host: bool) -> str:
    declared = server.variables.get(name)
    if name in variables:
        value = variables[name]
        if declared is not None and declared.enum and value not in declared.enum:
            allowed = ", ".join(declared.enum)
            raise _bad_variable(name, f"cannot be {value[:60]!r}", f"it is one of {allowed[:300]}")
        return value
    wanted = f"give it with --variable {quote(f'{name[:60]}=VALUE')}"
    told = " ".join(declared.description.split())[:120] if declared is not None else ""
    listed = f"it is one of {', '.join(declared.enum)}"[:300] if declared is not None and declared.enum else ""
    hint = "; ".join(filter(None, (told, listed, wanted)))
    if declared is None or declared.default is None:
        raise _bad_variable(name, "has no value", f"{hint}, or {NO_BASE}", wanted=True)
    if in_host and not declared.enum and (_STAND_IN(declared.default.strip()) or declared.default == name):
        why = f"has only a stand-in, {declared.default[:60]!r}, which would be somebody else's host"
        raise _bad_variable(name, why, f"{hint}, or {NO_BASE}", wanted=True)
    return declared.default


def _begins_host(before: str) -> bool:
    """Whether what follows belongs to the host of the URL begun."""
    scheme, mark, rest = before.partition("//")
    return bool(mark) and (not scheme or scheme.endswith(":")) and "/" not in rest


def _harmless(name: str, value: str, before: str, behind: str) -> str:
    """A variable's value, if it stays inside the part of the URL where the template put it."""
    in_host = _begins_host(before)
    if before and not in_host:
        if _dot_segment(value) or not value.isprintable():
            raise _bad_variable(name, f"cannot be {value[:60]!r}", "it is part of a path")
        return _path_text(value)
    if any(char in value for char in "@?# \\") or not value.isprintable():
        raise _bad_variable(name, f"cannot be {value[:60]!r}", "it holds no @, ?, #, backslash or space")
    if in_host and ("/" in value or "%" in value):
        raise _bad_variable(name, f"cannot be {value[:60]!r}", "it is part of a host name")
    if behind.startswith("://") and not before and value.lower() not in DEFAULT_PORTS:
        raise _bad_variable(name, f"cannot be {value[:60]!r}", "it is http or https")
    return value


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url.strip())
    except ValueError:
        raise _invalid(url, "cannot be read") from None


def _base_url(url: SplitResult, written: str) -> BaseUrl:
    scheme = url.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise _invalid(written, "does not begin with http:// or https://")
    if "@" in url.netloc:
        raise _invalid(written, "holds a user name, which belongs to the credentials")
    if url.query or url.fragment:
        raise _invalid(written, "holds a query or fragment")
    host = _ascii_host(url, written)
    try:
        port = url.port
    except ValueError:
        port = 0
    if port == 0:
        raise _invalid(written, "has a port that is none")
    suffix = "" if port in (None, DEFAULT_PORTS[scheme]) else f":{port}"
    if _dot_segment(url.path) or "\\" in url.path:
        raise _invalid(written, "has a path that leads elsewhere")
    return BaseUrl(origin=f"{scheme}://{host}{suffix}", path_prefix=_path_text(url.path).rstrip("/"))


def _ascii_host(url: SplitResult, written: str) -> str:
    """The host as it goes on the wire: lower case, international names in punycode, addresses in one spelling."""
    host = url.hostname or ""
    if "[" in url.netloc or "]" in url.netloc:
        try:
            address = ipaddress.IPv6Address(host if _bracketed(url.netloc) else "")
            return f"[{_shortest(address)}]"
        except ValueError:
            raise _invalid(written, "has an address in brackets that is none") from None
    name = unicodedata.normalize("NFKC", host).lower().replace("。", ".")
    try:
        name = ".".join(_label(label) for label in name.split("."))
    except UnicodeError:
        raise _invalid(written, "has a host name that is none") from None
    if not _host(name) or len(name) > 253 or any(len(label) > 63 for label in name.split(".")):
        raise _invalid(written, "has a host name that is none" if name else "has no host")
    if any(_left_to_fill(label) for label in name.split(".")):
        raise _invalid(written, "has a host name with a part that you are to fill in")
    if _numeric(name):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _invalid(written, "has a numeric host that is no IPv4 address") from None
    return name


def _label(label: str) -> str:
    if label.isascii():
        return label
    # what shows as nothing would make another host of a name that reads the same
    if not all(sign in "-_" or sign.isalnum() or unicodedata.category(sign) in ("Mn", "Mc") for sign in label):
        raise UnicodeError
    return "xn--" + label.encode("punycode").decode("ascii")


def _shortest(address: ipaddress.IPv6Address) -> str:
    """RFC 5952 without its special case for IPv4 inside, which clients do not write."""
    groups = [f"{int.from_bytes(address.packed[at : at + 2], 'big'):x}" for at in range(0, 16, 2)]
    zeros = max((":".join(["0"] * length) for length in range(8, 1, -1)), key=lambda run: _holds(groups, run))
    return ":".join(groups) if not _holds(groups, zeros) else _squeezed(groups, zeros.count("0"))


def _holds(groups: list[str], run: str) -> int:
    length = run.count("0")
    return length if any(groups[at : at + length] == ["0"] * length for at in range(9 - length)) else 0


def _squeezed(groups: list[str], length: int) -> str:
    start = next(at for at in range(9 - length) if groups[at : at + length] == ["0"] * length)
    return f"{':'.join(groups[:start])}::{':'.join(groups[start + length :])}"


def _invalid(url: str, why: str) -> DesignError:
    return DesignError(f"the server {_shown(url)!r} {why}", code="server.invalid", hint=NO_BASE)


def _shown(url: str) -> str:
    """A URL fit to show: what stands before an ``@`` in its host may be a password, and a query may hold a key."""
    return re.sub(r"[?#].*", "?***", re.sub(r"//[^/?#]*@", "//***@", url), flags=re.DOTALL)[:120]


def _bad_variable(name: str, why: str, hint: str, *, wanted: bool = False) -> DesignError:
    return DesignError(
        f"the server variable {name[:60]!r} {why}", code="server.variable", hint=hint, variable=name, wanted=wanted
    )
