"""The books: accounts, seats, renewals, the ledger, and the file that the relay reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.books.money import Money, read_money
from cloister.books.report import as_csv, report_accounts, report_ledger, report_renewals
from cloister.books.store import Books, open_books
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.errors import LocalError, NotFoundError, PolicyError, UsageError
from cloister.relay.accounts import Accounts
from cloister.relay.logsafe import Log

DAY = 86_400
START = date(2026, 8, 31)
NOW = int(datetime(2026, 9, 1, 12, tzinfo=UTC).timestamp())
HANDLE = "6f" * 16
Open = Callable[..., AbstractContextManager[Books]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open the books of one folder, at a time."""

    @contextmanager
    def open_at(now: int = NOW) -> Iterator[Books]:
        with open_books(tmp_path, lambda: now) as books:
            yield books

    return open_at


def with_account(books: Books, name: str = "North") -> str:
    if not books.plans():
        books.add_plan("team", read_money("1600.00", "EUR"))
    _, code = books.add_account(
        name, plan="team", seats=12, first=START, zone="Europe/Berlin", entropy=SystemEntropy()
    )
    return code


def published(folder: Path) -> dict[str, object]:
    (account,) = json.loads((folder / "books" / "accounts.json").read_bytes())["accounts"]
    return dict(account)


def test_the_relay_reads_what_the_books_publish(opened: Open, tmp_path: Path) -> None:
    with opened() as books:
        code = with_account(books)
        books.free("North", HANDLE)
        end = books.account("North").term_end
    accounts = Accounts(tmp_path / "books" / "accounts.json", Log(lambda: NOW))
    account = accounts.of_code(sha256(code.encode()))
    assert account is not None
    assert (account.seats, account.term_end) == (12, end)
    assert account.freed_handles == {bytes.fromhex(HANDLE)}
    assert accounts.of_code(sha256(b"another")) is None


def test_the_published_file_names_nobody(opened: Open, tmp_path: Path) -> None:
    with opened() as books:
        code = with_account(books, "Clinic of the North")
        books.pay("Clinic of the North", Money(1, "EUR"), paid_on=START, reference="Dr. Hu, INV 7")
    data = (tmp_path / "books" / "accounts.json").read_text()
    for secret in ("Clinic", "Hu", "INV", "team", "1600", code):
        assert secret not in data


def test_books_without_an_account_tell_the_relay_nothing(opened: Open, tmp_path: Path) -> None:
    with opened() as books:
        books.add_plan("team", Money(1, "EUR"))
    assert not (tmp_path / "books" / "accounts.json").exists()


def test_a_file_lost_between_commit_and_publishing_comes_with_the_next_command(
    opened: Open, tmp_path: Path
) -> None:
    with opened() as books:
        with_account(books)
    path = tmp_path / "books" / "accounts.json"
    before = path.read_bytes()
    path.unlink()
    with opened():
        assert path.read_bytes() == before
    path.write_bytes(b"{}")
    with opened():
        assert path.read_bytes() == before


def test_a_renewal_counts_from_the_old_end(opened: Open, tmp_path: Path) -> None:
    with opened() as books:
        with_account(books)
        renewed = books.renew("North")
        assert (renewed.before, renewed.account.last_day) == (date(2027, 2, 28), date(2027, 8, 31))
        assert renewed.counted_from == date(2027, 2, 28)
    assert published(tmp_path)["term_end"] == renewed.account.term_end


def test_in_grace_a_renewal_still_counts_from_the_old_end(opened: Open) -> None:
    with opened() as books:
        with_account(books)
        end = books.account("North").term_end
    with opened(end + 14 * DAY) as books:
        assert books.renew("North").account.last_day == date(2027, 8, 31)


def test_after_grace_a_renewal_counts_from_today(opened: Open) -> None:
    with opened() as books:
        with_account(books)
        end = books.account("North").term_end
    with opened(end + 14 * DAY + 1) as books:
        renewed = books.renew("North", terms=2)
        assert renewed.counted_from == date(2027, 3, 15)
        assert renewed.account.last_day == date(2028, 3, 15)
        assert "today" in renewed.reason


@pytest.mark.parametrize("terms", [0, -1, 400])
def test_terms_that_cannot_be_are_refused(opened: Open, terms: int) -> None:
    with opened() as books:
        with_account(books)
        with pytest.raises(UsageError):
            books.renew("North", terms)
        assert books.account("North").last_day == date(2027, 2, 28)


def test_seats_are_added_within_what_a_circle_may_have(opened: Open, tmp_path: Path) -> None:
    with opened() as books:
        with_account(books)
        assert books.add_seats("North", 3).seats == 15
        for wrong in (0, -1, 986):
            with pytest.raises(UsageError):
                books.add_seats("North", wrong)
    assert published(tmp_path)["seats"] == 15


@pytest.mark.parametrize("handle", ["", "6f", "6f" * 17, "zz" * 16])
def test_only_a_handle_is_set_free(opened: Open, handle: str) -> None:
    with opened() as books:
        with_account(books)
        with pytest.raises(UsageError):
            books.free("North", handle)


def test_names_are_one_line_and_once(opened: Open) -> None:
    with opened() as books:
        with_account(books)
        for name in ("North", "", "a\nb", "\x1b[2J", "x" * 65):
            with pytest.raises(UsageError):
                with_account(books, name)
        with pytest.raises(NotFoundError):
            books.account("South")
        with pytest.raises(NotFoundError):
            books.add_account(
                "South", plan="none", seats=1, first=None, zone="UTC", entropy=SystemEntropy()
            )
        with pytest.raises(UsageError):
            books.add_plan("team", Money(2, "EUR"))


