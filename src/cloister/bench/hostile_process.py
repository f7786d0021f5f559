"""The process of an attack of the bench of hostile load; it yields to all others.

Run as ``python -m cloister.bench.hostile_process CONFIG``, a JSON object; says ``ready`` when the
attack stands, keeps it up, and prints what became of it as a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

import msgspec
import uvloop

from cloister.bench.hostile_attack import Attack, AttackConfig, address, floods, slowloris
from cloister.bench.hostile_cores import stay_on
from cloister.bench.hostile_follows import follows
from cloister.bench.hostile_readers import readers, stalled

ATTACKS: Final[dict[str, Callable[[Attack], None]]] = {
    "slowloris": slowloris,
    "floods": floods,
    "address": address,
    "readers": readers,
    "stalled": stalled,
    "follows": follows,
}
"""``readers`` is none: it is what ``stalled`` is compared with, the same members who read."""


def main() -> None:
    """Run one attack."""
    config = msgspec.json.decode(sys.argv[1].encode(), type=AttackConfig)
    stay_on(config.cores)
    # Where all share the processors it takes what others leave: an attacker brings his own.
    os.nice(19)
    # Being cut is what this is for; libraries log each time.
    logging.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _loop, _context: None)
        print(json.dumps(runner.run(Attack(config).run(ATTACKS[config.kind]))), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
