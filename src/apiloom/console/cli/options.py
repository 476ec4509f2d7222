"""Options that several commands share, their checks, and the values they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from apiloom.base.errors import CallerError
from apiloom.catalog.profiles import NAMES
from apiloom.console.cli.later import check_source, not_yet
from apiloom.console.cli.seat import Seat
from apiloom.console.house import LEAST_TOKENS, RESULT_TOKENS, Options

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_AUTH = re.compile(r"bearer|basic|(header|cookie|scheme):[!#$%&'*+.^_`|~0-9A-Za-z-]+|query:[^,\s]([^,]*[^,\s])?")
_SLUG = re.compile(r"[a-z][a-z0-9]{0,11}:(?!//)")


class SourceWord(click.ParamType[str]):
    """Where an API description is; shells complete it as a file name."""

    name = "SOURCE"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        del ctx, param  # any file may be a document
        return [CompletionItem(incomplete, type="file")]


class SourceCommand(click.Command):
    """A command that takes sources: what stands after ``--`` is the command line of a stdio source."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            raise not_yet("command lines after -- come", hint="give an OpenAPI document: a file, a folder, a URL or -")
        return super().parse_args(ctx, args)


def reading(command: Decorated) -> Decorated:
    """The options by which a document is read and its API called: :class:`~apiloom.console.house.Options`."""
    for decorate in reversed(_READING):
        command = decorate(command)
    return command


def answering(command: Decorated) -> Decorated:
    """What every command has. Both are looked for before parsing, so that usage errors heed them too."""
    for decorate in (_JSON, _DEBUG):
        command = decorate(command)
    return command


def debugging(command: Decorated) -> Decorated:
    """``--debug`` alone, for the command whose ``--json`` takes a value."""
    return _DEBUG(command)


def read_options(given: dict[str, Any]) -> Options:
    """The values of :func:`reading` as one."""
    return Options(
        base_url=next((url for url in given["base_url"] if not _SLUG.match(url)), ""),
        base_urls=tuple(url for url in given["base_url"] if _SLUG.match(url)),
        servers=given["servers"],
        variables=given["variables"],
        headers=given["headers"],
        trusted=given["trusted"],
        name=given["name"] or "",
        auth=",".join(given["auth"]),
        credentials=given["credentials"] or "",
        profile=given["profile"],
        require_descriptions=given["require_descriptions"],
        remote_refs=given["remote_refs"],
        cache=not given["no_cache"],
        timeout=given["timeout"],
        result_tokens=given.get("result_tokens", 0),
    )


def checked(seat: Seat, sources: Sequence[str]) -> tuple[str, ...]:
    """Sources that can be read now, in order.

    Raises:
        CallerError: ``cli.not_yet``; ``cli.stdin_twice`` when standard input is named more than once.
    """
    if list(sources).count("-") > 1:
        raise CallerError(
            "standard input can be one source only", code="cli.stdin_twice", hint="put the others into files"
        )
    return tuple(check_source(source, seat.house.surroundings.folder) for source in sources)


def limiting(command: Decorated) -> Decorated:
    """``--result-tokens``, for commands whose answers a model reads."""
    return _RESULT_TOKENS(command)


def _tokens(_ctx: click.Context, param: click.Parameter, value: int) -> int:
    if 0 < value < LEAST_TOKENS:
        raise click.BadParameter(f"give {LEAST_TOKENS} at least, or 0 for no limit", param=param)
    return value


