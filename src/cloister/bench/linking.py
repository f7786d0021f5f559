"""Who talks with whom, from the times at which connections put messages: the linking test (S7).

The attack is statistical disclosure: around each put of a target, the puts of every other device
are counted by how long after or before they came, and weighed against what that device does anyway.
The weights are learnt from pairs that the attacker knows, in a world of their own.  He sees the
puts of all connections, to the microsecond, and their sizes, which are one.  Who scores most is
named.
"""

from __future__ import annotations

import json as json_module
import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cloister.bench.linking_traffic import Habits, Traffic, Uplink

PAIRS: Final = 100
MESSAGES: Final = 50
HOURS: Final = 20.0
"""Played: enough for every device to have sent so many."""
ALLOWED: Final = 0.05
"""How much better than chance the attack may be."""
EDGES_S: Final = (
    0.0,
    0.1,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    30.0,
    40.0,
    50.0,
    61.0,
    90.0,
    150.0,
    300.0,
)
"""Between which times after a put the attacker counts."""
_BINS: Final = len(EDGES_S) - 1
COVER_PER_DAY: Final = 240
ANSWERED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured: what the devices do, and what the attacker sees."""

    name: str
    habits: Habits
    sees_deliveries: bool = False


def settings(answers: float) -> tuple[Setting, ...]:
    """Return the settings for a share of texts that are answered."""
    receipts, cover = Habits(answers=answers, gives_receipts=True), COVER_PER_DAY
    return (
        Setting("no receipts", Habits(answers=answers)),
        Setting("receipts", receipts),
        Setting(
            "receipts and cover",
            Habits(answers=answers, gives_receipts=True, cover_per_day=cover),
        ),
        Setting("cover", Habits(answers=answers, cover_per_day=cover)),
        Setting("receipts at once (planted)", Habits(answers=answers, gives_at_once=True)),
        Setting("deliveries seen", Habits(answers=answers), sees_deliveries=True),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often the attack was right."""

    setting: str
    answers: float
    hit_rate: float
    """Targets whose partner was named, of all others."""
    chance: float
    of_two: float
    """How often the partner scored more than one other device; chance is a half."""
    is_hidden: bool
    """Neither is better than chance by more than ``ALLOWED``."""


class Watched:
    """What the attacker has of one world: times of puts, and what may follow them."""

    def __init__(self, uplinks: Sequence[Uplink], messages: int, *, sees_deliveries: bool) -> None:
        self._sees_deliveries = sees_deliveries
        self.count = len(uplinks)
        self._puts = [sorted(uplink.puts) for uplink in uplinks]
        self._after = [
            sorted(uplink.deliveries) if sees_deliveries else puts
            for uplink, puts in zip(uplinks, self._puts, strict=True)
        ]
        self._begin = min(puts[0] for puts in self._puts if puts)
        self._until = [uplink.texts[min(messages, len(uplink.texts)) - 1] for uplink in uplinks]
        """When each has sent so many texts: there the attack on it ends."""

    def counts(self, target: int) -> tuple[list[list[int]], list[float]]:
        """Return for each other device the counts by lag, and how many are expected in a second
        of lag if it has nothing to do with the target."""
        until = self._until[target]
        own = self._puts[target][: bisect_right(self._puts[target], until)]
        found, expected = [], []
        for other in range(self.count):
            counts = [0] * _BINS
            rate = 0.0
            if other != target:
                after = self._after[other]
                self._count_lags(own, after, counts)
                if not self._sees_deliveries:
                    upto = after[: bisect_right(after, until)]
                    self._count_lags(upto, own, counts)
                seen = bisect_right(after, until + EDGES_S[-1])
                rate = len(own) * (seen + 1) / (until + EDGES_S[-1] - self._begin)
                rate *= 1 if self._sees_deliveries else 2
            found.append(counts)
            expected.append(rate)
        return found, expected

    @staticmethod
    def _count_lags(first: Sequence[float], then: Sequence[float], counts: list[int]) -> None:
        end, size = 0, len(then)
        for at in first:
            while end < size and then[end] <= at:
                end += 1
            place = end
            while place < size and then[place] - at < EDGES_S[-1]:
                counts[bisect_left(EDGES_S, then[place] - at) - 1] += 1
                place += 1


