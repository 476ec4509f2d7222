"""``apiloom serve``: sources become one MCP server, over HTTP or standard input and output."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from apiloom.base.errors import CallerError
from apiloom.console.cli.later import not_yet
from apiloom.console.cli.options import (
    SourceCommand,
    SourceWord,
    answering,
    checked,
    gateway_url,
    limiting,
    public_url,
    read_options,
    reading,
)
from apiloom.console.cli.seat import Seat, announce, one_line
from apiloom.console.house import Gateway, Listen, Opened, Served

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8787

_OF_GATEWAY = frozenset(
    {"http", "public_url", "data", "admin_http", "token_file", "allow_address", "identity", "sources"}
)
"""What may be said of the gateway."""

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:\s]*):)?(?P<port>[0-9]{1,5})")


def read_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``PORT`` as host and port; 0 asks for any free port.

    Raises:
        CallerError: ``cli.address``.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65535:
        raise CallerError(
            f"{text!r} is no address to listen on", code="cli.address", hint="write HOST:PORT, such as 127.0.0.1:8787"
        )
    return (found["host"] or DEFAULT_HOST).strip("[]"), int(found["port"])


@click.command(cls=SourceCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=SourceWord())
@click.option("--http", metavar="HOST:PORT", help=f"Listen here.  [default: {DEFAULT_HOST}:{DEFAULT_PORT}]")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output instead.")
@click.option("--public-url", metavar="URL", callback=public_url, help="The URL that clients know this server by.")
@click.option("--open", "open_", is_flag=True, help="Ask no token, even beyond this machine.")
@click.option("--mode", type=click.Choice(["auto", "direct", "search", "code"]), default="auto", show_default=True)
@limiting
@click.option("--data", metavar="DIR|URL", help="Where the gateway keeps what it knows; without a SOURCE only.")
@click.option("--admin-http", metavar="HOST:PORT", help="Serve the gateway's admin API here, and nowhere else.")
@click.option(
    "--token-file", metavar="FILE", type=click.Path(), help="Where a new gateway puts its first owner's token."
)
@click.option(
    "--allow-address",
    metavar="ADDRESS",
    multiple=True,
    help="Let the gateway reach an address, network or host that is not public; repeatable.",
)
@click.option(
    "--identity",
    metavar="FILE",
    type=click.Path(),
    help="Whose word counts on who a caller is: issuers and sign-in, in JSON.  [env: APILOOM_IDENTITY]",
)
@reading
@answering
@click.pass_obj
def serve(seat: Seat, /, sources: tuple[str, ...], **given: Any) -> int:
    """Serve API descriptions as MCP tools, or without a SOURCE the gateway.

    SOURCE is a file, a folder, a URL, or - for standard input. One source shows its tools by their own names, several
    prefix them. Credentials come from APILOOM_AUTH_<SCHEME> or --credentials, never from the command line.
    """
    _refuse_later(given)
    if not sources:
        return _serve_gateway(seat, given)
    _refuse_gateway(given)
    if given["stdio"] and given["http"]:
        raise CallerError("--stdio and --http exclude each other", code="cli.two_transports", hint="choose one")
    if given["stdio"] and "-" in sources:
        raise CallerError(
            "standard input cannot be the document and the client at once",
            code="cli.stdin_twice",
            hint="put the document into a file, or serve over --http",
        )
    listen = _listen(given)
    return seat.house.serve(checked(seat, sources), read_options(given), listen, announce, partial(_tell, seat))


def _listen(given: dict[str, Any]) -> Listen:
    host, port = read_address(given["http"]) if given["http"] else (DEFAULT_HOST, DEFAULT_PORT)
    return Listen(stdio=given["stdio"], host=host, port=port, public_url=given["public_url"] or "", open=given["open_"])


def _serve_gateway(seat: Seat, given: dict[str, Any]) -> int:
    """Serve the gateway. What is said of one source has no meaning here: connectors have options of their own."""
    if given["stdio"] or given["open_"]:
        raise CallerError(
            "the gateway speaks over HTTP, to callers who show a token",
            code="cli.gateway_open",
            hint="leave --stdio and --open out, or name a SOURCE",
        )
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        if (
            option.expose_value
            and name not in _OF_GATEWAY
            and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ):
            raise CallerError(
                f"{option.opts[0]} says how a SOURCE is served, and none is named",
                code="cli.source_only",
                hint="connectors and servers of the gateway have settings of their own",
            )
    gateway_url(given["public_url"])
    gateway = Gateway(
        data=given["data"] or "",
        admin=read_address(given["admin_http"]) if given["admin_http"] else None,
        token_file=given["token_file"] or "",
        allowed=tuple(given["allow_address"]),
        identity=given["identity"] or "",
    )
    return seat.house.gateway(gateway, _listen(given), announce, partial(_tell_opened, seat))


def _tell_opened(seat: Seat, opened: Opened) -> None:
    """Say where the gateway is. A token is shown to a person at a terminal and to nobody else."""
    if seat.machine:
        seat.print_json(
            {
                "url": opened.url,
                "data": opened.place,
                "servers": opened.servers,
                "token_file": opened.token_file or None,
            }
        )
    else:
        servers = f"{opened.servers} server{'' if opened.servers == 1 else 's'}"
        announce(f"the gateway on {opened.place} is served with {servers} at {opened.url}")
    if opened.token:
        announce(f"the owner's token, shown once and good for an hour: {opened.token}")
    if opened.token_file:
        announce(f"the owner's token, good for an hour, is in {opened.token_file}")


def _refuse_gateway(given: dict[str, Any]) -> None:
    """What is for the gateway alone must not be lost in silence beside a source."""
    options = {"data": "--data", "admin_http": "--admin-http", "token_file": "--token-file"}
    for name, option in {**options, "allow_address": "--allow-address", "identity": "--identity"}.items():
        if given[name]:
            raise CallerError(
                f"{option} is for the gateway, and with a SOURCE everything lives in memory",
                code="cli.gateway_only",
                hint="leave the sources out and add them as connectors, or leave the option out",
            )


def _tell(seat: Seat, served: Served) -> None:
    """Say where the server is: one line of JSON on standard output for a program, words for a person."""
    if seat.machine:
        value = {"title": served.title, "url": served.url, "tools": served.tools, "token": served.token or None}
        seat.print_json(value)
        return
    tools = f"{served.tools} tool{'' if served.tools == 1 else 's'}"
    where = f"{served.url} and every other address of this machine" if served.everywhere else served.url
    announce(f"{one_line(served.title)} is served with {tools} at {where}")
    if served.token:
        announce(f"callers must send Authorization: Bearer {served.token}")
    variable = " --token-env VARIABLE" if served.token else ""
    announce(f"to add it to a client: apiloom install CLIENT --url {served.url}{variable}")


def _refuse_later(given: dict[str, Any]) -> None:
    if given["mode"] in {"search", "code"}:
        raise not_yet(f"--mode {given['mode']} comes", hint="auto and direct show every tool")
