"""All that a relay's files say of one handle or one channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.codec import DecodeError
from cloister.errors import NotFoundError, UsageError
from cloister.ids import SHORT_ID_BYTES
from cloister.relay.disclosure.books import BOOKS
from cloister.relay.disclosure.inventory import columns_of, open_read_only, quoted
from cloister.relay.disclosure.shares import SHARES
from cloister.relay.disclosure.stored import STORED
from cloister.roster.entry import Entry
from cloister.roster.readable import ReadableBody, ReadableType

Row = Mapping[str, object]
_READABLE: Final = 2
_HIDDEN: Final = frozenset({"bytes", "fold", "note", "settled"})
"""Given by their length: ciphertext, and what others of these columns say already."""


def read_id(text: str) -> bytes:
    """Read a handle or a channel id. Raises UsageError."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != SHORT_ID_BYTES:
        raise UsageError(f"{text!r} is neither a handle nor a channel", hint="give 32 hex digits")
    return value


def about_handle(folder: Path, handle: bytes) -> dict[str, list[Row]]:
    """Rows by file and table: the seat, its account, the unlock share, the entries that name it.

    Raises NotFoundError when no file knows the handle."""
    found: dict[str, list[Row]] = {}
    accounts: set[str] = set()
    if (folder / STORED.place).exists():
        with open_read_only(folder / STORED.place) as connection:
            seats = _rows(connection, "seat", "handle = ?", handle)
            accounts |= {str(row["account"]) for row in seats}
            found[f"{STORED.place}: seat"] = seats
            found[f"{STORED.place}: log_entry"] = _entries_naming(connection, handle)
    if (folder / SHARES.place).exists():
        with open_read_only(folder / SHARES.place) as connection:
            for table, columns in columns_of(connection).items():
                if "handle" in columns:
                    rows = _rows(connection, table, "handle = ?", handle)
                    found[f"{SHARES.place}: {table}"] = rows
    if (folder / BOOKS.place).exists():
        with open_read_only(folder / BOOKS.place) as connection:
            freed = _rows(connection, "freed", "handle = ?", handle.hex())
            accounts |= {str(row["account"]) for row in freed}
            found[f"{BOOKS.place}: freed"] = freed
    found |= _accounts(folder, accounts)
    found |= _circles(folder, found.get(f"{BOOKS.place}: activation", []))
    return _there(found, f"no file of this relay knows the handle {handle.hex()}")


def about_channel(folder: Path, channel_id: bytes) -> dict[str, list[Row]]:
    """Rows by file and table: the channel, its epochs and items, its circle and the account.

    Raises NotFoundError when the relay has no such channel."""
    found: dict[str, list[Row]] = {}
    codes: list[bytes] = []
    if (folder / STORED.place).exists():
        with open_read_only(folder / STORED.place) as connection:
            found = _channel(connection, channel_id)
            found[f"{STORED.place}: log_entry"] = _entries_naming(connection, channel_id)
            codes = [
                bytes.fromhex(str(row["code_hash"]))
                for row in found.get(f"{STORED.place}: activation", ())
            ]
    found |= _accounts(folder, _accounts_of_codes(folder, codes))
    return _there(found, f"this relay has no channel {channel_id.hex()}")


def _channel(connection: sqlite.Connection, channel_id: bytes) -> dict[str, list[Row]]:
    of_channel = "channel = (SELECT key FROM channel WHERE id = ?)"
    of_circle = "(SELECT circle FROM channel WHERE id = ?)"
    wanted = {
        "channel": "id = ?",
        "ladder": of_channel,
        "envelope": of_channel,
        "put_id": of_channel,
        "part": "owner = ?",
        "circle": f"key = {of_circle}",
    }
    found = {
        f"{STORED.place}: {table}": _rows(connection, table, where, channel_id)
        for table, where in wanted.items()
    }
    for circle in found[f"{STORED.place}: circle"]:
        rows = _rows(connection, "activation", "origin = ?", circle["origin"])
        found[f"{STORED.place}: activation"] = rows
    return found


def _circles(folder: Path, codes: list[Row]) -> dict[str, list[Row]]:
    """The circles that the codes of an account opened."""
    found: dict[str, list[Row]] = {}
    if not codes or not (folder / STORED.place).exists():
        return found
    with open_read_only(folder / STORED.place) as connection:
        for code in codes:
            code_hash = bytes.fromhex(str(code["code_hash"]))
            for used in _rows(connection, "activation", "code_hash = ?", code_hash):
                found.setdefault(f"{STORED.place}: activation", []).append(used)
                circles = _rows(connection, "circle", "origin = ?", used["origin"])
                found.setdefault(f"{STORED.place}: circle", []).extend(circles)
    return found


def _accounts_of_codes(folder: Path, codes: list[bytes]) -> set[str]:
    if not (folder / BOOKS.place).exists():
        return set()
    with open_read_only(folder / BOOKS.place) as connection:
        return {
            str(row["account"])
            for code in codes
            for row in _rows(connection, "activation", "code_hash = ?", code)
        }


def _accounts(folder: Path, accounts: set[str]) -> dict[str, list[Row]]:
    """What the books say of accounts: the operator can be made to hand that over too."""
    found: dict[str, list[Row]] = {}
    if not accounts or not (folder / BOOKS.place).exists():
        return found
    with open_read_only(folder / BOOKS.place) as connection:
        for account in sorted(accounts):
            for table, column in (
                ("account", "id"),
                ("activation", "account"),
                ("change", "account"),
                ("payment", "account"),
            ):
                rows = _rows(connection, table, f"{column} = ?", account)
                found.setdefault(f"{BOOKS.place}: {table}", []).extend(rows)
    return found


def _entries_naming(connection: sqlite.Connection, name: bytes) -> list[Row]:
    """Readable entries whose content has these 16 random bytes in it: orders and holds."""
    found: list[Row] = []
    for origin, seq, data in connection.execute(
        "SELECT origin, seq, bytes FROM log_entry JOIN circle ON circle.key = circle"
        " WHERE instr(bytes, ?) > 0 ORDER BY circle, seq",
        (name,),
    ):
        try:
            entry = Entry.decode(data)
            body = ReadableBody.decode(entry.body)
            what = ReadableType(body.type).name.lower()
        except (DecodeError, ValueError):
            # A sealed body has these bytes by chance alone.
            continue
        found.append(
            {
                "origin": origin,
                "seq": seq,
                "act": what,
                "ts": entry.header.ts,
                "steward_key": body.key_id.hex(),
                "content": body.content.hex(),
            }
        )
    return found


def _rows(connection: sqlite.Connection, table: str, where: str, value: object) -> list[Row]:
    sql = f"SELECT * FROM {quoted(table)} WHERE {where}"  # noqa: S608  names of this module
    return [
        {name: _shown(name, row[name]) for name in row.keys()}  # noqa: SIM118  not a mapping
        for row in connection.execute(sql, (value,))
    ]


def _shown(name: str, value: object) -> object:
    if not isinstance(value, bytes):
        return value
    return f"{len(value)} bytes" if name in _HIDDEN else value.hex()


def _there(found: dict[str, list[Row]], otherwise: str) -> dict[str, list[Row]]:
    found = {place: rows for place, rows in found.items() if rows}
    if not found:
        raise NotFoundError(otherwise, hint="look at the number again: 32 hex digits")
    return found
