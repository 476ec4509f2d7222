"""Where each MCP client keeps its configuration, by scope and platform. Formats stand in ``emit/config.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apiloom.base.errors import CallerError
from apiloom.console.house import Surroundings
from apiloom.emit.config import Client

Scope = Literal["user", "project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A client by its spoken name, and where its files are. ``after`` is what a person does next."""

    title: str
    user: Callable[[Surroundings], Path]
    project: Callable[[Surroundings], Path] | None
    after: str


def config_path(client: Client, scope: Scope, surroundings: Surroundings) -> Path:
    """The file of a client in a scope.

    Raises:
        CallerError: ``install.scope`` when the client has no configuration of that scope.
    """
    place = PLACES[client]
    if scope == "user":
        return place.user(surroundings)
    if place.project is None:
        raise CallerError(
            f"{place.title} has no configuration of a project", code="install.scope", hint="leave --project out"
        )
    return place.project(surroundings)


def _application_folder(surroundings: Surroundings) -> Path:
    """Where desktop applications keep their settings."""
    environment = surroundings.environment
    if surroundings.platform == "darwin":
        return surroundings.home / "Library" / "Application Support"
    if surroundings.platform == "win32":
        return _folder(environment.get("APPDATA"), surroundings.home / "AppData" / "Roaming")
    return _folder(environment.get("XDG_CONFIG_HOME"), surroundings.home / ".config")


def _folder(named: str | None, default: Path) -> Path:
    return Path(named) if named and Path(named).is_absolute() else default


def _claude_code(surroundings: Surroundings) -> Path:
    return _folder(surroundings.environment.get("CLAUDE_CONFIG_DIR"), surroundings.home) / ".claude.json"


def _codex(surroundings: Surroundings) -> Path:
    return _folder(surroundings.environment.get("CODEX_HOME"), surroundings.home / ".codex") / "config.toml"


PLACES: dict[Client, Place] = {
    "claude-code": Place(
        title="Claude Code",
        user=_claude_code,
        project=lambda at: at.folder / ".mcp.json",
        after="start Claude Code anew and look at /mcp",
    ),
    "claude-desktop": Place(
        title="Claude Desktop",
        user=lambda at: _application_folder(at) / "Claude" / "claude_desktop_config.json",
        project=None,
        after="quit Claude Desktop and start it anew",
    ),
    "cursor": Place(
        title="Cursor",
        user=lambda at: at.home / ".cursor" / "mcp.json",
        project=lambda at: at.folder / ".cursor" / "mcp.json",
        after="switch the server on in Cursor's MCP settings",
    ),
    "vscode": Place(
        title="VS Code",
        user=lambda at: _application_folder(at) / "Code" / "User" / "mcp.json",
        project=lambda at: at.folder / ".vscode" / "mcp.json",
        after="run 'MCP: List Servers' in VS Code and start it",
    ),
    "codex": Place(
        title="Codex",
        user=_codex,
        project=lambda at: at.folder / ".codex" / "config.toml",
        after="start Codex anew and look at /mcp",
    ),
}
