"""``apiloom completion``: the script that teaches a shell to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from apiloom.base.errors import CallerError
from apiloom.console.cli.options import answering
from apiloom.console.cli.seat import OK, Seat

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_APILOOM_COMPLETE"


@click.command()
@click.argument("shell", required=False, metavar="[SHELL]", type=click.Choice(SHELLS))
@answering
@click.pass_obj
@click.pass_context
def completion(context: click.Context, seat: Seat, shell: str | None) -> int:
    """Print the completion script of a shell.

    SHELL is bash, zsh or fish; yours, if none is named.

    \b
    bash:  apiloom completion bash >> ~/.bashrc
    zsh:   apiloom completion zsh >> ~/.zshrc
    fish:  apiloom completion fish > ~/.config/fish/completions/apiloom.fish
    """  # noqa: D301 - click wants the character
    named = shell or seat.house.surroundings.environment.get("SHELL", "").rsplit("/", 1)[-1]
    complete = get_completion_class(named) if named in SHELLS else None
    if complete is None:
        raise CallerError("which shell is not clear", code="cli.shell", hint="name bash, zsh or fish")
    script = complete(context.find_root().command, {}, "apiloom", VARIABLE).source_template % {
        "complete_func": "_apiloom_completion",
        "complete_var": VARIABLE,
        "prog_name": "apiloom",
    }
    if seat.machine:
        seat.print_json({"shell": named, "script": script})
    else:
        click.echo(script)
    return OK
