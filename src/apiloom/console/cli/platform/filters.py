"""What a server shows, as options: the members of its ``config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.catalog.profiles import NAMES
from apiloom.console.cli.platform.values import options, read_json, said
from apiloom.console.cli.seat import Seat


def _pins(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> int | dict[str, int] | None:
    """``3``, or ``SLUG=3`` for each of several connectors."""
    pairs = [value.rpartition("=")[::2] for value in values]
    if any(not number.isdecimal() for _, number in pairs) or (len(pairs) > 1 and not all(slug for slug, _ in pairs)):
        raise click.BadParameter("write the version's number, or SLUG=NUMBER for each connector", param=param)
    if not pairs:
        return None
    return {slug: int(number) for slug, number in pairs} if pairs[0][0] else int(pairs[0][1])


filtering = options(
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="WORD",
        help="Show read, write or custom tools, or one operation; may be repeated.  [default: read]",
    ),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="Show tools with this tag; may be repeated."),
    click.option("--allow", multiple=True, metavar="PATTERN", help="Show tools of such a name; may be repeated."),
    click.option("--deny", multiple=True, metavar="PATTERN", help="Never show tools of such a name."),
    click.option("--toolset", "toolsets", multiple=True, metavar="NAME", help="Show tools of this toolset."),
    click.option("--mode", type=click.Choice(["auto", "direct", "search", "code"]), help="How tools are offered."),
    click.option("--profile", type=click.Choice(NAMES), help="The clients that tools are written for."),
    click.option(
        "--result-tokens", type=click.IntRange(min=0), metavar="N", help="Longest result in tokens; 0: any length."
    ),
    click.option(
        "--require-api-token/--no-require-api-token",
        "require_api_token_auth",
        default=None,
        help="Ask for an API token besides the URL.",
    ),
    click.option(
        "--pin", "pin_version", multiple=True, metavar="N|SLUG=N", callback=_pins, help="Stay on this version."
    ),
    click.option(
        "--require-descriptions/--no-require-descriptions",
        default=None,
        help="Leave out tools that no human described.",
    ),
    click.option(
        "--allow-address", "allowed_addresses", multiple=True, metavar="CIDR", help="Let callers come from here only."
    ),
    click.option("--config", metavar="JSON", help="Settings as a JSON object, @FILE or @-; options win over it."),
)
"""The options of a server's ``config``."""


def config_of(seat: Seat, given: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` of a request; nothing where nothing is said.

    Raises:
        CallerError: ``cli.arguments``.
    """
    config = read_json(seat, given["config"], "--config") or {}
    config |= said(given, "methods", "tags", "toolsets", "mode", "profile", "result_tokens", "require_api_token_auth")
    config |= said(given, "pin_version", "require_descriptions", "allowed_addresses")
    tools = said(given, "allow", "deny")
    if tools:
        inner = config.get("tools", {})
        if not isinstance(inner, Mapping):
            raise CallerError("tools in --config is no object", code="cli.arguments", hint='write {"allow": […]}')
        config["tools"] = {**inner, **tools}
    return {"config": config} if config else {}
