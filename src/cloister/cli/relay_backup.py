"""`cloister relay backup` and `restore`."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.relay_upkeep import FOLDER, JSON


@click.command("backup")
@FOLDER
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--without-books", is_flag=True, help="Leave the operator's books out.")
@JSON
def backup(folder: Path, *, target: Path, without_books: bool, as_json: bool) -> None:
    """Copy what a relay must have to be restored, into a new folder TARGET; it may run meanwhile.

    \b
    In it: keys and card, settings, peers, books, what devices stored, and of unlock shares all but
    the scalars. Whoever has it can stand in for this relay: encrypt it (age, gpg), keep it apart.
    Not in it, so that no copy brings it back: scalars of unlock shares and their epoch key, key
    packages, activation codes that nobody has used.

    \b
    Example:
      cloister relay backup hk /mnt/backup/hk-2026-08-31
    """
    from cloister.cli.output import Output
    from cloister.cli.told_to_stop import stopping_as_ctrl_c
    from cloister.clock import wall_time
    from cloister.relay.backup.copying import make_backup
    from cloister.relay.folder import Folder

    # A job of cron or of a service is ended by SIGTERM: that must not leave keys about either.
    with stopping_as_ctrl_c():
        manifest = make_backup(
            Folder(folder), target, int(wall_time()), with_books=not without_books
        )
    lines = [
        str(target),
        f"{len(manifest.files)} files, {len(manifest.logs)} logs; not encrypted",
    ]
    view = {
        "backup": str(target),
        "relay_id": manifest.relay_id,
        "made_at": manifest.made_at,
        "files": len(manifest.files),
        "logs": len(manifest.logs),
    }
    Output(as_json).data(view, "\n".join(lines))


@click.command("restore")
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@JSON
def restore(source: Path, *, folder: Path, as_json: bool) -> None:
    """Make a relay's folder DIR anew from a backup; DIR must be empty or not there.

    Only when the old folder is lost: two relays with one key break every circle of them. What was
    stored after the backup is gone; devices are told. Every unlock share is gone: devices whose
    vault is open put new ones in their place within hours; the others have to be invited anew.

    \b
    Example:
      cloister relay restore /mnt/backup/hk-2026-08-31 hk
    """
    from cloister.cli.output import Output
    from cloister.cli.told_to_stop import stopping_as_ctrl_c
    from cloister.clock import wall_time
    from cloister.relay.backup.restoring import restore as restore_backup

    with stopping_as_ctrl_c():
        done = restore_backup(source, folder, int(wall_time()))
    is_home = done.manifest.role == "home"
    next_step = f"cloister relay check {folder}; then start it"
    lines = [
        f"{folder}: {done.circles} circles, {done.channels} channels",
        f"dropped: {done.shares} unlock shares (open vaults make new ones; at once: doctor)",
    ]
    if is_home:
        lines += [
            "dropped: key packages (devices publish new ones), unused activation codes",
            "at the first start: fetches the newer part of its logs from the mirrors, then listens",
        ]
    lines.append(f"next: {next_step}")
    view = {
        "folder": str(folder),
        "role": done.manifest.role,
        "made_at": done.manifest.made_at,
        "circles": done.circles,
        "channels": done.channels,
        "shares_lost": done.shares,
    }
    Output(as_json).data(view, "\n".join(lines))
