"""The `cloister` command: a table of names, and where an error becomes an exit status.

A command family is a click command or group in a module of its own. It is imported when somebody
names it, not before: `cloister --help` shows the one-line texts of this table.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import NamedTuple

import click

from cloister import __version__
from cloister.errors import CloisterError, LocalError


class Family(NamedTuple):
    """Where a command lives, and the line that `--help` shows for it."""

    target: str  # "module:attribute"
    summary: str


# In the order of `--help`. To add a family: write its module, then its line here.
FAMILIES: dict[str, Family] = {
    "circle": Family("cloister.cli.circle:circle", "Found a circle, or look at it."),
    "invite": Family("cloister.cli.membership:invite", "Invite one person."),
    "join": Family("cloister.cli.membership:join", "Ask to be let into a circle."),
    "requests": Family("cloister.cli.membership:requests", "List who asks to be let in."),
    "vouch": Family("cloister.cli.membership:vouch", "Vouch for somebody who asks."),
    "members": Family("cloister.cli.members:members", "List or draw the members."),
    "log": Family("cloister.cli.log:log", "Read the circle's log, or verify it."),
    "withdraw": Family("cloister.cli.withdraw:withdraw", "Take back an invitation or a vouch."),
    "remove": Family("cloister.cli.membership:remove", "Propose or approve a removal."),
    "leave": Family("cloister.cli.membership:leave", "Leave the circle."),
    "device": Family("cloister.cli.device:device", "List devices, add or retire your own."),
    "lost": Family("cloister.cli.lost:lost", "Lock a lost device."),
    "unlock-device": Family("cloister.cli.device:unlock_device", "Unlock a locked device."),
    "exposure": Family("cloister.cli.device:exposure", "Report what a lost device could read."),
    "erase": Family("cloister.cli.erase:erase", "Destroy the unlock shares of a device."),
    "hold": Family("cloister.cli.hold:hold", "Legal holds."),
    "suspend": Family("cloister.cli.governance:suspend", "Suspend a member."),
    "reinstate": Family("cloister.cli.governance:reinstate", "End a suspension."),
    "steward": Family("cloister.cli.steward:steward", "Stewards: list, offer, add, drop."),
    "officer": Family("cloister.cli.steward:officer", "Officers: list, offer, add, drop."),
    "pending": Family("cloister.cli.governance:pending", "List what waits for somebody."),
    "approve": Family("cloister.cli.governance:approve", "Approve what another has proposed."),
    "refuse": Family("cloister.cli.governance:refuse", "Withdraw or stop a proposal."),
    "object": Family("cloister.cli.governance:object_to", "Object to an erasure."),
    "home": Family("cloister.cli.home:home", "Show the home relay, move to another one."),
    "commons": Family("cloister.cli.commons:commons", "Reset the commons when it is broken."),
    "policy": Family("cloister.cli.governance:policy", "Show or propose the circle's rules."),
    "conversation": Family("cloister.cli.conversation:conversation", "Open, list, change, leave."),
    "contact": Family("cloister.cli.contact:contact", "Own names, blocking, comparing keys."),
    "open": Family("cloister.cli.interface:open_interface", "Open the full-screen interface."),
    "chat": Family("cloister.cli.interface:chat", "Talk line by line."),
    "send": Family("cloister.cli.messages:send", "Send a text."),
    "message": Family("cloister.cli.message:message", "Edit, take back, react."),
    "read": Family("cloister.cli.messages:read", "Read a conversation."),
    "search": Family("cloister.cli.search:search", "Search the texts of all conversations."),
    "export": Family("cloister.cli.export:export", "Write out one's own history."),
    "backup": Family("cloister.cli.keeping:backup", "Seal one's own history into a file."),
    "restore": Family("cloister.cli.keeping:restore", "Read such a file as history."),
    "keycard": Family("cloister.cli.keycard:keycard", "Print a card for when a device is lost."),
    "status": Family("cloister.cli.status:status", "Say where this device stands."),
    "doctor": Family("cloister.cli.doctor:doctor", "Look for what is wrong with this device."),
    "agent": Family("cloister.cli.agent:agent", "Keep this device connected."),
    "lock": Family("cloister.cli.lock:lock", "Close the vault of a running agent."),
    "unlock": Family("cloister.cli.lock:unlock", "Open it again with the PIN."),
    "pin": Family("cloister.cli.lock:pin", "Change the PIN."),
    "relay": Family("cloister.cli.relay:relay", "Set up and run relays."),
    "operator": Family("cloister.cli.operator:operator", "Sell seats: accounts, terms, payments."),
    "bench": Family("cloister.cli.bench:bench", "Measure what things cost on this machine."),
    "demo": Family("cloister.cli.demo:demo", "Run a circle on this machine, and judge it."),
    "soak": Family("cloister.cli.soak:soak", "Run a circle under load and faults, and judge it."),
    "completion": Family("cloister.cli.completion:completion", "Have a shell complete commands."),
    "man": Family("cloister.cli.man:man", "Write the manual pages."),
    "config": Family("cloister.cli.status:config", "Show the settings, change one."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is called or asked for its own help."""

    def __init__(self, *, families: dict[str, Family], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self.families = families

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.families)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when the table does not know the name."""
        family = self.families.get(cmd_name)
        if family is None:
            return None
        module_name, _, attribute = family.target.partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise LocalError(f"{family.target} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing any of them."""
        if self.families:
            with formatter.section("Commands"):
                formatter.write_dl([(name, f.summary) for name, f in self.families.items()])


@click.group(
    cls=LazyGroup,
    families=FAMILIES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="cloister %(version)s")
@click.option("--profile", metavar="DIR|NAME", help="Profile, for the person's commands.")
@click.pass_context
def cli(context: click.Context, profile: str | None) -> None:
    """Text-only, end-to-end encrypted messenger that a closed circle runs for itself.

    Without a command it opens the full-screen interface.
    """
    if context.invoked_subcommand is None:
        command = cli.get_command(context, "open")
        if command is not None:
            context.invoke(command)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit status.

    Our own errors become one sentence, and one on what to do, on standard error. Any other
    exception is a bug: one line with an id, and a private report without content.
    """
    try:
        status = cli.main(args=arguments, prog_name="cloister", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has left (`cloister read NAME | head`). Nothing more can be
        # said; the second flush, at exit, must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CloisterError as error:
        from cloister.client.safe_text import safe_text

        click.echo(safe_text(f"cloister: {error}"), err=True)
        if error.hint:
            click.echo(safe_text(f"    {error.hint}"), err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        click.echo(f"cloister: the environment is broken, it has no {error.name}", err=True)
        click.echo("    remove the folder .venv of the checkout and start again", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 (the outermost frame: nobody else can)
        from cloister.cli.failures import report_bug

        click.echo(f"cloister: {report_bug(error)}", err=True)
        sys.exit(1)
    # Without click's own handling `--help` and `ctx.exit(n)` come back as the returned number.
    sys.exit(status if isinstance(status, int) else 0)
