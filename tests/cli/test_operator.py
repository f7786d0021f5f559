"""The operator's commands as they are typed."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from cloister.clock import VARIABLE
from cloister.crypto.hashing import sha256
from cloister.relay.folder import Folder
from cloister.relay.storage.sqlite.schema import open_file

HANDLE = "6f" * 16
NORTH = "North Clinic"


def make_relay(run: Run, folder: Path, role: str = "home") -> Path:
    status, _, _ = run(
        *("relay", "init", str(folder), "--role", role, "--host", "127.0.0.1"),
        *("--jurisdiction", "HK", "--operator", "North"),
    )
    assert status == 0
    return folder


@pytest.fixture
def hk(run: Run, world: Path) -> Path:
    """The folder of a home relay with a plan."""
    folder = make_relay(run, world / "hk")
    added = run(
        "operator", "plan", "add", str(folder), "team", "--price", "1600", "--currency", "EUR"
    )
    assert added[:2] == (0, "team: 1600.00 EUR for a seat and 6 months\n")
    return folder


def asked(run: Run, *arguments: str) -> dict[str, Any]:
    status, out, err = run("operator", *arguments, "--json")
    assert status == 0, err
    return dict(json.loads(out))


def open_account(run: Run, hk: Path, name: str = NORTH, *more: str) -> dict[str, Any]:
    return asked(
        run,
        *("account", "add", str(hk), name, "--plan", "team", "--seats", "3"),
        *("--start", "2026-08-31", "--timezone", "Europe/Berlin", *more),
    )


def test_an_account_is_opened_and_its_code_is_one_that_the_relay_takes(run: Run, hk: Path) -> None:
    opened = open_account(run, hk)
    assert opened["paid_through"] == "2027-02-28"
    file = json.loads((hk / "books" / "accounts.json").read_bytes())
    (account,) = file["accounts"]
    assert account["code_hashes"] == [sha256(opened["activation_code"].encode()).hex()]
    assert (account["account"], account["term_end"]) == (opened["id"], opened["term_end"])


def test_plans_are_listed(run: Run, hk: Path) -> None:
    row = {"plan": "team", "price": "1600.00", "currency": "EUR", "months": 6}
    assert asked(run, "plan", "list", str(hk)) == {"v": 1, "plans": [row]}
    assert "team  1600.00  EUR" in run("operator", "plan", "list", str(hk))[1]


def test_seats_are_counted_by_the_relay(run: Run, hk: Path) -> None:
    account = open_account(run, hk)["id"]
    connection = open_file(Folder(hk).database_path)
    connection.execute("INSERT INTO seat VALUES (?, ?)", (bytes.fromhex(HANDLE), account))
    connection.execute("INSERT INTO seat_reserved VALUES (x'01', ?, ?)", (account, 2**40))
    connection.close()
    found = asked(run, "seats", str(hk), NORTH, "--add", "2")
    assert [found[key] for key in ("bought", "used", "reserved", "free")] == [5, 1, 1, 3]
    assert found["handles"] == [HANDLE]
    found = asked(run, "seats", str(hk), NORTH, "--free", HANDLE)
    assert [found[key] for key in ("bought", "used", "reserved", "free")] == [5, 0, 1, 4]
    assert run("operator", "seats", str(hk), NORTH)[1].splitlines()[0] == "bought        5"


def test_a_lost_code_is_made_anew_until_it_is_used(run: Run, hk: Path) -> None:
    first = open_account(run, hk)["activation_code"]
    second = asked(run, "account", "code", str(hk), NORTH)["activation_code"]
    assert first != second
    connection = open_file(Folder(hk).database_path)
    connection.execute("INSERT INTO activation VALUES (?, x'', 'o')", (sha256(second.encode()),))
    connection.close()
    status, out, err = run("operator", "account", "code", str(hk), NORTH)
    assert (status, out) == (5, "")
    assert "was used" in err


def test_money_comes_in_and_is_corrected(run: Run, hk: Path) -> None:
    open_account(run, hk)
    pay = ("pay", str(hk), NORTH, "--reference")
    assert asked(run, *pay, "=INV 7", "--amount", "4800", "--date", "2026-09-01")["seq"] == 1
    assert asked(run, *pay, "corrects row 1", "--amount=-0.50")["amount"] == "-0.50"
    _, out, _ = run("operator", "report", "ledger", str(hk), "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["amount"] for row in rows] == ["4800.00", "-0.50"]
    assert rows[0]["reference"] == "'=INV 7"
    assert rows[0]["paid_on"] == "2026-09-01"


def test_an_altered_ledger_is_not_reported(run: Run, hk: Path) -> None:
    open_account(run, hk)
    asked(run, "pay", str(hk), NORTH, "--reference", "x", "--amount", "1")
    connection = sqlite3.connect(hk / "books" / "books.sqlite3")
    with pytest.raises(sqlite3.IntegrityError, match="only added"):
        connection.execute("UPDATE payment SET amount = 2")
    connection.execute("DROP TRIGGER payment_no_update")
    connection.execute("UPDATE payment SET amount = 2")
    connection.commit()
    connection.close()
    status, out, err = run("operator", "report", "ledger", str(hk))
    assert (status, out) == (1, "")
    assert "altered at row 1" in err


def test_a_renewal_says_from_when_it_counts(
    run: Run, hk: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_account(run, hk)
    renewed = asked(run, "renew", str(hk), NORTH)
    assert (renewed["before"], renewed["paid_through"]) == ("2027-02-28", "2027-08-31")
    assert renewed["counted_from"] == "2027-02-28"
    (world / "clock").write_text(str(10 * 365 * 86_400))
    monkeypatch.setenv(VARIABLE, str(world / "clock"))
    renewed = asked(run, "renew", str(hk), NORTH)
    assert "today" in renewed["reason"]
    assert renewed["counted_from"] > "2030"


def test_reports_have_three_forms(run: Run, hk: Path) -> None:
    open_account(run, hk)
    assert asked(run, "report", "renewals", str(hk))["renewals"][0]["amount"] == "4800.00"
    _, out, _ = run("operator", "report", "accounts", str(hk))
    assert out.splitlines()[0].split()[:3] == ["account", "id", "plan"]
    assert run("operator", "report", "accounts", str(hk), "--csv", "--json")[0] == 2
    assert run("operator", "report", "ledger", str(hk), "--due", "7")[0] == 2


def test_only_a_home_relay_sells(run: Run, world: Path) -> None:
    entry = make_relay(run, world / "pa", "entry")
    status, _, err = run("operator", "plan", "list", str(entry))
    assert status == 2
    assert "home relay" in err
    assert run("operator", "plan", "list", str(world / "none"))[0] == 3
    assert not (entry / "books").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("pay", "HK", "South", "--amount", "1", "--reference", "x"), 3, "report accounts"),
        (("pay", "HK", NORTH, "--amount", "1.234", "--reference", "x"), 2, "1600.00"),
        (("pay", "HK", NORTH, "--amount", "1", "--reference", "x", "--date", "1.9."), 2, "2026-"),
        (("seats", "HK", NORTH, "--add", "998"), 2, "1000"),
        (("seats", "HK", NORTH, "--free", "abc"), 2, "32 hex digits"),
        (("renew", "HK", NORTH, "--terms", "0"), 2, "from 1 on"),
        (("account", "add", "HK", "x", "--plan", "none", "--seats", "1"), 3, "plan list"),
        (
            ("account", "add", "HK", "x", "--plan", "team", "--seats", "1", "--timezone", "Mars"),
            2,
            "Europe/Berlin",
        ),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(
    run: Run, hk: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    open_account(run, hk)
    before = (hk / "books" / "accounts.json").read_bytes()
    ended, out, err = run("operator", *(str(hk) if one == "HK" else one for one in arguments))
    assert (ended, out) == (status, "")
    assert says in err.splitlines()[-1]
    assert (hk / "books" / "accounts.json").read_bytes() == before