def learn(watched: Watched) -> list[float]:
    """Return by lag how many times more than chance a partner's puts there are."""
    seen, expected = [0] * _BINS, [0.0] * _BINS
    for target in range(watched.count):
        counts, rates = watched.counts(target)
        partner = target ^ 1
        for place in range(_BINS):
            seen[place] += counts[partner][place]
            expected[place] += rates[partner] * _width(place)
    return [(seen[place] + 1) / (expected[place] + 1) for place in range(_BINS)]


def attack(watched: Watched, ratios: Sequence[float]) -> tuple[float, float]:
    """Return how often the partner is named, and how often it scores more than one other."""
    logs = [math.log(ratio) for ratio in ratios]
    surplus = sum((ratio - 1) * _width(place) for place, ratio in enumerate(ratios))
    hits, of_two = 0.0, 0.0
    for target in range(watched.count):
        counts, rates = watched.counts(target)
        scores = [
            sum(map(_times, counts[other], logs)) - rates[other] * surplus
            for other in range(watched.count)
        ]
        own, others = (
            scores[target ^ 1],
            [score for other, score in enumerate(scores) if other not in {target, target ^ 1}],
        )
        above, same = sum(score > own for score in others), sum(score == own for score in others)
        hits += (above == 0) / (1 + same)
        of_two += (len(others) - above - same / 2) / len(others)
    return hits / watched.count, of_two / watched.count


def _times(count: int, weight: float) -> float:
    return count * weight


def _width(place: int) -> float:
    return EDGES_S[place + 1] - EDGES_S[place]


def measure(
    setting: Setting, *, pairs: int = PAIRS, messages: int = MESSAGES, hours: float, seed: int
) -> Outcome:
    """Play two worlds: the attacker learns in one and attacks the other."""

    def world(number: int) -> Watched:
        uplinks = Traffic(pairs, setting.habits, 2 * seed + number).play(hours)
        return Watched(uplinks, messages, sees_deliveries=setting.sees_deliveries)

    hit_rate, of_two = attack(world(1), learn(world(0)))
    chance = 1 / (2 * pairs - 1)
    return Outcome(
        setting=setting.name,
        answers=setting.habits.answers,
        hit_rate=hit_rate,
        chance=chance,
        of_two=of_two,
        is_hidden=hit_rate <= chance + ALLOWED and of_two <= 0.5 + ALLOWED,
    )


def run(
    *,
    pairs: int = PAIRS,
    messages: int = MESSAGES,
    hours: float = HOURS,
    seed: int = 1,
    json: bool = False,
) -> list[Outcome]:
    """Attack every setting, without answers and with them; print a table or one JSON object."""
    say: Callable[[str], None] = (lambda line: None) if json else print
    chance = 1 / (2 * pairs - 1)
    say(f"{pairs} pairs, {messages} texts of each target; chance {chance:.1%}, and 50 %")
    say(f"{'texts answered':>15}{'':>3}{'':28}{'named':>8}{'of two':>8}  chance + {ALLOWED:.0%}")
    outcomes = []
    for answers in (0.0, ANSWERED):
        for setting in settings(answers):
            print(f"{setting.name} …", file=sys.stderr)
            one = measure(setting, pairs=pairs, messages=messages, hours=hours, seed=seed)
            outcomes.append(one)
            say(
                f"{one.answers:>15.0%}{'':>3}{one.setting:28}{one.hit_rate:>8.1%}{one.of_two:>8.1%}"
                f"  {'kept' if one.is_hidden else 'missed'}"
            )
    if json:
        report = {"v": 1, "bench": "linking", "pairs": pairs, "messages": messages}
        print(json_module.dumps(report | {"outcomes": [asdict(one) for one in outcomes]}))
    return outcomes
