"""The books of one home relay: every act is one transaction, then the relay is told.

books/books.sqlite3     the books (secret: customers by name)
books/accounts.json     what the relay reads of them
books/lock              one command at a time
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.books.ledger import add_payment, read_payments
from cloister.books.money import Money
from cloister.books.publish import Published, publication, publish
from cloister.books.rows import Account, Payment, Plan, Renewal
from cloister.books.schema import open_file
from cloister.books.terms import MAX_TERMS, MONTHS, day_at, zone_of
from cloister.crypto.entropy import Entropy
from cloister.crypto.hashing import sha256
from cloister.errors import LocalError, NotFoundError, PolicyError, UsageError
from cloister.limits import SEAT_GRACE_S

MAX_SEATS: Final = 1000
"""Seats of an account: the devices of one circle."""
MAX_NAME: Final = 64
MAX_REFERENCE: Final = 140
_ID_BYTES: Final = 8
_CODE_BYTES: Final = 15
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_HANDLE_BYTES: Final = 16


class Books:
    """Made by ``open_books``; ``now`` in seconds since the Unix epoch."""

    def __init__(
        self, connection: sqlite.Connection, published: Path, now: Callable[[], int]
    ) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._published = published
        self._now = now

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction; after it the relay's file says what the books say."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")
        self.publish()

    # --- plans -------------------------------------------------------------------------------

    def add_plan(self, name: str, price: Money) -> Plan:
        """Add a plan; a price is never changed later, another plan is added."""
        check_line("name", name, MAX_NAME)
        if price.minor < 0:
            raise UsageError("a price is not negative")
        if any(plan.name == name for plan in self.plans()):
            raise UsageError(f"there is a plan {name} already", hint="choose another name")
        with self._change():
            self._execute(
                "INSERT INTO plan (name, price, currency, months) VALUES (?, ?, ?, ?)",
                (name, price.minor, price.currency, MONTHS),
            )
        return Plan(name, price, MONTHS)

    def plans(self) -> list[Plan]:
        """All plans, by name."""
        rows = self._execute("SELECT name, price, currency, months FROM plan ORDER BY name")
        return [
            Plan(name, Money(price, currency), months) for name, price, currency, months in rows
        ]

    # --- accounts ----------------------------------------------------------------------------

    def add_account(
        self, name: str, *, plan: str, seats: int, first: date | None, zone: str, entropy: Entropy
    ) -> tuple[Account, str]:
        """Open an account with one term; returns it with its activation code, shown once."""
        check_line("name", name, MAX_NAME)
        check_seats(seats)
        if all(one.name != plan for one in self.plans()):
            raise NotFoundError(
                f"there is no plan {plan}", hint="see: cloister operator plan list DIR"
            )
        if any(one.name == name for one in self.accounts()):
            raise UsageError(f"there is an account {name} already", hint="choose another name")
        first = first or day_at(self._now(), zone_of(zone))
        zone_of(zone)
        account_id = entropy.random(_ID_BYTES).hex()
        with self._change():
            self._execute(
                "INSERT INTO account (id, name, plan, seats, zone, first, terms)"
                " VALUES (?, ?, ?, ?, ?, ?, 1)",
                (account_id, name, plan, seats, zone, first.isoformat()),
            )
            code = self._add_code(account_id, entropy)
            self._note(account_id, "opened", f"{seats} seats, plan {plan}, from {first}")
        return self.account(name), code

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        plans = {plan.name: plan for plan in self.plans()}
        rows = self._execute(
            "SELECT id, name, plan, seats, zone, first, terms FROM account ORDER BY name"
        )
        return [
            Account(
                id=account_id,
                name=name,
                plan=plans[plan],
                seats=seats,
                zone=zone,
                first=date.fromisoformat(first),
                terms=terms,
            )
            for account_id, name, plan, seats, zone, first, terms in rows
        ]

    def account(self, name: str) -> Account:
        """An account by its name, or its id. Raises NotFoundError."""
        for account in self.accounts():
            if name in {account.name, account.id}:
                return account
        raise NotFoundError(
            f"there is no account {name}", hint="see: cloister operator report accounts DIR"
        )

    def code_hashes(self, account: Account) -> list[bytes]:
        """The hashes of an account's activation codes."""
        sql = "SELECT code_hash FROM activation WHERE account = ? ORDER BY code_hash"
        return [code_hash for (code_hash,) in self._execute(sql, (account.id,))]

    def new_code(self, name: str, entropy: Entropy) -> str:
        """Make another code in place of one that was lost before anybody used it.

        That it was not used is for the caller to know: the relay's file says so."""
        account = self.account(name)
        with self._change():
            self._execute("DELETE FROM activation WHERE account = ?", (account.id,))
            code = self._add_code(account.id, entropy)
            self._note(account.id, "code", "made anew")
        return code

    def _add_code(self, account_id: str, entropy: Entropy) -> str:
        number = int.from_bytes(entropy.random(_CODE_BYTES), "big")
        digits = "".join(_ALPHABET[number >> 5 * i & 31] for i in range(_CODE_BYTES * 8 // 5))
        code = "-".join(digits[i : i + 6] for i in range(0, len(digits), 6))
        self._execute(
            "INSERT INTO activation (code_hash, account) VALUES (?, ?)",
            (sha256(code.encode()), account_id),
        )
        return code

    # --- seats -------------------------------------------------------------------------------

    def add_seats(self, name: str, seats: int) -> Account:
        """Add seats to an account."""
        account = self.account(name)
        check_seats(seats)
        check_seats(account.seats + seats)
        with self._change():
            self._execute("UPDATE account SET seats = seats + ? WHERE id = ?", (seats, account.id))
            self._note(account.id, "seats", f"{account.seats} + {seats}")
        return self.account(name)

    def free(self, name: str, handle: str) -> None:
        """Set the seat of a handle free: of a device that is erased, or gone for good.

        What the device was told stays true: it has its seat until the term that it was told of is
        over, and no later term will name it."""
        account = self.account(name)
        try:
            handle = bytes.fromhex(handle).hex()
            if len(handle) != 2 * _HANDLE_BYTES:
                raise ValueError
        except ValueError:
            raise UsageError(f"{handle!r} is no handle", hint="give 32 hex digits") from None
        if handle in self.freed(account):
            return
        with self._change():
            self._execute("INSERT INTO freed (handle, account) VALUES (?, ?)", (handle, account.id))
            self._note(account.id, "freed", handle)

    def freed(self, account: Account) -> list[str]:
        """The handles of an account whose seats are free again, in hex."""
        sql = "SELECT handle FROM freed WHERE account = ? ORDER BY handle"
        return [handle for (handle,) in self._execute(sql, (account.id,))]

    # --- terms -------------------------------------------------------------------------------

    def renew(self, name: str, terms: int = 1) -> Renewal:
        """Add terms: from the old end, or from today when the account is lapsed."""
        account = self.account(name)
        before = account.last_day
        today = day_at(self._now(), zone_of(account.zone))
        if account.term_end + SEAT_GRACE_S >= self._now():
            first, total, counted_from = account.first, account.terms + terms, before
            reason = "from the end of the term before"
        else:
            first, total, counted_from = today, terms, today
            reason = "from today: the account had lapsed"
        if terms < 1 or total > MAX_TERMS:
            raise UsageError(f"{terms} terms cannot be added", hint="give a number from 1 on")
        with self._change():
            self._execute(
                "UPDATE account SET first = ?, terms = ? WHERE id = ?",
                (first.isoformat(), total, account.id),
            )
            renewed = self.account(name)
            self._note(account.id, "renewed", f"{before} to {renewed.last_day}, {reason}")
        return Renewal(account=renewed, before=before, counted_from=counted_from, reason=reason)

    # --- payments ----------------------------------------------------------------------------

    def pay(self, name: str, amount: Money, *, paid_on: date, reference: str) -> Payment:
        """Enter a payment, or with a negative amount a correction of one."""
        account = self.account(name)
        check_line("reference", reference, MAX_REFERENCE)
        currency = account.plan.price.currency
        if amount.currency != currency:
            raise PolicyError(f"the account {name} pays in {currency}")
        if amount.minor == 0:
            raise UsageError("nothing was paid", hint="give an amount that is not zero")
        with self._change():
            return add_payment(
                self._connection,
                account=account.id,
                amount=amount,
                paid_on=paid_on,
                reference=reference,
                at=self._now(),
            )

    def payments(self) -> list[Payment]:
        """The ledger, in order. Raises LocalError when it was altered."""
        return read_payments(self._connection)

    # --- the relay's file --------------------------------------------------------------------

    def publish(self) -> None:
        """Make the relay's file say what the books say. Raises LocalError."""
        accounts = [
            Published(
                account,
                tuple(code_hash.hex() for code_hash in self.code_hashes(account)),
                tuple(self.freed(account)),
            )
            for account in self.accounts()
        ]
        # Books without an account sell nothing yet: the relay must go on as before.
        if accounts or self._published.exists():
            publish(self._published, publication(accounts))

    def _note(self, account_id: str, what: str, detail: str) -> None:
        self._execute(
            "INSERT INTO change (account, at, what, detail) VALUES (?, ?, ?, ?)",
            (account_id, self._now(), what, detail),
        )


@contextmanager
def open_books(relay_folder: Path, now: Callable[[], int]) -> Iterator[Books]:
    """Open the books of a home relay for one command, and tell the relay what it may have missed.

    Raises LocalError."""
    folder = relay_folder / "books"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(os.open(folder / "books.sqlite3", os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LocalError(f"{folder} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        connection = open_file(folder / "books.sqlite3")
        try:
            books = Books(connection, folder / "accounts.json", now)
            books.publish()
            yield books
        except sqlite.Error as error:
            raise LocalError(f"the books cannot be written: {error}") from None
        finally:
            connection.close()
    finally:
        os.close(descriptor)


def check_line(what: str, text: str, most: int) -> None:
    """Demand one printable line. Raises UsageError."""
    if not text.strip() or len(text) > most or not text.isprintable():
        raise UsageError(f"the {what} is not one line of 1 to {most} characters")


def check_seats(seats: int) -> None:
    """Demand a number of seats that a circle can fill. Raises UsageError."""
    if not 1 <= seats <= MAX_SEATS:
        raise UsageError(
            f"{seats} seats cannot be", hint=f"an account has 1 to {MAX_SEATS}: one circle"
        )
