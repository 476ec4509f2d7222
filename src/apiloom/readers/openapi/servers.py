"""Where an API answers, as each version says it. Knows nothing of operations; resolves nothing against a base."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from apiloom.model.api import Server, ServerVariable
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Spot, is_url

_MOST_TOLD = 6
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def read_home(reading: Reading, root: dict[str, Any]) -> tuple[Server, ...]:
    """The servers of the whole document; never none.

    OpenAPI 3.1 section 4.8.1.1: the default is a server with the URL ``/``, relative to where the document came from.
    """
    spot = Spot(reading.library.entry, "")
    if reading.dialect.swagger:
        servers = read_host(reading, root)
        said = bool(root.get("host")) or isinstance(root.get("x-ms-parameterized-host"), dict)
    else:
        servers = read_servers(reading, root.get("servers"), spot.to("servers"))
        said = bool(servers)
        servers = servers or (Server(url="/"),)
    _note_home(reading, servers, spot, said=said)
    return servers


def _note_home(reading: Reading, servers: tuple[Server, ...], spot: Spot, *, said: bool) -> None:
    """Say what is guessed about where the API answers, and what there is to choose."""
    from_url = is_url(reading.library.entry)
    if not said:
        rest = "it is called where the document came from" if from_url else "say where the API answers with --base-url"
        what = "host" if reading.dialect.swagger else "server"
        reading.note("warning", "server.none", f"the document names no {what}; {rest}", spot)
    elif not from_url and not any(_is_absolute(server.url) for server in servers):
        message = (
            f"the document's server {servers[0].url[:120]!r} is relative; say where the API answers with --base-url"
        )
        reading.note("warning", "server.relative", message, spot)
    if reading.schemes and servers[0].url.lower().startswith("http://") and not _is_private(servers):
        message = (
            f"the document's server {_shown(Server(url=servers[0].url))} is reached without encryption, and whoever is "
            "on the way can read the credentials"
        )
        reading.note("warning", "server.plain", message, spot)
    bare = {server.url.partition("://")[2] or server.url for server in servers}
    if len(bare) > 1:
        listed = "; ".join(f"{at}: {_shown(server)}" for at, server in enumerate(servers[:_MOST_TOLD], 1))
        more = f"; and {len(servers) - _MOST_TOLD} more" if len(servers) > _MOST_TOLD else ""
        message = f"the document names {len(servers)} servers, of which --server chooses one ({listed}{more})"
        reading.note("note", "server.several", message, spot)


def _is_private(servers: tuple[Server, ...]) -> bool:
    """Whether credentials stay on this machine, or go by the encrypted twin that the document names too."""
    url = servers[0].url
    host = url[7:].partition("/")[0].lower()
    twin = any(server.url == f"https://{url[7:]}" for server in servers)
    return twin or bool(re.fullmatch(r"(?:.*\.)?localhost(?::.*)?|127\.[\d.]+(?::.*)?|\[::1\](?::.*)?", host))


def _is_absolute(url: str) -> bool:
    return "://" in url or url.startswith(("//", "{"))


def _shown(server: Server) -> str:
    told = " ".join(server.description.split())[:60]
    url = re.sub(r"//[^/?#]*@", "//***@", server.url)[:120]
    return f"{url} {told}" if told else url


def read_servers(reading: Reading, value: object, spot: Spot) -> tuple[Server, ...]:
    """A ``servers`` list (OpenAPI 3). What cannot be read is left out with a finding."""
    if value is None:
        return ()
    if not isinstance(value, list):
        reading.note("warning", "server.invalid", "servers is not a list; it was left out", spot)
        return ()
    servers = [_server(reading, each, spot.to(index)) for index, each in enumerate(value)]
    return tuple(server for server in servers if server is not None)


def _server(reading: Reading, value: object, spot: Spot) -> Server | None:
    if isinstance(value, str):
        reading.note("warning", "server.invalid", "a server is a plain text; it was read as its URL", spot)
        value = {"url": value}
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        reading.note("warning", "server.invalid", "a server has no URL; it was left out", spot)
        return None
    url = value["url"].strip()
    return Server(
        url=url,
        description=reading.text(value, "description", spot),
        variables=_variables(reading, url, value.get("variables"), spot.to("variables")),
    )


def _variables(reading: Reading, url: str, value: object, spot: Spot) -> dict[str, ServerVariable]:
    declared = value if isinstance(value, dict) else {}
    variables: dict[str, ServerVariable] = {}
    for name in dict.fromkeys(_PLACEHOLDER.findall(url)):
        given = declared.get(name)
        if not isinstance(given, dict):
            reading.note("warning", "server.variable", f'the server variable "{name}" is not described', spot)
            given = {}
        default = _as_text(given.get("default"))
        enum = _texts(given.get("enum"))
        if default is not None and enum and default not in enum:
            reading.note(
                "note", "server.variable", f'the default of the server variable "{name}" is not in its enum', spot
            )
        variables[name] = ServerVariable(
            default=default, enum=enum, description=reading.text(given, "description", spot)
        )
    return variables


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return None


def read_host(reading: Reading, root: dict[str, Any]) -> tuple[Server, ...]:
    """``schemes``, ``host`` and ``basePath`` of Swagger 2.0, and the templated host that AutoRest adds."""
    spot = Spot(reading.library.entry, "")
    base = reading.text(root, "basePath", spot).strip()
    # two slashes would begin a host: a base path never leads away from the one the document has
    base = f"/{base.strip('/')}" if base.strip("/") else ""
    schemes = _schemes(reading, root, spot)
    templated = root.get("x-ms-parameterized-host")
    if isinstance(templated, dict) and isinstance(templated.get("hostTemplate"), str):
        prefix = "" if templated.get("useSchemePrefix") is False else f"{schemes[0]}://"
        url = f"{prefix}{templated['hostTemplate']}{base}"
        return (Server(url=url, variables=_host_variables(reading, templated, url, spot)),)
    host = reading.text(root, "host", spot).strip().rstrip("/")
    if not host:
        return (Server(url=base or "/"),)
    if is_url(host):
        reading.note("warning", "server.invalid", "host holds a whole URL; it was read as one", spot.to("host"))
        return (Server(url=f"{host}{base}"),)
    return tuple(Server(url=f"{scheme}://{host.lstrip('/')}{base}") for scheme in schemes)


def _host_variables(reading: Reading, templated: dict[str, Any], url: str, spot: Spot) -> dict[str, ServerVariable]:
    """The variables of AutoRest's templated host, which are described like parameters."""
    found: dict[str, dict[str, Any]] = {}
    listed = templated.get("parameters")
    for each in listed if isinstance(listed, list) else ():
        try:
            raw = reading.follow(each, spot).value
        except Dangling:
            continue
        if isinstance(raw, dict) and isinstance(raw.get("name"), str):
            found[raw["name"]] = raw
    return {
        name: ServerVariable(
            default=_as_text(found.get(name, {}).get("default")),
            enum=_texts(found.get(name, {}).get("enum")),
            description=reading.text(found.get(name, {}), "description", spot),
        )
        for name in dict.fromkeys(_PLACEHOLDER.findall(url))
    }


def _texts(listed: object) -> tuple[str, ...]:
    texts = (_as_text(each) for each in (listed if isinstance(listed, list) else ()))
    return tuple(text for text in texts if text is not None)


def _schemes(reading: Reading, root: dict[str, Any], spot: Spot) -> list[str]:
    """The HTTP schemes a document names, https first; without any, the one the document came by, else https."""
    given = root.get("schemes")
    listed = given if isinstance(given, list) else [given]
    known = {str(each).lower() for each in listed} & {"http", "https"}
    if known:
        return sorted(known, reverse=True)
    entry = reading.library.entry
    if is_url(entry):
        return [urlsplit(entry).scheme.lower()]
    if root.get("host"):
        reading.note("note", "server.scheme", "the document names no scheme; https was taken", spot)
    return ["https"]
