"""The command that starts this apiloom again, from another program and another folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from apiloom.base.errors import CallerError
from apiloom.catalog.tool import Catalog
from apiloom.console.house import RESULT_TOKENS, Options, Surroundings
from apiloom.emit.config import Client
from apiloom.model.variables import variable_name


def program(surroundings: Surroundings) -> tuple[str, ...]:
    """How to start us by an absolute path that lasts.

    An environment in uv's cache (``uvx apiloom``) may be gone tomorrow, so uvx is asked to make it anew.
    """
    parts = PurePath(surroundings.prefix).parts
    if "uv" in parts and any(part.startswith(("archive-", "environments-")) for part in parts):
        return ("uvx", "apiloom")
    folder = Path(surroundings.python).parent
    script = folder / ("apiloom.exe" if surroundings.platform == "win32" else "apiloom")
    return (str(script),) if script.is_file() else (surroundings.python, "-m", "apiloom")


def serve_words(sources: Sequence[str], options: Options, folder: Path) -> tuple[str, ...]:
    """The words after the program: sources made absolute, and the options that shape what is served.

    Raises:
        CallerError: ``install.path`` for a word that is no text, such as the name of a file in another encoding.
    """
    words = ["serve", *(_absolute(source, folder) for source in sources), "--stdio"]
    given = (
        ("--base-url", options.base_url),
        *(("--base-url", url) for url in options.base_urls),
        *(("--server", server) for server in options.servers),
        *(("--variable", variable) for variable in options.variables),
        *(("--header", header) for header in options.headers),
        *(("--trust", origin) for origin in options.trusted),
        ("--name", options.name),
        *(("--auth", kind) for kind in options.auth.split(",")),
        ("--credentials", str(folder / options.credentials) if options.credentials else ""),
        ("--profile", "" if options.profile == "intersection" else options.profile),
        ("--timeout", "" if options.timeout == Options().timeout else f"{options.timeout:g}"),
        ("--result-tokens", "" if options.result_tokens == RESULT_TOKENS else str(options.result_tokens)),
    )
    for option, value in given:
        words += [option, value] if value else []
    flags = (
        ("--require-descriptions", options.require_descriptions),
        ("--remote-refs", options.remote_refs),
        ("--no-cache", not options.cache),
    )
    words += [flag for flag, wanted in flags if wanted]
    for word in words:
        if any("\ud800" <= sign <= "\udfff" for sign in word):
            shown = word.encode("utf-8", "replace").decode()
            raise CallerError(
                f"{shown[:200]} is not named in UTF-8, and the configuration of a client holds nothing else",
                code="install.path",
                hint="rename it",
            )
    return tuple(words)


def credential_names(catalogs: Mapping[str, Catalog], auth: str, *, by_slug: bool = False) -> list[str]:
    """The variables that may hold these connectors' credentials, by slug: schemes that some tool needs, sorted.

    Several connectors have the slug in the name; ``by_slug`` has it for one alone too, which is read as well.
    """
    names: set[str] = set()
    for slug, catalog in catalogs.items():
        needs = (need for tool in catalog.tools.values() for need in tool.binding.security)
        schemes = {scheme for need in needs for scheme, _ in need}
        if auth and not catalog.schemes:
            schemes |= {"DEFAULT", *(f"DEFAULT_{number}" for number in range(2, auth.count(",") + 2))}
        told = slug if by_slug or len(catalogs) > 1 else ""
        names |= {variable_name(scheme, told) for scheme in schemes}
    return sorted(names)


def handed_on(
    client: Client, catalogs: Mapping[str, Catalog], options: Options, asked: Sequence[str], here: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Variables an entry names, and notes for the person: those asked for, and credentials that are set here and now.

    A variable that is not set is not named: some clients would hand on the text of the reference as its value.
    """
    known = credential_names(catalogs, options.auth)
    named = {*known, *credential_names(catalogs, options.auth, by_slug=True)}
    wanted = sorted({*asked, *(name for name in named if here.get(name))})
    if client == "claude-desktop" and wanted:
        return [], ["Claude Desktop hands no variables on: put credentials into a file and name it with --credentials"]
    if known and not wanted and not options.credentials:
        names = " or ".join(known[:4]) + (" or more" if len(known) > 4 else "")
        return [], [f"the API asks for credentials: set {names} and do this again, or use --credentials"]
    return wanted, []


def _absolute(source: str, folder: Path) -> str:
    is_url = source.lower().startswith(("http://", "https://"))
    return source if is_url and not (folder / source).exists() else str((folder / source).absolute())
