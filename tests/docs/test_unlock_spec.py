"""The page on unlock shares says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.crypto.signature import LABEL_PREFIX
from cloister.relay.shares import enforcing, orders, rows, service, tickets, worker
from cloister.roster import orders as order_formats
from cloister.roster import share
from cloister.wire import auth
from cloister.wire.codes import Refusal

PAGE = (Path(__file__).resolve().parents[2] / "docs/spec/unlock.md").read_text("utf-8")
FLAT = " ".join(PAGE.split())


def test_rules_are_numbered_without_gaps() -> None:
    numbers = [int(one) for one in re.findall(r"\*\*U(\d+)\*\*", PAGE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_tries_and_delays_are_those_of_the_code() -> None:
    assert f"A share has {rows.TRIES} tries" in FLAT
    assert ", ".join(map(str, rows.DELAYS_S)) + " s" in FLAT
    assert len(rows.DELAYS_S) == rows.TRIES
    assert f"scalar of generation {rows.FIRST_GENERATION}," in FLAT


def test_other_numbers_are_those_of_the_code() -> None:
    assert f"takes {service.CONNECTION_BURST} at once, then one a second" in FLAT
    assert service.CONNECTION_INTERVAL_S == 1
    assert f"of all together {service.RELAY_BURST}, then a hundred a second" in FLAT
    assert service.RELAY_INTERVAL_S == 1 / 100
    assert f"while {worker.MAX_WAITING:,} wait for its disk" in FLAT
    assert f"more than {orders.MAX_AHEAD} above the relay's log" in FLAT
    assert f"every {enforcing.LOOK_S} s" in FLAT
    assert tickets.FOUNDER_TICKET_S == rows.SPENT_FOR_S == 86_400
    assert "good for a day" in FLAT
    assert tickets.MAX_TICKET_S == 30 * 86_400 + 600
    assert "more than 30 days and 10 minutes to run" in FLAT
    assert "until a day after it" in FLAT
    assert f"/* 1 to {order_formats.MAX_TARGETS} targets */" in FLAT


def test_labels_are_those_of_the_code() -> None:
    assert f"labels of signatures begin with `{LABEL_PREFIX.decode()}`" in FLAT
    for label in (
        auth.ENROL_LABEL,
        auth.SHARE_LABEL,
        share.TICKET_LABEL,
        share.RECEIPT_LABEL,
        share.ERASURE_LABEL,
        order_formats.LOCK_LABEL,
        order_formats.UNLOCK_CONSENT_LABEL,
    ):
        assert f"label `{label.decode()}`" in FLAT
    for label in (share.BIND_LABEL, order_formats.ORDER_HASH_LABEL):
        assert f'H("{label.decode()}", ' in FLAT


def test_acts_and_states_have_the_numbers_of_the_code() -> None:
    assert "act 1 by the unlock key" in FLAT
    assert "act 5 is that of U8a" in FLAT
    names = ["EVALUATE", "CONFIRM", "NEXT", "DROP", "ENROL_AGAIN"]
    assert [one.name for one in auth.ShareAct] == names
    assert [int(one) for one in auth.ShareAct] == [1, 2, 3, 4, 5]
    assert "1 nothing known, 2 it may come, 3 done" in FLAT
    assert [one.name for one in rows.ErasureState] == ["UNKNOWN", "PENDING", "ERASED"]


def test_refusals_named_exist() -> None:
    words = set(re.findall(r"\b[A-Z]{4,}(?:_[A-Z]+)*\b", PAGE))
    known = set(Refusal.__members__)
    assert {word for word in words if word not in known} <= {"MUST", "CONNECT", "OPRF", "SHOULD"}
