"""``python -m cloister.testing.simulation SEED``: run a seed again; with ``--count`` many."""

from __future__ import annotations

import argparse
import sys
import time

from cloister.testing.simulation.circle import record
from cloister.testing.simulation.run import run


def main() -> int:
    """Run seeds; exit status 1 when any broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m cloister.testing.simulation")
    parser.add_argument("seed", type=int, nargs="?", default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds from there on")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument(
        "--record", action="store_true", help="record the signatures of founding again, and stop"
    )
    asked = parser.parse_args()
    if asked.record:
        print(f"{record()} signatures recorded")
        return 0
    began = time.process_time()
    bad = 0
    for seed in range(asked.seed, asked.seed + asked.count):
        outcome = run(seed, keeps_all=asked.trace)
        if asked.trace:
            print("\n".join(outcome.lines))
        if outcome.violations:
            bad += 1
            print(outcome.report() if not asked.trace else "\n".join(map(str, outcome.violations)))
        elif asked.count == 1:
            print(
                f"seed {seed}: {outcome.texts} texts, {outcome.crashes} crashes,"
                f" {outcome.virtual_s:.0f} s, {outcome.steps} steps, trace {outcome.digest}"
            )
    used = time.process_time() - began
    print(f"{asked.count} seeds, {bad} bad, {used:.1f} s of processor time", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
