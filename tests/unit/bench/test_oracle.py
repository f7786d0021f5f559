"""The oracle bench finds what is planted: an answer that is too fast, and one that is not alike."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from cloister.bench import oracle
from cloister.bench.oracle_relay import OracleRelay
from cloister.bench.oracle_statistics import THRESHOLD, distance
from cloister.relay.session import Session
from cloister.wire import commands
from cloister.wire.codes import Refusal

SAMPLES = 600
OBJECTS = 32


def test_an_answer_that_is_too_fast_is_found() -> None:
    fault = oracle.no_check_of_the_unknown
    found = asyncio.run(oracle.inquire(SAMPLES, "channel", fault=fault, objects=OBJECTS))
    # What has no key is refused as hastily as what does not exist.
    told = {one.way for one in found if abs(one.distance.t) > 2 * THRESHOLD}
    assert told == {"wrong key", "epoch is over", "removed member"}, found
    assert all(one.same_bytes for one in found)


@pytest.mark.nightly
def test_a_look_that_is_not_balanced_is_found() -> None:
    fault = oracle.look_without_balance
    found = asyncio.run(oracle.inquire(20 * SAMPLES, "channel", fault=fault))
    assert max(abs(one.distance.t) for one in found) > 2 * THRESHOLD, found


def test_an_answer_that_differs_is_found() -> None:
    def talkative(relay: OracleRelay) -> None:
        check = relay.context.check_proof

        def say_more(session: Session, request: commands.Prove) -> bool:
            if relay.store.channel(request.object_id) is not None:
                session.refuse(request.rid, Refusal.STALE_EPOCH)
            return check(session, request)

        relay.context.check_proof = say_more  # type: ignore[method-assign]

    found = asyncio.run(oracle.inquire(40, "channel", fault=talkative, objects=OBJECTS))
    differ = {one.way for one in found if not one.same_bytes}
    assert differ == {one.way for one in found}


def test_equal_times_are_not_told_apart_and_a_hundredth_more_is() -> None:
    rng = random.Random(5)
    one, other = ([round(rng.gauss(100_000, 5_000)) for _ in range(5_000)] for _ in range(2))
    assert not distance(one, other).is_told
    more = distance([time + 1_000 for time in one], other)
    assert more.is_told
    assert more.difference_us == pytest.approx(1, abs=0.4)
    # Outliers hide a difference from the plain t; cropping shows it.
    for number in range(0, 5_000, 50):
        other[number] += 10_000_000
    assert distance([time + 1_000 for time in one], other).is_told


def test_the_report_has_every_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "OBJECTS", OBJECTS)
    oracle.run(40, json=True, seconds=0)
    report = json.loads(capsys.readouterr().out)
    assert len({one["question"] for one in report["results"]}) == 10
    assert all(one["same_bytes"] for one in report["results"])
    assert len(report["planted"]) == 2