def http_url(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuses what is no absolute http(s) URL, and passwords inside one: command lines are seen by others."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        shown = re.sub(r"[?#].*", "?***", value.rpartition("@")[2])  # what stands around may be a password or a key
        raise click.BadParameter(f"{shown!r} is no http or https URL", param=param)
    if parts.password is not None:
        raise click.BadParameter(
            "credentials do not belong into a URL, use APILOOM_AUTH_… or --credentials", param=param
        )
    return value


def public_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A URL by which clients know a server, as their programs write it: tokens are bound to it letter by letter."""
    if not http_url(ctx, param, value) or value is None:
        return value
    parts = urlsplit(value)
    if "@" in parts.netloc or "?" in value or "#" in value or not value.isascii():
        raise click.BadParameter("write scheme, host and port alone, a host beyond ASCII as xn--…", param=param)
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{'' if parts.port in (None, usual) else f':{parts.port}'}{parts.path}"


def gateway_url(value: str | None) -> str:
    """A public URL that a gateway can have: its pages, cookies and well-known places lie at the root of their host.

    Raises:
        CallerError: ``cli.public_path``.
    """
    path = urlsplit(value or "").path.rstrip("/").removesuffix("/mcp")
    if path:
        raise CallerError(
            f"the gateway cannot be known by a URL with a path, such as {path[:60]}",
            code="cli.public_path",
            hint="give it a host name of its own, as --public-url https://gateway.example.com",
        )
    return value or ""


def _unnamed(value: str) -> str:
    """A value without the slug of the source it is for."""
    found = _SLUG.match(value)
    return value[found.end() :] if found else value


def _base_urls(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """One URL for all sources, and any number for single ones, as ``SLUG:URL``."""
    for value in values:
        http_url(ctx, param, _unnamed(value))
    if sum(1 for value in values if not _SLUG.match(value)) > 1:
        raise click.BadParameter("given twice, among several sources write SLUG:URL", param=param)
    return values


def _origins(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        http_url(ctx, param, _unnamed(value))
    return values


def _pairs(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if "=" not in value or value.startswith("="):
            raise click.BadParameter("write NAME=VALUE", param=param)
    return values


def _auth(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _AUTH.fullmatch(value):
            raise click.BadParameter(
                "give bearer, basic, header:NAME, query:NAME, cookie:NAME or scheme:NAME", param=param
            )
    return values


_JSON = click.option("--json", is_flag=True, expose_value=False, help="Answer in JSON, errors too.")
_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show where a failure happened.")

_RESULT_TOKENS = click.option(
    "--result-tokens",
    type=click.IntRange(min=0, max=10_000_000),
    default=RESULT_TOKENS,
    show_default=True,
    callback=_tokens,
    metavar="N",
    help="Longest answer a model is shown, in tokens of four bytes; 0 for any length.",
)

_READING: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--base-url",
        metavar="URL",
        multiple=True,
        callback=_base_urls,
        help="Call the API here instead of where it says; among several sources SLUG:URL.",
    ),
    click.option(
        "--server",
        "servers",
        metavar="WHICH",
        multiple=True,
        help="The document's server to call: number, URL or name.",
    ),
    click.option(
        "--variable", "variables", metavar="NAME=VALUE", multiple=True, callback=_pairs, help="A variable of its URL."
    ),
    click.option(
        "--header",
        "headers",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_pairs,
        help="A header that every call carries, such as an API version; never a secret.",
    ),
    click.option(
        "--trust",
        "trusted",
        metavar="ORIGIN",
        multiple=True,
        callback=_origins,
        help="Another server of the document that credentials may go to.",
    ),
    click.option("--name", metavar="NAME", help="What clients are told this server is called."),
    click.option(
        "--credentials", metavar="FILE", type=click.Path(), help="Credentials by scheme, in a file only you can read."
    ),
    click.option(
        "--auth",
        metavar="KIND",
        multiple=True,
        callback=_auth,
        help="For documents without schemes: bearer, basic, header:, query:, cookie: or scheme:NAME; defines DEFAULT.",
    ),
    click.option(
        "--profile",
        type=click.Choice(NAMES),
        default="intersection",
        show_default=True,
        help="The clients whose schemas' limits to keep.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True, max=3600),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Longest wait for one answer of the API.",
    ),
    click.option("--require-descriptions", is_flag=True, help="Leave out operations that no human described."),
    click.option("--remote-refs", is_flag=True, help="Follow references to other hosts."),
    click.option("--no-cache", is_flag=True, help="Read the document anew, keep nothing of it."),
)
