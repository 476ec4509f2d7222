"""Groups of commands that are loaded when one of them is typed, so that the others start as fast as without them."""

from __future__ import annotations

from collections.abc import Mapping

import click

from apiloom.base import plugins

_PLACE = "apiloom.console.cli.platform"

_GROUPS: Mapping[str, str] = {
    "connector": "Import APIs, and serve or take back versions.",
    "account": "Connect tenants to APIs, with credentials.",
    "server": "Make MCP servers, each with a URL of its own.",
    "tenant": "Keep customers or teams apart.",
    "token": "Make and revoke tokens of the gateway.",
    "toolset": "Group tools, to switch them as one.",
    "overlay": "Edit what tools say and take.",
    "oauth-client": "Keep your OAuth apps at providers.",
    "sign-in": "See who is signed in with which client, and end it.",
    "event": "Read what happened.",
    "db": "Back up, restore, claim and upgrade a gateway's data.",
    "key": "Make, show and rotate the keys of a gateway.",
    "audit": "Read what was done, by whom.",
    "catalogue": "Find well-known APIs and import them.",
}

_COMMANDS: Mapping[str, str] = {
    "doctor": "Look whether all is well, and whether a backup opens.",
    "connect": "Make a link where somebody connects an account.",
    "login": "Sign in at a gateway, instead of carrying a token.",
    "apply": "Bring a gateway to a state kept in files.",
    "pull": "Write a gateway's state into files.",
    "schema": "Print the JSON Schema of a kind of file.",
}


def _module(word: str | None) -> str:
    return str(word).replace("-", "_")


class LateGroup(click.Group):
    """A group whose commands are ``commands`` of the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._loaded())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return self._loaded().get(cmd_name)

    def _loaded(self) -> Mapping[str, click.Command]:
        if not self.commands:
            loaded: list[click.Command] = plugins.load(f"{_PLACE}.{_module(self.name)}:commands")()
            self.commands.update({str(command.name): command for command in loaded})
        return self.commands


class LateCommand(click.Command):
    """A command that is ``command`` of the module of its name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        if not self.params or self.callback is None:
            self.load()
        return super().make_context(info_name, args, parent, **extra)

    def load(self) -> None:
        """Become what stands in the module."""
        real: click.Command = plugins.load(f"{_PLACE}.{self.name}:command")
        self.params, self.callback, self.help = real.params, real.callback, real.help


def platform_words() -> list[click.Command]:
    """The platform's words, in the order a newcomer needs them."""
    groups: list[click.Command] = [LateGroup(word, help=told, short_help=told) for word, told in _GROUPS.items()]
    return [*groups, *(LateCommand(word, help=told, short_help=told) for word, told in _COMMANDS.items())]
