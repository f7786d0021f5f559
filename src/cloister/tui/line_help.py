"""The help of the line mode, out of the table of actions."""

from __future__ import annotations

from cloister.tui.actions.table import ACTIONS


def help_text() -> str:
    """Return the commands in lines, by group."""
    lines = [
        "A line is a text. A \\ at its end goes on with one more line of the same text.",
        "// at the beginning is a text that begins with /. Commands:",
        "  /older: what was said before. /where: the conversation you are in.",
    ]
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            lines.append(f"{group.capitalize()}:")
        lines.append(f"  /{action.name}: {action.summary}")
    return "\n".join(lines)
