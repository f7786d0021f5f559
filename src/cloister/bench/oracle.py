"""Whether a home tells strangers what exists: by its answers' bytes, or by the time they take.

Each way to ask about what exists is compared with asking about what does not, in random order, on
one relay, in the processor time of the service: Welch's t, of all samples and of those below some
quantiles of both, as in dudect (Reparaz, Balasch, Verbauwhede 2017).  Above 4.5 the two differ.

Relays with a planted fault run beside it: a bench that finds nothing has to show that it could.
"""

from __future__ import annotations

import asyncio
import gc
import json as json_module
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from cloister.bench.oracle_questions import UNKNOWN, Stranger, Ways
from cloister.bench.oracle_relay import OracleRelay
from cloister.relay.session import Session
from cloister.wire import commands
from cloister.relay.storage.writes import NO_MEMBER
from cloister.wire.auth import ObjectKind
from cloister.wire.frame import encode_frame

SAMPLES: Final = 100_000
"""Of each comparison: half of them unknown."""
THRESHOLD: Final = 4.5
QUANTILES: Final = (1.0, 0.99, 0.95, 0.9, 0.75, 0.5)
_OBJECTS: Final = 2_000
_CONTROL_SAMPLES: Final = 6_000
_ASKED_PER_CONNECTION: Final = 12
_COLLECT_EVERY: Final = 160 * _ASKED_PER_CONNECTION


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two sets of samples are apart; ``quantile`` is where |t| is largest."""

    t: float
    quantile: float
    difference_us: float

    @property
    def is_told(self) -> bool:
        """Whether they differ."""
        return abs(self.t) > THRESHOLD


@dataclass(frozen=True, slots=True)
class Finding:
    """One way to ask beside asking about nothing."""

    question: str
    way: str
    samples: int
    median_us: float
    distance: Distance
    same_bytes: bool


Samples = dict[str, list[int]]
"""By name of the way to ask: processor times in ns."""
Fault = Callable[[OracleRelay], None]


def welch(one: Sequence[int], other: Sequence[int]) -> float:
    """Return Welch's t of two samples: positive when ``one`` is larger."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    difference = statistics.fmean(one) - statistics.fmean(other)
    return difference / spread**0.5 if spread else 0.0


def distance(known: Sequence[int], unknown: Sequence[int]) -> Distance:
    """Compare two sets of samples (ns), of each at most what lies below a quantile of both."""
    both = sorted((*known, *unknown))
    found: list[Distance] = []
    for quantile in QUANTILES:
        most = both[int(len(both) * quantile) - 1]
        kept = [[one for one in side if one <= most] for side in (known, unknown)]
        if min(map(len, kept)) > 1:
            difference = (statistics.fmean(kept[0]) - statistics.fmean(kept[1])) / 1000
            found.append(Distance(round(welch(*kept), 2), quantile, round(difference, 3)))
    return max(found, key=lambda one: abs(one.t))


def compare(question: str, times: Samples, answers: dict[str, set[bytes]]) -> list[Finding]:
    """Compare every way to ask with asking about nothing."""
    return [
        Finding(
            question=question,
            way=way,
            samples=len(found),
            median_us=round(statistics.median(found) / 1000, 1),
            distance=distance(found, times[UNKNOWN]),
            same_bytes=answers[way] == answers[UNKNOWN] and len(answers[way]) == 1,
        )
        for way, found in times.items()
        if way != UNKNOWN
    ]


class Inquiry:
    """Asks one relay, in random order."""

    def __init__(self, relay: OracleRelay, rng: random.Random) -> None:
        self._relay = relay
        self._rng = rng

    def ask(self, question: str, ways: Ways, each: int) -> list[Finding]:
        """Ask every way ``each`` times, and compare."""
        times: Samples = {way: [] for way in ways}
        answers: dict[str, set[bytes]] = {way: set() for way in ways}
        order = [way for way in ways for _ in range(each)]
        self._rng.shuffle(order)
        gc.collect()
        gc.disable()
        try:
            for start in range(0, len(order), _ASKED_PER_CONNECTION):
                self._ask_some(ways, order[start : start + _ASKED_PER_CONNECTION], times, answers)
                if start % _COLLECT_EVERY == 0:
                    gc.collect()
        finally:
            gc.enable()
        return compare(question, times, answers)

    def _ask_some(
        self, ways: Ways, order: list[str], times: Samples, answers: dict[str, set[bytes]]
    ) -> None:
        """Ask on one connection.  All is made before anything is asked, as making it differs."""
        session = self._relay.stranger()
        frames = [encode_frame([ways[way](session)]) for way in order]
        for way, frame in zip(order, frames, strict=True):
            spent, answer = self._relay.ask(session, frame)
            times[way].append(spent)
            answers[way].add(answer)
        self._relay.hang_up(session)


