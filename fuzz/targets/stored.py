"""State that was stored: not foreign, but disks fail, and what is read back must be right."""

from __future__ import annotations

from functools import cache

from cloister.mls import Group, MLSError
from cloister.mls.operations import Operations
from fuzz.targets.edits import edited, example_scripts
from fuzz.targets.target import Finding, Target, decoded
from fuzz.targets.world import PSKS, world
from unit.mls.members import ENTROPY, NOW


@cache
def states() -> tuple[bytes, ...]:
    """A group before and after it has got the last message of three, and keeps keys of two."""
    here = world()
    sender = here.attacker
    for _ in range(3):
        text, sender = sender.encrypt(b"text", entropy=ENTROPY)
    received = here.victim.process(text, now=NOW)
    if received.next is None:
        raise TypeError("a text does not remove us")
    return here.victim_state, received.next.encode()


def stored_group(script: bytes) -> None:
    """Read changed state back, and go on with what was accepted."""
    data = edited(script, states())
    group = decoded(Group.decode, data)
    if group is None:
        return
    if group.encode() != data:
        raise Finding("a group encodes to other bytes than it was decoded from")
    try:
        group.process(world().updating.message, now=NOW, psks=PSKS, allow=Operations.ALL)
    except MLSError:
        return


STORED = (
    Target("Group", stored_group, lambda: example_scripts(states()), max_bytes=128, is_script=True),
)
