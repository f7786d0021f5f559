"""What MLS costs with the product's cipher suite, with full validation, on the public interface.

Each operation stands beside its floor, the primitive calls it made, priced alone in the same run;
their ratio, which says more than the time on a machine that others use too; and the goal.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cloister.bench.mls_groups import (
    ENTROPY,
    NOW,
    Pair,
    add,
    founder,
    full_group,
    next_of,
    package,
    sparse_group,
    with_a_member_far_away,
)
from cloister.bench.mls_primitives import Prices, count, fastest_ms
from cloister.mls import Group, open_welcome
from cloister.mls.limits import MAX_LEAVES

DEFAULT_SIZES: Final = (2, 50, 500, 2000)
SECONDS: Final = 0.4
"""How long each operation is repeated; the fastest run counts."""
MANY: Final = 100
TEXT: Final = b"x" * 200
GOALS_MS: Final = {
    ("encrypt", None): 0.10,
    ("decrypt", None): 0.20,
    ("join", 500): 100,
    ("join", 2000): 400,
    ("update create", 500): 5,
    ("update process", 500): 1.6,
    ("update process, beside", 500): 1.6,
}
"""By operation and size; None: at every size."""

Operations = dict[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One operation in a group of ``n``; ``calls`` are the primitives of one run, in number."""

    n: int
    operation: str
    ms: float
    floor_ms: float
    ratio: float | None
    goal_ms: float | None
    is_met: bool | None
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes in a group of ``n``, full tree; ``change_bytes`` is what a text changes."""

    n: int
    commit_bytes: int
    sparse_commit_bytes: int
    ratchet_tree_bytes: int
    epoch_state_bytes: int
    ratchet_records_bytes: int
    change_bytes: int


def _bytes_of(records: dict[bytes, bytes | None]) -> int:
    return sum(len(key) + len(value or b"") for key, value in records.items())


@dataclass(frozen=True, slots=True)
class Members:
    """Three members in one epoch of a full tree, keys parsed and hashes known as in use.

    ``near`` is at the leaf beside the committer and derives the keys of the whole path; ``far`` is
    in the other half, as half of all members are, and derives the root's only.
    """

    committer: Group
    near: Group
    far: Group


def _members(pair: Pair) -> Members:
    group, near = pair.committer, pair.joiner
    if len(group.members()) > 2:
        group, near, far = with_a_member_far_away(group, near)
    else:
        far = near
    first = group.commit(now=NOW, entropy=ENTROPY)
    near = next_of(near.process(first.message, now=NOW))
    return Members(first.next, near, next_of(far.process(first.message, now=NOW)))


def _updates(members: Members, sparse: Pair) -> Operations:
    group, lonely = members.committer, sparse.committer
    message = group.commit(now=NOW, entropy=ENTROPY).message
    first = lonely.commit(now=NOW, entropy=ENTROPY).message
    return {
        "update create": lambda: group.commit(now=NOW, entropy=ENTROPY),
        "update process": lambda: members.far.process(message, now=NOW),
        "update process, beside": lambda: members.near.process(message, now=NOW),
        "update create, sparse": lambda: lonely.commit(now=NOW, entropy=ENTROPY),
        "update process, sparse": lambda: sparse.joiner.process(first, now=NOW),
    }


def _removes(members: Members) -> Operations:
    """Remove somebody in the other half, whose blank path gives the committer more to encrypt."""
    group, near, far = members.committer, members.near, members.far
    others = {one.leaf_index for one in group.members()}
    removed = min(others - {group.own_leaf, near.own_leaf, far.own_leaf}, default=near.own_leaf)
    message = group.commit(removes=[removed], now=NOW, entropy=ENTROPY).message
    return {
        "remove create": lambda: group.commit(removes=[removed], now=NOW, entropy=ENTROPY),
        "remove process": lambda: far.process(message, now=NOW),
    }


def _texts(group: Group, joiner: Group) -> tuple[Operations, Group, Group]:
    """Texts after the first one of the sender; the first derives his chains."""
    first, sender = group.encrypt(TEXT, entropy=ENTROPY)
    receiver = next_of(joiner.process(first, now=NOW))
    message, _ = sender.encrypt(TEXT, entropy=ENTROPY)
    operations: Operations = {
        "encrypt": lambda: sender.encrypt(TEXT, entropy=ENTROPY),
        "decrypt": lambda: receiver.process(message, now=NOW),
    }
    return operations, receiver, next_of(receiver.process(message, now=NOW))


def _storing(before: Group, group: Group) -> Operations:
    epoch, records = group.epoch_state(), group.ratchet_records()
    return {
        "store epoch": group.epoch_state,
        "store ratchets": group.ratchet_records,
        "store a text's change": lambda: group.ratchet_changes(before),
        "restore": lambda: Group.restore(epoch, records),
    }


def measure(size: int, prices: Prices, seconds: float) -> tuple[list[Measured], Sizes]:
    """Build both groups of this size and measure every operation in them."""
    start = time.perf_counter()
    _progress(f"{size} members: building a full and a sparse tree …")
    full, sparse = full_group(size), sparse_group(size)
    _progress(f"{size} members: built in {time.perf_counter() - start:.0f} s, measuring …")
    members = _members(full)
    group = members.committer
    texts, before, receiver = _texts(group, members.far)
    one = [package(size)]
    many = [package(size + n) for n in range(MANY)] if size + MANY <= MAX_LEAVES else []
    operations: Operations = {
        "create key package": lambda: package(0),
        "create group": founder,
        "add one": lambda: add(group, one),
        **({f"add {MANY}": lambda: add(group, many)} if many else {}),
        "join": lambda: open_welcome(full.welcome, full.secrets).join(full.ratchet_tree, now=NOW),
        **_updates(members, sparse),
        **_removes(members),
        **texts,
        **_storing(before, receiver),
    }
    measured = [
        _measure(size, name, operation, prices, seconds) for name, operation in operations.items()
    ]
    sizes = Sizes(
        n=size,
        commit_bytes=len(group.commit(now=NOW, entropy=ENTROPY).message),
        sparse_commit_bytes=len(sparse.committer.commit(now=NOW, entropy=ENTROPY).message),
        ratchet_tree_bytes=len(full.ratchet_tree),
        epoch_state_bytes=len(receiver.epoch_state()),
        ratchet_records_bytes=_bytes_of(dict(receiver.ratchet_records())),
        change_bytes=_bytes_of(receiver.ratchet_changes(before)),
    )
    return measured, sizes


def _measure(
    n: int, name: str, operation: Callable[[], object], prices: Prices, seconds: float
) -> Measured:
    ms = fastest_ms(operation, seconds)
    # After the timing, so that it is the calls of a run like the fastest.
    calls = count(operation)
    floor = prices.floor_ms(calls)
    goal = GOALS_MS.get((name, n), GOALS_MS.get((name, None)))
    return Measured(
        n=n,
        operation=name,
        ms=round(ms, 4),
        floor_ms=round(floor, 4),
        ratio=round(ms / floor, 2) if floor else None,
        goal_ms=goal,
        is_met=None if goal is None else ms <= goal,
        calls=calls.by_name(),
    )


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(
    sizes: Sequence[int] = DEFAULT_SIZES, json: bool = False, seconds: float = SECONDS
) -> list[Measured]:
    """Measure and print each size: a table that grows, or one JSON object at the end."""
    prices = Prices(seconds / 4)
    results: list[Measured] = []
    all_sizes: list[Sizes] = []
    for size in sizes:
        measured, found = measure(size, prices, seconds)
        results += measured
        all_sizes.append(found)
        if not json:
            _print(measured, found)
    if json:
        report = {
            "v": 2,
            "bench": "mls",
            "suite": "MLKEM768X25519_AES256GCM_SHA384_Ed25519",
            "operations": [asdict(one) for one in results],
            "sizes": [asdict(one) for one in all_sizes],
        }
        print(json_module.dumps(report))
    return results


def _print(measured: Sequence[Measured], sizes: Sizes) -> None:
    print(f"\n{sizes.n} members{'ms':>20}{'floor':>11}{'ratio':>8}{'goal':>9}   primitive calls")
    for one in measured:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        goal = "" if one.goal_ms is None else f"{one.goal_ms:g}"
        mark = {None: "", True: "met", False: "MISSED"}[one.is_met]
        calls = ", ".join(f"{number} {name}" for name, number in one.calls.items())
        print(
            f"{one.operation:<24}{one.ms:>9.3f}{one.floor_ms:>11.3f}{ratio:>8}{goal:>7} {mark:<6}"
            f" {calls}"
        )
    print(
        f"bytes: commit {sizes.commit_bytes:,}, sparse {sizes.sparse_commit_bytes:,};"
        f" ratchet tree {sizes.ratchet_tree_bytes:,}; stored: epoch {sizes.epoch_state_bytes:,},"
        f" ratchets {sizes.ratchet_records_bytes:,}, a text's change {sizes.change_bytes:,}"
    )
