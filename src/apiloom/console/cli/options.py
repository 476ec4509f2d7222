"""Options that several commands share, their checks, and the values they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from apiloom.base.errors import CallerError
from apiloom.console.cli.later import check_source, not_yet
from apiloom.console.cli.seat import Seat
from apiloom.console.house import Options

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PROFILES = ("intersection", "anthropic", "openai", "gemini", "full")

_AUTH = re.compile(r"bearer|basic|(header|query):[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
        base_url=given["base_url"] or "",
        name=given["name"] or "",
        auth=given["auth"] or "",
        credentials=given["credentials"] or "",
        profile=given["profile"],
        require_descriptions=given["require_descriptions"],
        remote_refs=given["remote_refs"],
        cache=not given["no_cache"],
        timeout=given["timeout"],
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
        raise click.BadParameter(f"{value!r} is no http or https URL", param=param)
    if parts.password is not None:
        raise click.BadParameter(
            "credentials do not belong into a URL, use APILOOM_AUTH_… or --credentials", param=param
        )
    return value


def _auth(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value and not _AUTH.fullmatch(value):
        raise click.BadParameter("give bearer, basic, header:NAME or query:NAME", param=param)
    return value


def _profile(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value in {"anthropic", "openai", "gemini"}:
        raise not_yet(f"--profile {value} comes", hint="the default view is accepted by every major client")
    return value


_JSON = click.option("--json", is_flag=True, expose_value=False, help="Answer in JSON, errors too.")
_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show where a failure happened.")

_READING: tuple[Callable[[Any], Any], ...] = (
    click.option("--base-url", metavar="URL", callback=http_url, help="Call the API here instead of where it says."),
    click.option("--name", metavar="NAME", help="What clients are told this server is called."),
    click.option(
        "--credentials", metavar="FILE", type=click.Path(), help="Credentials by scheme, in a file only you can read."
    ),
    click.option(
        "--auth",
        metavar="KIND",
        callback=_auth,
        help="For documents without schemes: bearer, basic, header:NAME or query:NAME; defines scheme DEFAULT.",
    ),
    click.option(
        "--profile",
        type=click.Choice(PROFILES),
        default="intersection",
        show_default=True,
        callback=_profile,
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
