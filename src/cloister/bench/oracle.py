"""Whether a home tells strangers what exists: by its answers' bytes, or by the time they take.

Each way to ask about what exists is compared with asking about what does not, in random order, on
one relay, in the processor time of the service (``oracle_statistics``).  Then the same at the
socket of a real relay, by the clock (``oracle_socket``).

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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cloister.bench.oracle_questions import UNKNOWN, Stranger, Ways
from cloister.bench.oracle_relay import OracleRelay
from cloister.bench.oracle_socket import AtTheSocket, measure
from cloister.bench.oracle_statistics import THRESHOLD, Distance, distance
from cloister.relay.session import Session
from cloister.relay.storage.writes import NO_MEMBER
from cloister.wire import commands
from cloister.wire.auth import ObjectKind
from cloister.wire.frame import encode_frame

SAMPLES: Final = 100_000
"""Of each comparison: half of them unknown."""
OBJECTS: Final = 2_000
"""Channels of the relay that is asked."""
_CONTROL_SAMPLES: Final = 6_000
_ASKED_PER_CONNECTION: Final = 12
_COLLECT_EVERY: Final = 160 * _ASKED_PER_CONNECTION


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
    samples: int,
    only: str | None = None,
    *,
    fault: Fault | None = None,
    objects: int = 0,
    say: Callable[[Finding], None] = lambda _one: None,
) -> list[Finding]:
    """Put every question, or the one named, to a relay of its own; perhaps to one with a fault.

    ``objects``: how many channels it has, 0 for ``OBJECTS``; ``say`` is told each finding."""
    rng = random.Random(0)
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        relay = OracleRelay(Path(folder), objects or OBJECTS, rng)
        try:
            await relay.fill()
            if fault is not None:
                fault(relay)
            questions = Stranger(relay).questions
            for question, ways in questions.items():
                if only in (None, question):
                    print(f"{question} …", file=sys.stderr)
                    made = Inquiry(relay, rng).ask(question, ways, max(samples // 2, 2))
                    found += made
                    for one in made:
                        say(one)
        finally:
            relay.close()
    return found


def run(samples: int = SAMPLES, json: bool = False, seconds: float = 30.0) -> list[Finding]:
    """Measure, with the faults beside it; at the socket for ``seconds``, 0: not there."""
    say: Callable[[str], None] = (lambda line: None) if json else print
    say(f"processor time of an answer, against asking about nothing; {samples} samples each")
    say(f"{'question':<22}{'way to ask':<28}{'median':>10}{'difference':>13}{'|t|':>8}   bytes")
    found = asyncio.run(inquire(samples, say=lambda one: say(_row(one))))
    planted: dict[str, Finding] = {}
    for fault in FAULTS:
        controls = asyncio.run(inquire(min(samples, _CONTROL_SAMPLES), "channel", fault=fault))
        worst = max(controls, key=lambda one: abs(one.distance.t))
        planted[fault.__name__.replace("_", " ")] = worst
    for name, one in planted.items():
        say(f"planted: {name}: |t| {abs(one.distance.t):.1f}, "
            f"{one.distance.difference_us:+.2f} µs, {2 * one.samples} samples")  # fmt: skip
    at_socket = measure(seconds) if seconds else None
    if at_socket is not None:
        say(_at_socket(at_socket))
    if json:
        report = {
            "v": 1,
            "bench": "oracle",
            "threshold": THRESHOLD,
            "results": [asdict(one) for one in found],
            "planted": {name: asdict(one) for name, one in planted.items()},
            "at_socket": asdict(at_socket) if at_socket is not None else None,
        }
        print(json_module.dumps(report))
    return found


def _at_socket(one: AtTheSocket) -> str:
    apart, same = one.distance, "same bytes" if one.same_bytes else "bytes DIFFER"
    return (
        f"at the socket: {one.samples} samples in {one.seconds} s, median {one.median_us} µs, "
        f"half of them within {one.spread_us} µs; {apart.difference_us:+.2f} µs, "
        f"|t| {abs(apart.t):.1f}, {same}; one µs would need {one.samples_for_one_us:,} samples"
    )


def _row(finding: Finding) -> str:
    apart = finding.distance
    mark = "TOLD" if apart.is_told else ""
    same = "same" if finding.same_bytes else "DIFFER"
    return (
        f"{finding.question:<22}{finding.way:<28}{finding.median_us:>7.1f} µs"
        f"{apart.difference_us:>+10.3f} µs{abs(apart.t):>8.1f}   {same:<7}{mark}"
    )
