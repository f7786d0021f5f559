"""Make the known-answer files anew: ``python generate.py [KIND...]``

Without a kind, all of them. Each is written to data/ beside this file; see README.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
DATA = HERE / "data"


def write(kind: str, cases: Iterable[dict[str, Any]]) -> int:
    """Write a file, one case on each line; its size in bytes."""
    lines = [json.dumps(case, separators=(",", ":")) for case in cases]
    data = ("[\n" + ",\n".join(lines) + "\n]\n").encode()
    (DATA / f"{kind}.json").write_bytes(data)
    return len(data)


def main(arguments: list[str]) -> int:
    """Write the named files, or all."""
    from vectors.known_answers.generator.kinds import KINDS, cases_of

    if not {*arguments} <= {*KINDS}:
        print(f"usage: generate.py [KIND...]; the kinds are {', '.join(KINDS)}")
        return 2
    DATA.mkdir(exist_ok=True)
    for kind in arguments or KINDS:
        print(f"{kind}: {write(kind, cases_of(kind))} bytes", flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.exit(main(sys.argv[1:]))
