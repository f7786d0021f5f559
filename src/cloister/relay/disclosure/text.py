"""An inventory, and what is known of one number, in words for a terminal or a letter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

MAX_ROWS: Final = 20
"""Rows of one table that the text shows; ``--json`` has all."""


def inventory_text(inventory: Mapping[str, Any]) -> str:
    """All that is kept, what is seen, and what cannot be handed over."""
    return "\n".join(_inventory(inventory))


def _inventory(inventory: Mapping[str, Any]) -> Iterator[str]:
    yield "What this relay keeps"
    for database in inventory["databases"]:
        yield ""
        yield f"{database['file']}: {database['what']}"
        for table in database["tables"]:
            yield f"  {table['table']} ({table['rows']} rows)"
            for column in table["columns"]:
                links = f"; links to: {column['links']}" if column["links"] else ""
                yield f"    {column['column']}: {column['purpose']}; kept {column['kept']}{links}"
    yield ""
    yield "Files of the folder"
    for file in inventory["files"]:
        secret = "; SECRET" if file["secret"] else ""
        yield f"  {file['file']} ({file['bytes']} bytes): {file['what']}; {file['kept']}{secret}"
    yield ""
    yield "Lines of the log, on standard error; how long is for whoever collects them"
    for line in inventory["log"]:
        yield f"  {line['event']} ({', '.join(line['fields'])}): {line['when']}"
    yield from _section("Seen, and not kept", inventory["seen"])
    yield from _section("What it cannot hand over", inventory["cannot"])


def subject_text(what: str, found: Mapping[str, list[Mapping[str, object]]], cannot: object) -> str:
    """All that is known of a handle or a channel."""
    lines = [f"All that this relay's files say of {what}"]
    for place, rows in found.items():
        lines += ["", f"{place} ({len(rows)} rows)"]
        for row in rows[:MAX_ROWS]:
            lines.append("  " + ", ".join(f"{name}={value}" for name, value in row.items()))
        if len(rows) > MAX_ROWS:
            lines.append(f"  and {len(rows) - MAX_ROWS} more: --json has them all")
    if isinstance(cannot, Iterable):
        lines += _section("What it cannot hand over", (str(one) for one in cannot))
    return "\n".join(lines)


def _section(head: str, sentences: Iterable[str]) -> Iterator[str]:
    yield ""
    yield head
    for sentence in sentences:
        yield f"  {sentence}"
