"""Verify known-answer files of MLS: ``python verify.py FILE.json...``

Prints a line for each file, and the first failures of a file that is wrong. The exit status is 1
if any case is wrong. What a file is about follows from its name.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
MOST_FAILURES_SHOWN = 5


def main(arguments: list[str]) -> int:
    """Verify the files; 0 if all is right, 1 if something is wrong, 2 if the command is."""
    from vectors.known_answers.verifier.failure import Failure
    from vectors.known_answers.verifier.kinds import KINDS, load, verify_case

    paths = [Path(argument) for argument in arguments]
    unknown = [path.name for path in paths if path.stem not in KINDS]
    if unknown or not paths:
        print(f"usage: verify.py FILE.json...; no kind of file: {unknown or 'none named'}")
        return 2
    is_wrong = False
    for path in paths:
        failures = []
        cases = load(path)
        for number, case in enumerate(cases):
            try:
                verify_case(path.stem, case)
            except Failure as failure:
                failures.append(f"  case {number}, suite {case.get('cipher_suite')}: {failure}")
        is_wrong |= bool(failures) or not cases
        print(f"{path.stem}: {len(cases) - len(failures)} of {len(cases)} cases right")
        print("".join(f"{line}\n" for line in failures[:MOST_FAILURES_SHOWN]), end="", flush=True)
    return int(is_wrong)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.exit(main(sys.argv[1:]))