def test_a_new_code_takes_the_place_of_the_old(opened: Open) -> None:
    with opened() as books:
        old = with_account(books)
        new = books.new_code("North", SystemEntropy())
        hashes = books.code_hashes(books.account("North"))
    assert old != new
    assert hashes == [sha256(new.encode())]


# --- the ledger -----------------------------------------------------------------------------------


def pay_twice(books: Books) -> None:
    with_account(books)
    books.pay("North", Money(1_920_000, "EUR"), paid_on=START, reference="INV 7")
    books.pay("North", Money(-20_000, "EUR"), paid_on=START, reference="corrects row 1")


def test_a_correction_is_another_row(opened: Open) -> None:
    with opened() as books:
        pay_twice(books)
        rows = report_ledger(books)
    assert [row["amount"] for row in rows] == ["19200.00", "-200.00"]
    assert [row["seq"] for row in rows] == [1, 2]


@pytest.mark.parametrize("table", ["payment", "change"])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {} SET account = account",
        "DELETE FROM {}",
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0} WHERE seq = 1",
    ],
)
def test_rows_are_only_added(opened: Open, tmp_path: Path, table: str, sql: str) -> None:
    with opened() as books:
        pay_twice(books)
    connection = sqlite.connect(str(tmp_path / "books" / "books.sqlite3"))
    with pytest.raises(sqlite.IntegrityError, match="only added"):
        connection.execute(sql.format(table))
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE payment SET amount = amount + 1 WHERE seq = 1",
        "UPDATE payment SET reference = 'x' WHERE seq = 2",
        "UPDATE payment SET paid_on = '2026-01-01' WHERE seq = 1",
        "DELETE FROM payment WHERE seq = 1",
    ],
)
def test_a_ledger_altered_behind_our_back_is_noticed(
    opened: Open, tmp_path: Path, sql: str
) -> None:
    with opened() as books:
        pay_twice(books)
    connection = sqlite.connect(str(tmp_path / "books" / "books.sqlite3"))
    for verb in ("update", "delete"):
        connection.execute(f"DROP TRIGGER payment_no_{verb}")
    connection.execute(sql)
    connection.commit()
    connection.close()
    with opened() as books:
        with pytest.raises(LocalError, match="altered at row"):
            books.payments()
        with pytest.raises(LocalError, match="altered at row"):
            books.pay("North", Money(1, "EUR"), paid_on=START, reference="more")


def test_payments_are_in_the_currency_of_the_plan_and_not_nothing(opened: Open) -> None:
    with opened() as books:
        with_account(books)
        with pytest.raises(PolicyError):
            books.pay("North", Money(1, "USD"), paid_on=START, reference="x")
        with pytest.raises(UsageError):
            books.pay("North", Money(0, "EUR"), paid_on=START, reference="x")
        assert books.payments() == []


@pytest.mark.parametrize(
    ("text", "currency", "minor", "printed"),
    [
        ("1600.00", "EUR", 160_000, "1600.00 EUR"),
        ("1600", "EUR", 160_000, "1600.00 EUR"),
        ("0.1", "EUR", 10, "0.10 EUR"),
        ("-0.01", "EUR", -1, "-0.01 EUR"),
        ("1600", "JPY", 1600, "1600 JPY"),
        ("1.234", "KWD", 1234, "1.234 KWD"),
    ],
)
def test_money_is_whole_minor_units(text: str, currency: str, minor: int, printed: str) -> None:
    money = read_money(text, currency)
    assert money.minor == minor
    assert str(money) == printed


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.234", "EUR"), ("1.5", "JPY"), ("1e3", "EUR"), ("NaN", "EUR"), ("1,600.00", "EUR"),
        ("", "EUR"), ("+1", "EUR"), ("9" * 15, "EUR"), ("\u0661", "EUR"), ("1", "eur"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(UsageError):
        read_money(text, currency)


# --- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_before", "notice"),
    [(31, 0), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1), (-20, 1)],
)
def test_renewals_are_due_thirty_seven_and_one_day_before(
    opened: Open, days_before: int, notice: int
) -> None:
    with opened() as books:
        with_account(books)
        now = books.account("North").term_end - (days_before + 1) * DAY + DAY // 2
        (row,) = report_renewals(books, now)
        assert (row["days"], row["due"]) == (days_before, notice)
        assert (row["amount"], row["currency"]) == ("19200.00", "EUR")
        assert len(report_renewals(books, now, 30)) == (1 if notice else 0)
        assert len(report_renewals(books, now, 1)) == (1 if notice == 1 else 0)


def test_standing_follows_the_term_and_the_grace(opened: Open) -> None:
    with opened() as books:
        with_account(books)
        end = books.account("North").term_end
        for now, word in ((end - 1, "active"), (end, "grace"), (end + 14 * DAY, "grace")):
            assert report_accounts(books, now)[0]["standing"] == word
        assert report_accounts(books, end + 14 * DAY + 1)[0]["standing"] == "lapsed"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "\r"])
def test_no_cell_that_somebody_typed_is_a_formula(start: str) -> None:
    text = as_csv(
        [{"account": f"{start}cmd|' /C calc'!A0", "amount": "-1.50"}], frozenset({"account"})
    )
    _, (cell, amount) = csv.reader(io.StringIO(text, newline=""))
    assert cell.startswith("'")
    assert amount == "-1.50"
