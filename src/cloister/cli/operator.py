"""`cloister operator`: the books of whoever sells seats, kept in the home relay's folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloister.cli.output import Output

if TYPE_CHECKING:
    from cloister.books.report import Row
    from cloister.books.store import Books
    from cloister.relay.storage.sqlite.reads import Reads

_FOLDER: Final = click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path)
)
_NAME: Final = click.argument("name", metavar="NAME")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def operator() -> None:
    """Sell seats: plans, accounts, payments, terms. DIR is the folder of the home relay.

    \b
    An account opens one circle; a term is six calendar months. The relay sees changes at once:
      cloister operator plan add hk team --price 1600.00 --currency EUR
      cloister operator account add hk "North Clinic" --plan team --seats 12
      cloister operator pay hk "North Clinic" --amount 19200.00 --reference "INV 7"
      cloister operator report renewals hk --due 30
    """


# --- plans --------------------------------------------------------------------------------------


@operator.group()
def plan() -> None:
    """Say what a seat costs."""


@plan.command("add")
@_FOLDER
@_NAME
@click.option("--price", required=True, help="Of one seat for six months, such as 1600.00.")
@click.option("--currency", required=True, metavar="CUR", help="Three letters, ISO 4217.")
@_JSON
def plan_add(folder: Path, name: str, *, price: str, currency: str, as_json: bool) -> None:
    """Add a plan. Its price stays; for another price add another plan.

    \b
    Example:
      cloister operator plan add hk team --price 1600.00 --currency EUR
    """
    from cloister.books.money import read_money

    with _books(folder) as (books, _):
        added = books.add_plan(name, read_money(price, currency))
    view = {"plan": added.name, "price": added.price.amount, "currency": currency}
    text = f"{added.name}: {added.price} for a seat and {added.months} months"
    Output(as_json).data({**view, "months": added.months}, text)


@plan.command("list")
@_FOLDER
@_JSON
def plan_list(folder: Path, *, as_json: bool) -> None:
    """List the plans."""
    with _books(folder) as (books, _):
        plans = books.plans()
    rows: list[Row] = [
        {
            "plan": one.name,
            "price": one.price.amount,
            "currency": one.price.currency,
            "months": one.months,
        }
        for one in plans
    ]
    Output(as_json).data({"plans": rows}, _table(rows))


# --- accounts -----------------------------------------------------------------------------------


@operator.group()
def account() -> None:
    """Open an account for a circle."""


@account.command("add")
@_FOLDER
@_NAME
@click.option("--plan", "plan_name", required=True, metavar="PLAN", help="Name of a plan.")
@click.option("--seats", required=True, type=int, help="Devices that the circle may have.")
@click.option("--start", metavar="DATE", help="First day of the first term; without it, today.")
@click.option(
    "--timezone", default="UTC", show_default=True, help="Where its days end: Europe/Berlin."
)
@_JSON
def account_add(
    folder: Path,
    name: str,
    *,
    plan_name: str,
    seats: int,
    start: str | None,
    timezone: str,
    as_json: bool,
) -> None:
    """Open an account with a first term; prints the activation code that founds its circle.

    The code is not shown again. Tell it to the founder alone. NAME is for you: no relay and no
    member sees it.

    \b
    Example:
      cloister operator account add hk "North Clinic" --plan team --seats 12 \\
          --start 2026-08-31 --timezone Europe/Berlin
    """
    from cloister.books.terms import read_day
    from cloister.crypto.entropy import SystemEntropy

    with _books(folder) as (books, _):
        opened, code = books.add_account(
            name,
            plan=plan_name,
            seats=seats,
            first=read_day(start) if start is not None else None,
            zone=timezone,
            entropy=SystemEntropy(),
        )
    output = Output(as_json)
    output.talk(f"{opened.name} has {opened.seats} seats through {opened.last_day}.")
    view = {
        "account": opened.name,
        "id": opened.id,
        "seats": opened.seats,
        "paid_through": opened.last_day.isoformat(),
        "term_end": opened.term_end,
        "activation_code": code,
    }
    output.data(view, code)


@account.command("code")
@_FOLDER
@_NAME
@_JSON
def account_code(folder: Path, name: str, *, as_json: bool) -> None:
    """Make the activation code anew, if nobody has used the one before: that one ends."""
    from cloister.crypto.entropy import SystemEntropy
    from cloister.errors import PolicyError

    with _books(folder) as (books, relay):
        hashes = books.code_hashes(books.account(name))
        if relay is not None and any(
            relay.bound_key(code_hash) is not None for code_hash in hashes
        ):
            raise PolicyError(
                f"the code of {name} was used: its circle is founded, or being founded",
                hint="for another circle open another account",
            )
        code = books.new_code(name, SystemEntropy())
    Output(as_json).data({"activation_code": code}, code)


@operator.command("seats")
@_FOLDER
@_NAME
@click.option("--add", type=int, metavar="N", help="Add so many seats.")
@click.option("--free", metavar="HANDLE", help="Set the seat of an erased or lost device free.")
@_JSON
def seats(folder: Path, name: str, *, add: int | None, free: str | None, as_json: bool) -> None:
    """Show, or change, the seats of an account: bought, used, reserved, free.

    Used is counted by the relay; a seat is reserved while an invitation is open. You know devices
    by handles alone: the circle tells you which one is gone.

    \b
    Examples:
      cloister operator seats hk "North Clinic"
      cloister operator seats hk "North Clinic" --add 3
      cloister operator seats hk "North Clinic" --free 6f1c0d3b5a7e4c2f8b9d0e1f2a3b4c5d
    """
    with _books(folder) as (books, relay):
        if add is not None:
            books.add_seats(name, add)
        if free is not None:
            books.free(name, free)
        found = books.account(name)
        freed = set(books.freed(found))
        rows = relay.seats(found.id, _now()) if relay is not None else None
    handles = [one.hex() for one in rows.handles] if rows is not None else []
    seated = [handle for handle in handles if handle not in freed]
    reserved = rows.reserved if rows is not None else 0
    view = {
        "account": found.name,
        "bought": found.seats,
        "used": len(seated),
        "reserved": reserved,
        "free": found.seats - len(seated) - reserved,
        "handles": seated,
        "paid_through": found.last_day.isoformat(),
    }
    lines = [f"{key:13} {view[key]}" for key in ("bought", "used", "reserved", "free")]
    lines += [f"paid through  {view['paid_through']}", *(f"  {handle}" for handle in seated)]
    Output(as_json).data(view, "\n".join(lines))


# --- money and time -----------------------------------------------------------------------------


@operator.command("pay")
@_FOLDER
@_NAME
@click.option("--amount", required=True, help="In the plan's currency; negative: a correction.")
@click.option("--reference", required=True, help="Of the bank, or your own.")
@click.option("--date", "day", metavar="DATE", help="Day of the payment; without it, today.")
@_JSON
def pay(
    folder: Path, name: str, *, amount: str, reference: str, day: str | None, as_json: bool
) -> None:
    """Enter a payment. It cannot be changed or taken out; a mistake is corrected by another row.

    Paying and renewing are two acts: `cloister operator renew` moves the end of the term.

    \b
    Examples:
      cloister operator pay hk "North Clinic" --amount 19200.00 --reference "INV 7"
      cloister operator pay hk "North Clinic" --amount=-19200.00 --reference "corrects row 3"
    """
    from cloister.books.money import read_money
    from cloister.books.terms import day_at, read_day, zone_of

    with _books(folder) as (books, _):
        found = books.account(name)
        entered = books.pay(
            name,
            read_money(amount, found.plan.price.currency),
            paid_on=read_day(day) if day is not None else day_at(_now(), zone_of(found.zone)),
            reference=reference,
        )
    view = {
        "seq": entered.seq,
        "account": found.name,
        "amount": entered.amount.amount,
        "currency": entered.amount.currency,
        "paid_on": entered.paid_on.isoformat(),
        "hash": entered.hash.hex(),
    }
    Output(as_json).data(view, f"row {entered.seq}: {entered.amount} of {found.name}")


@operator.command("renew")
@_FOLDER
@_NAME
@click.option("--terms", default=1, show_default=True, type=int, help="Of six months each.")
@_JSON
def renew(folder: Path, name: str, *, terms: int, as_json: bool) -> None:
    """Move the end of the term by six calendar months, from the old end.

    When more than 14 days have passed since the old end, from today: for the time between nothing
    was served.
    """
    with _books(folder) as (books, _):
        renewed = books.renew(name, terms)
    last_day: date = renewed.account.last_day
    view = {
        "account": renewed.account.name,
        "before": renewed.before.isoformat(),
        "paid_through": last_day.isoformat(),
        "term_end": renewed.account.term_end,
        "counted_from": renewed.counted_from.isoformat(),
        "reason": renewed.reason,
    }
    text = f"paid through {last_day}, counted {renewed.reason} ({renewed.counted_from})"
    Output(as_json).data(view, text)


# --- reports ------------------------------------------------------------------------------------


@operator.command("report")
@click.argument("what", type=click.Choice(["renewals", "ledger", "accounts"]))
@_FOLDER
@click.option("--due", type=click.IntRange(0), metavar="DAYS", help="Renewals: due in 30, 7 or 1.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV (RFC 4180).")
@_JSON
def report(what: str, folder: Path, *, due: int | None, csv_wanted: bool, as_json: bool) -> None:
    """Print the renewals that come, the ledger, or the accounts.

    The ledger's chain of hashes is checked; keep the last hash elsewhere, and nobody can alter
    what is before it unseen. In CSV no cell can be taken for a formula.

    \b
    Examples:
      cloister operator report renewals hk --due 7
      cloister operator report ledger hk --csv > ledger.csv
      cloister operator report accounts hk --json
    """
    from cloister.books import report as reports
    from cloister.errors import UsageError

    if csv_wanted and as_json:
        raise UsageError("--csv and --json exclude one another", hint="give one of them")
    if due is not None and what != "renewals":
        raise UsageError("--due is for renewals", hint="leave it out, or report renewals")
    with _books(folder) as (books, _):
        if what == "renewals":
            rows = reports.report_renewals(books, _now(), due)
        elif what == "ledger":
            rows = reports.report_ledger(books)
        else:
            rows = reports.report_accounts(books, _now())
    if csv_wanted:
        sys.stdout.write(reports.as_csv(rows, reports.TEXT_COLUMNS))
        sys.stdout.flush()
    else:
        Output(as_json).data({what: rows}, _table(rows))


@contextmanager
def _books(folder: Path) -> Iterator[tuple[Books, Reads | None]]:
    """Open the books, and the relay's own file to read, if it is there."""
    from cloister.books.store import open_books
    from cloister.errors import UsageError
    from cloister.relay.folder import Folder
    from cloister.relay.storage.sqlite.reads import Reads

    place = Folder(folder)
    if place.settings(os.environ).relay.role != "home":
        raise UsageError("only a home relay sells seats", hint="name the home relay's folder")
    reads = Reads(place.database_path) if place.database_path.exists() else None
    try:
        with open_books(folder, _now) as books:
            yield books, reads
    finally:
        if reads is not None:
            reads.close_reads()


def _now() -> int:
    from cloister.clock import wall_time

    return int(wall_time())


def _table(rows: Sequence[Row]) -> str:
    """Columns with a head; nothing at all is said in words."""
    if not rows:
        return "none"
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