# --- faults --------------------------------------------------------------------------------------


def no_check_of_the_unknown(relay: OracleRelay) -> None:
    """Refuse a proof of what does not exist without checking it."""
    check, find = relay.context.check_proof, relay.store.proof_key

    def hasty(session: Session, request: commands.Prove) -> bool:
        key = find(ObjectKind(request.kind), request.object_id, request.epoch)
        return key is not None and check(session, request)

    relay.context.check_proof = hasty  # type: ignore[method-assign]


def look_without_balance(relay: OracleRelay) -> None:
    """Look the key of an epoch up as one looks anything up."""

    def look(_kind: ObjectKind, channel_id: bytes, epoch: int) -> bytes | None:
        rung = relay.store.ladder(channel_id, epoch)
        return rung.key if rung is not None and rung.key != NO_MEMBER else None

    relay.store.proof_key = look  # type: ignore[method-assign,assignment]


FAULTS: Final[tuple[Fault, ...]] = (no_check_of_the_unknown, look_without_balance)

# --- running -------------------------------------------------------------------------------------


async def inquire(
    samples: int, only: str | None = None, *, fault: Fault | None = None, seed: int = 0
) -> list[Finding]:
    """Put every question, or the one named, to a relay of its own; perhaps to one with a fault."""
    rng = random.Random(seed)
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        relay = OracleRelay(Path(folder), _OBJECTS, rng)
        try:
            await relay.fill()
            if fault is not None:
                fault(relay)
            questions = Stranger(relay).questions
            for question, ways in questions.items():
                if only in (None, question):
                    print(f"{question} …", file=sys.stderr)
                    found += Inquiry(relay, rng).ask(question, ways, max(samples // 2, 2))
        finally:
            relay.close()
    return found


def run(samples: int = SAMPLES, json: bool = False) -> list[Finding]:
    """Measure, with the faults beside it."""
    say: Callable[[str], None] = (lambda line: None) if json else print
    say(f"processor time of an answer, against asking about nothing; {samples} samples each")
    say(f"{'question':<22}{'way to ask':<28}{'median':>10}{'difference':>13}{'|t|':>8}   bytes")
    found = asyncio.run(inquire(samples))
    for finding in found:
        say(_row(finding))
    controls = {}
    for fault in FAULTS:
        planted = asyncio.run(
            inquire(min(samples, _CONTROL_SAMPLES), "channel", fault=fault)
        )
        worst = max(planted, key=lambda one: abs(one.distance.t))
        name = fault.__name__.replace("_", " ")
        controls[name] = worst
        say(f"planted: {name}: |t| {abs(worst.distance.t):.1f}, "
            f"{worst.distance.difference_us:+.2f} µs in {worst.samples} samples")  # fmt: skip
    if json:
        report = {
            "v": 1,
            "bench": "oracle",
            "threshold": THRESHOLD,
            "results": [asdict(one) for one in found],
            "planted": {name: asdict(one) for name, one in controls.items()},
        }
        print(json_module.dumps(report))
    return found


def _row(finding: Finding) -> str:
    apart = finding.distance
    mark = "TOLD" if apart.is_told else ""
    same = "same" if finding.same_bytes else "DIFFER"
    return (
        f"{finding.question:<22}{finding.way:<28}{finding.median_us:>7.1f} µs"
        f"{apart.difference_us:>+10.3f} µs{abs(apart.t):>8.1f}   {same:<7}{mark}"
    )
