"""The linking test, small: the attack works where it must, and fails where nothing is seen."""

from __future__ import annotations

import statistics

import pytest

from cloister.bench.linking import Outcome, measure, settings
from cloister.bench.linking_traffic import HOUR_S, Habits, Traffic
from cloister.client.receipts import DELAY_SPREAD_S, LEAST_DELAY_S

PAIRS, MESSAGES, HOURS = 10, 20, 7.0


def attacked(name: str) -> Outcome:
    setting = next(one for one in settings(0.0) if one.name == name)
    return measure(setting, pairs=PAIRS, messages=MESSAGES, hours=HOURS, seed=3)


@pytest.mark.parametrize("name", ["receipts at once (planted)", "deliveries seen", "receipts"])
def test_what_follows_a_text_gives_the_pair_away(name: str) -> None:
    """Also a receipt that is late by a random time, if the device sends nothing else: as the
    documents say."""
    outcome = attacked(name)
    assert outcome.hit_rate > 0.9
    assert outcome.of_two > 0.95
    assert not outcome.is_hidden


@pytest.mark.parametrize("name", ["no receipts", "cover", "receipts and cover"])
def test_what_follows_nothing_gives_nothing_away(name: str) -> None:
    """Twenty targets: chance is one of them, and half of the comparisons within a tenth or two."""
    outcome = attacked(name)
    assert outcome.hit_rate <= 4 / (2 * PAIRS)
    assert 0.25 < outcome.of_two < 0.75


def test_receipts_of_the_product_are_late_and_with_cover_at_covers_times() -> None:
    receipts = Traffic(5, Habits(gives_receipts=True), 1).play(5.0)
    lags = []
    for number, uplink in enumerate(receipts):
        texts = receipts[number ^ 1].texts
        given = sorted(set(uplink.puts) - set(uplink.texts))
        assert 0 < len(given) <= len(texts)
        lags += [min(at - text for text in texts if text < at) for at in given]
    # From the newest text; it may have come just before the receipt for another one.
    assert max(lags) < LEAST_DELAY_S + DELAY_SPREAD_S + 1
    assert min(lag for lag in lags if lag > 0) < statistics.median(lags) < 40

    def puts(habits: Habits) -> list[list[int]]:
        start = Traffic(5, habits, 1).start
        played = Traffic(5, habits, 1).play(5.0)
        return [sorted(int(at - start) for at in set(one.puts) - set(one.texts)) for one in played]

    # A hundred receipts and cover messages each: as many as without receipts, or nearly.
    covered = puts(Habits(gives_receipts=True, cover_per_day=240))
    cover = puts(Habits(cover_per_day=240))
    mean = 5 * HOUR_S * 240 / 86_400
    for seen in (covered, cover):
        assert statistics.mean(len(one) for one in seen) == pytest.approx(mean, rel=0.25)
