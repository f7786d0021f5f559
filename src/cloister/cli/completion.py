"""`cloister completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from cloister.errors import LocalError

VARIABLE = "_CLOISTER_COMPLETE"
"""By it the shell asks the program; click's own convention for a program of this name."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the lines that make SHELL complete the commands and options of cloister.

    \b
    Examples:
      cloister completion bash >> ~/.bashrc
      cloister completion zsh > ~/.zfunc/_cloister
      cloister completion fish > ~/.config/fish/completions/cloister.fish
    """
    from click.shell_completion import get_completion_class

    from cloister.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise LocalError(f"nothing is known about the shell {shell}")
    click.echo(kind(cli, {}, "cloister", VARIABLE).source())
