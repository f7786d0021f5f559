"""`cloister status` and `cloister config`."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.person import Person, person_command


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def status(person: Person, *, offline: bool) -> None:
    """Say where this device stands: circle, link to the relay, what waits.

    \b
    Examples:
      cloister status
      cloister status --json
    """
    from cloister.cli.circle import lines_of
    from cloister.device.keeper_client import find_keeper

    keeper = find_keeper(person.folder)
    kept = None if keeper is None else keeper.state()
    if kept is not None and kept.phase == "locked":
        view: dict[str, Any] = {"phase": "locked"}
    else:
        view = person.view(lambda device: device.status(), offline=offline)
    view = {"profile": str(person.folder), **view}
    if kept is not None:
        view["lease_s"] = kept.lease_s
    person.output.data(view, "\n".join(lines_of(view)))


@click.group()
def config() -> None:
    """Show the settings, or change one.

    \b
    Examples:
      cloister config show --origin
      cloister config set autolock_s 300
    """


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@person_command
def show(person: Person, *, origin: bool) -> None:
    """Print every setting.

    A flag goes before an environment variable (CLOISTER_TIMEOUT_S), that before the file
    (config.toml in the folder for settings, ~/.config/cloister), that before the default.

    \b
      profile      name or folder of the profile
      timeout_s    longest wait for what relays and other people's devices do
      send_wait_s  how long `send` waits for the relay before it says "queued"
      lease_s      how long a locked agent needs the PIN only (at most 86400; 0: never)
      errand_delay_s  the most a request to unlock shares waits, at random (default 3)
      ui           what `cloister` alone starts: screen, or line for the line mode
      colours      how it draws: colour, ansi, none, or auto
      autolock_s   how long the interface waits for a key before it locks (0: never)
      notify       that something has come: bell, osc9, osc777, osc99 or none
      bidi         what orders right-to-left text on the screen: interface or terminal
      plain        no decoration
    \b
    Examples:
      cloister config show --origin
    """
    from dataclasses import asdict

    for name, value in asdict(person.settings).items():
        source = person.origins[name]
        text = f"{name} = {value}" + (f"    ({source})" if origin else "")
        person.output.data({"name": name, "value": value, "origin": source}, text)


@config.command("set")
@click.argument("name")
@click.argument("value")
@person_command
def set_value(person: Person, *, name: str, value: str) -> None:
    """Write the setting NAME with VALUE into config.toml; everything else in it stays.

    The names are those of `cloister config show`. A flag or an environment variable of the same
    setting goes before the file.

    \b
    Examples:
      cloister config set autolock_s 300
      cloister config set notify none
    """
    from cloister.cli.settings_book import FileSettings
    from cloister.device.paths import config_file

    file = config_file()
    row = FileSettings(file, person).change(name, value)
    person.output.data(
        {"name": name, "value": row.value, "origin": row.origin, "file": str(file)},
        f"{name} = {row.value}",
    )
    if row.is_overridden:
        person.output.talk(f"Written to {file}; but {row.origin} goes before it.")
    else:
        person.output.talk(row.effect)
