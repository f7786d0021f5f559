"""The interface over a device on paper, on whatever terminal it is started on.

    python on_a_terminal.py COLOURS [SEED COUNT]

With a seed it holds COUNT hostile texts in conversations of two hundred.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from cloister.tui.quiet import quiet_toolkit  # noqa: E402 (the path comes first)

quiet_toolkit()

from cloister.testing.paper_device import PaperDevice  # noqa: E402 (after the toolkit is quiet)
from tui.hostile import concoction  # noqa: E402
from tui.stage import interface, newsroom  # noqa: E402


def hostile(seed: int, count: int) -> PaperDevice:
    """Return a device whose conversations are full of hostile texts."""
    chance, device = random.Random(seed), PaperDevice()
    for _ in range(max(count // 200, 1)):
        name = concoction(chance)
        device.add_member(name)
        channel = device.add_conversation(concoction(chance), (name,))
        for _ in range(min(count, 200)):
            device.write(channel, concoction(chance), concoction(chance))
    return device


def main() -> None:
    """Run until it is left."""
    colours, *rest = sys.argv[1:]
    device = hostile(int(rest[0]), int(rest[1])) if rest else newsroom()
    app = interface(device, colours=colours)
    ending = app.run()
    if app.failure is not None:
        raise app.failure
    print(f"ended: {ending}")


if __name__ == "__main__":
    main()
