"""How MCP clients write down a server: the entry of each client's configuration file, and whole snippets to paste.

It knows formats only. Where the files lie, and how an existing one is edited without harm, is the console's matter.
Secrets are never written: an entry names environment variables, in each client's own way of referring to them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from apiloom.base import json
from apiloom.base.errors import DesignError

Client = Literal["claude-code", "claude-desktop", "cursor", "vscode", "codex"]

CLIENTS: tuple[Client, ...] = ("claude-code", "claude-desktop", "cursor", "vscode", "codex")

Entry = dict[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a client reaches a server: a ``command`` to start (stdio), or the ``url`` of one that runs.

    ``environment`` names the variables whose values the command needs. ``token`` names the one that holds the bearer
    token of a URL; empty when none is asked for.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    environment: tuple[str, ...] = ()
    token: str = ""


def container(client: Client) -> str:
    """The member of a client's configuration that holds its servers by name."""
    return {"vscode": "servers", "codex": "mcp_servers"}.get(client, "mcpServers")


def emit_entry(client: Client, launch: Launch) -> Entry:
    """What stands under the server's name in a client's configuration.

    Raises:
        DesignError: ``config.url_unsupported`` when this client's file takes commands only.
    """
    return _ENTRIES[client](launch)


def emit_config(client: Client, launch: Launch) -> str:
    """A whole configuration file with this one server: JSON, or TOML for Codex.

    Raises:
        DesignError: as :func:`emit_entry`.
    """
    entry = emit_entry(client, launch)
    if client == "codex":
        return emit_toml_table(launch.name, entry)
    return render_json({container(client): {launch.name: entry}}) + "\n"


def emit_claude_command(launch: Launch) -> str:
    """The ``claude mcp add`` command line that does the same for Claude Code."""
    start = ["claude", "mcp", "add"]
    if launch.url:
        header = ["--header", "Authorization: Bearer ${" + launch.token + "}"] if launch.token else []
        return shlex.join([*start, "--transport", "http", launch.name, launch.url, *header])
    return shlex.join([*start, "--transport", "stdio", launch.name, "--", *launch.command])


def emit_toml_table(name: str, entry: Entry) -> str:
    """A Codex server as the lines of its TOML table, header first."""
    lines = [
        f"[mcp_servers.{toml_key(name)}]",
        *(f"{toml_key(key)} = {toml_value(value)}" for key, value in entry.items()),
    ]
    return "\n".join(lines) + "\n"


def toml_key(key: str) -> str:
    """A key as TOML wants it: bare where it can be (TOML 1.0, section Keys), else quoted."""
    return key if _BARE.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """A text, truth value, whole number or list of them as a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.quoted(str(value)).decode().replace("\x7f", "\\u007f")


def render_json(value: Any, indent: str = "  ", depth: int = 0) -> str:
    """JSON as people read it: one member a line, lists of plain values on one line."""
    inner, outer = indent * (depth + 1), indent * depth
    if isinstance(value, dict) and value:
        members = (
            f"{inner}{json.quoted(key).decode()}: {render_json(item, indent, depth + 1)}" for key, item in value.items()
        )
        return "{\n" + ",\n".join(members) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = (inner + render_json(item, indent, depth + 1) for item in value)
        return "[\n" + ",\n".join(items) + f"\n{outer}]"
    if isinstance(value, list):
        return "[" + ", ".join(render_json(item) for item in value) + "]"
    return json.quoted(value).decode() if isinstance(value, str) else json.dumps(value).decode()


def _command(launch: Launch) -> Entry:
    return {"command": launch.command[0], "args": list(launch.command[1:])}


def _remote(launch: Launch, reference: str) -> Entry:
    entry: Entry = {"url": launch.url}
    if launch.token:
        entry["headers"] = {"Authorization": "Bearer " + reference.format(launch.token)}
    return entry


def _with_environment(entry: Entry, launch: Launch, reference: str) -> Entry:
    if launch.environment:
        entry["env"] = {name: reference.format(name) for name in launch.environment}
    return entry


def _claude_code(launch: Launch) -> Entry:
    if launch.url:
        return {"type": "http", **_remote(launch, "${{{}}}")}
    # Without the default, Claude Code hands an unset variable on as the literal text of its reference.
    return _with_environment({"type": "stdio", **_command(launch)}, launch, "${{{}:-}}")


def _claude_desktop(launch: Launch) -> Entry:
    if launch.url:
        raise DesignError(
            "Claude Desktop's configuration file takes commands, not URLs",
            code="config.url_unsupported",
            hint="install the document itself, or add the URL under Settings, Connectors",
        )
    return _command(launch)


def _cursor(launch: Launch) -> Entry:
    if launch.url:
        return _remote(launch, "${{env:{}}}")
    return _with_environment({"type": "stdio", **_command(launch)}, launch, "${{env:{}}}")


def _vscode(launch: Launch) -> Entry:
    if launch.url:
        return {"type": "http", **_remote(launch, "${{env:{}}}")}
    return _with_environment({"type": "stdio", **_command(launch)}, launch, "${{env:{}}}")


def _codex(launch: Launch) -> Entry:
    if launch.url:
        return {"url": launch.url, **({"bearer_token_env_var": launch.token} if launch.token else {})}
    # Codex starts servers with a short list of variables; others must be named.
    return {**_command(launch), **({"env_vars": list(launch.environment)} if launch.environment else {})}


_ENTRIES: dict[Client, Callable[[Launch], Entry]] = {
    "claude-code": _claude_code,
    "claude-desktop": _claude_desktop,
    "cursor": _cursor,
    "vscode": _vscode,
    "codex": _codex,
}
