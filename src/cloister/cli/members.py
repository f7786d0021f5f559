"""`cloister members`: who is in, and by whose word; as a list, a tree or a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import LocalError, UsageError

if TYPE_CHECKING:
    from cloister.client.tree_view import Node
    from cloister.device.facade import Facade, View


@click.command()
@click.option("--tree", is_flag=True, help="Draw who vouched for whom.")
@click.option(
    "--svg", type=click.Path(path_type=Path), metavar="FILE", help="Write that as a picture."
)
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Draw N levels below the top.")
@click.option("--below", metavar="NAME", help="Draw NAME and those below only.")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def members(
    person: Person,
    *,
    tree: bool,
    svg: Path | None,
    depth: int | None,
    below: str | None,
    offline: bool,
) -> None:
    """List the members: role, state, who vouched, how many devices.

    With --tree each member stands below one of those who vouched for it; the others are named.
    The picture is an SVG file that every browser shows; what does not fit is folded, and --below
    draws it. It says who knows whom: keep it as safe as the circle.

    \b
    Examples:
      cloister members
      cloister members --json
      cloister members --tree --depth 2
      cloister members --svg circle.svg --below Jonas
    """
    if (depth is not None or below) and not (tree or svg):
        raise UsageError("--depth and --below are for drawings", hint="add --tree or --svg FILE")

    async def looking(device: Facade) -> tuple[list[View], str]:
        views = await device.members()
        return views, await _subtitle(device) if views and svg else ""

    views, subtitle = person.view(looking, offline=offline)
    if not views:
        person.output.talk("This device is not in a circle yet (cloister status).")
        return
    if tree or svg:
        _draw(person, views, tree=tree, svg=svg, depth=depth, below=below, subtitle=subtitle)
        return
    from cloister.cli.circle import word_of

    for view in views:
        by = word_of(view.get("vouched_by"))
        own = f" (you say {view['own_name']})" if view.get("own_name") else ""
        kind = "a bot, " if view.get("bot") else "has a bot, " if view.get("bots") else ""
        standing = f"{view['role']}, {kind}{view['state']}"
        person.output.data(view, f"{view['name']}{own}: {standing}, vouched by {by}")


def _draw(
    person: Person,
    views: list[View],
    *,
    tree: bool,
    svg: Path | None,
    depth: int | None,
    below: str | None,
    subtitle: str,
) -> None:
    from cloister.client.tree_view import branch_of, text_lines, trees_of

    trees = trees_of(views)
    if below:
        trees = branch_of(trees, below)
    if tree and person.output.as_json:
        for one in trees:
            for node in one.walk():
                person.output.data(_node_view(node), "")
    elif tree:
        for line in text_lines(trees, depth=depth):
            person.output.data({}, line)
    if svg is not None:
        from cloister.client.tree_svg import draw

        _write(svg, draw(trees, subtitle=subtitle, depth=depth))
        person.output.talk(
            f"Written: {svg}. It says who knows whom: keep it as safe as the circle."
        )


def _node_view(node: Node) -> View:
    return {
        "member_id": node.member_id,
        "name": node.name,
        "role": node.role,
        "state": node.state,
        "bot": node.bot,
        "children": [child.member_id for child in node.children],
        "also_vouched": list(node.others),
        "below": node.below,
    }


async def _subtitle(device: Facade) -> str:
    circle = await device.circle()
    return (
        f"Circle {str(circle['circle_id'])[:8]}, as of {circle['log_size']:,} entries of its log."
    )


def _write(path: Path, picture: str) -> None:
    """Write a file that nobody else on this machine can read.  Raises ``LocalError``."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(picture)
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}") from None
