"""What the decoders make of damaged messages, and of messages made to hurt.

Executions a second: a stream of mutated real messages through each decoder, nothing else around
it; this is the speed at which a decoder can be searched. The floor is a bare loop that reads the
fields of the same message, each behind its length, by slicing: no structures, no checks but the
end. No reader in this language does less. All times are processor time.
"""

from __future__ import annotations

import gc
import json as json_module
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from cloister.bench.codec_checks import hostile_checks
from cloister.bench.codec_hostile import Hostile, hostile_inputs
from cloister.bench.codec_messages import Sample, fields_of, real_messages
from cloister.bench.mutation import mutate
from cloister.codec import encode_opaque
from cloister.errors import RemoteError

MUTATIONS = 4000
CHUNK = 50
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Speed:
    """One decoder. ``accepted`` is the share of mutated messages that are still well formed."""

    decoder: str
    message_bytes: int
    mutated_per_s: int
    mutated_mb_per_s: float
    accepted: float
    whole_per_s: int
    whole_mb_per_s: float
    floor_per_s: int


@dataclass(frozen=True, slots=True)
class Cost:
    """One hostile input: time, and memory beyond the input itself."""

    kind: str
    name: str
    input_bytes: int
    ms: float
    mib: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Growth:
    """One check on hostile input, at half size and at full."""

    check: str
    half_ms: float
    full_ms: float


def is_accepted(decode: Callable[[bytes], object], data: bytes) -> bool:
    """Decode, and tell whether it was well formed."""
    try:
        decode(data)
    except RemoteError:
        return False
    return True


def read_fields(data: bytes) -> list[bytes]:
    """The floor: fields behind their lengths, by slicing."""
    found = []
    position, end = 0, len(data)
    while position < end:
        length = data[position]
        if length < 0x40:
            start = position + 1
        elif length < 0x80:
            start = position + 2
            length = (length & 0x3F) << 8 | data[position + 1]
        else:
            start = position + 4
            length = int.from_bytes(data[position:start], "big") & 0x3FFFFFFF
        position = start + length
        found.append(data[start:position])
    return found


def best_of(operation: Callable[[], object], seconds: float) -> float:
    """The fastest of repeated runs, in seconds of processor time.

    Other work on the machine only ever adds, to processor time less than to time on the wall.
    """
    best = float("inf")
    until = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < until:
        start = time.process_time()
        operation()
        best = min(best, time.process_time() - start)
    return best


def best_sum(operations: Sequence[Callable[[], object]], seconds: float) -> float:
    """The fastest run of each operation, added up, in seconds.

    In small pieces and over and over: a long run always meets other work on the machine.
    """
    best = [float("inf")] * len(operations)
    until = time.perf_counter() + seconds
    while best[-1] == float("inf") or time.perf_counter() < until:
        for number, operation in enumerate(operations):
            start = time.process_time()
            operation()
            best[number] = min(best[number], time.process_time() - start)
    return sum(best)


def measure_speed(sample: Sample, seconds: float) -> Speed:
    """Measure one decoder for about so many seconds."""
    stream = [mutate(sample.data, seed) for seed in range(MUTATIONS)]
    accepted = sum(is_accepted(sample.decode, data) for data in stream)
    pieces = [stream[start : start + CHUNK] for start in range(0, MUTATIONS, CHUNK)]
    elapsed = best_sum([partial(_decode_all, sample, piece) for piece in pieces], seconds)
    whole = best_of(lambda: _decode_all(sample, [sample.data] * CHUNK), seconds / 4) / CHUNK
    bare = b"".join(encode_opaque(field) for field in fields_of(sample.decode(sample.data)))
    floor = best_of(lambda: [read_fields(bare) for _ in range(CHUNK)], seconds / 4) / CHUNK
    return Speed(
        decoder=sample.name,
        message_bytes=len(sample.data),
        mutated_per_s=round(MUTATIONS / elapsed),
        mutated_mb_per_s=round(sum(map(len, stream)) / elapsed / 1e6, 1),
        accepted=round(accepted / MUTATIONS, 2),
        whole_per_s=round(1 / whole),
        whole_mb_per_s=round(len(sample.data) / whole / 1e6, 1),
        floor_per_s=round(1 / floor),
    )


def _decode_all(sample: Sample, piece: Sequence[bytes]) -> None:
    decode = sample.decode
    for data in piece:
        try:  # noqa: SIM105 (contextlib.suppress costs a fifth of a decoder)
            decode(data)
        except RemoteError:
            pass


def measure_cost(hostile: Hostile) -> Cost:
    """Measure one hostile input: time first, memory in a pass of its own."""
    outcome = "decoded"
    try:
        hostile.decode(hostile.data)
    except RemoteError as error:
        outcome = f"refused: {error}"
    elapsed = best_of(lambda: is_accepted(hostile.decode, hostile.data), 0.4)
    gc.collect()
    tracemalloc.start()
    is_accepted(hostile.decode, hostile.data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Cost(
        kind=hostile.kind,
        name=hostile.name,
        input_bytes=len(hostile.data),
        ms=round(elapsed * 1000, 1),
        mib=round(peak / MIB, 2),
        outcome=outcome,
    )


def worst_of(costs: Sequence[Cost]) -> dict[str, tuple[float, float]]:
    """The largest time in ms and memory in MiB of each kind."""
    worst: dict[str, tuple[float, float]] = {}
    for cost in costs:
        ms, mib = worst.get(cost.kind, (0.0, 0.0))
        worst[cost.kind] = max(ms, cost.ms), max(mib, cost.mib)
    return worst


def run(*, seconds: float, json: bool = False) -> None:
    """Measure and print: tables, or one JSON object."""
    speeds = [measure_speed(sample, seconds) for sample in real_messages()]
    if not json:
        _print_speeds(speeds)
    costs = [measure_cost(hostile) for hostile in hostile_inputs()]
    if not json:
        _print_costs(costs)
    growths = [
        Growth(
            check=check.name,
            half_ms=round(best_of(check.half, 0.2) * 1000, 1),
            full_ms=round(best_of(check.full, 0.2) * 1000, 1),
        )
        for check in hostile_checks()
    ]
    if not json:
        _print_growths(growths)
        return
    worst = {kind: {"ms": ms, "mib": mib} for kind, (ms, mib) in worst_of(costs).items()}
    report = {
        "v": 1,
        "bench": "codec",
        "decoders": [asdict(speed) for speed in speeds],
        "hostile": [asdict(cost) for cost in costs],
        "worst": worst,
        "checks": [asdict(growth) for growth in growths],
    }
    print(json_module.dumps(report))


def _print_speeds(speeds: Sequence[Speed]) -> None:
    print("Decoders, executions a second (floor: the same fields, read by slicing alone)\n")
    print(f"{'':25}{'bytes':>7}{'mutated':>11}{'MB/s':>7}{'well formed':>13}", end="")
    print(f"{'whole':>11}{'MB/s':>7}{'floor':>11}")
    for one in speeds:
        print(
            f"{one.decoder:25}{one.message_bytes:7,}{one.mutated_per_s:11,}"
            f"{one.mutated_mb_per_s:7.0f}{one.accepted:13.0%}{one.whole_per_s:11,}"
            f"{one.whole_mb_per_s:7.0f}{one.floor_per_s:11,}"
        )


def _print_costs(costs: Sequence[Cost]) -> None:
    print("\nHostile input of up to 1 MiB\n")
    for cost in costs:
        print(f"{cost.kind:17}{cost.name:42}{cost.ms:7.1f} ms{cost.mib:7.2f} MiB  {cost.outcome}")
    print("\nWorst of each kind\n")
    for kind, (ms, mib) in worst_of(costs).items():
        print(f"{kind:17}{ms:7.1f} ms{mib:7.2f} MiB")


def _print_growths(growths: Sequence[Growth]) -> None:
    print("\nChecks behind the decoders, hostile input of half the size and of the full\n")
    for one in growths:
        print(f"{one.check:42}{one.half_ms:8.1f} ms{one.full_ms:8.1f} ms")
