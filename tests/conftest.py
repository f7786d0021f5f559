"""What holds for every run: the search profile, what a plain run leaves out, where files lie."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from counts import ALL_VARIABLE

# A deadline measures the machine, not the code. In CI a failure must be the change's own: new
# examples are searched for on developers' machines, and what they find becomes a test.
settings.register_profile("developer", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

MEMORY: Final = Path("/dev/shm")
LEAST_FREE_BYTES: Final = 2 * 1024**3
"""A run leaves a tenth of that; a container's small one is not filled up."""
PATIENCE_S: Final = 60.0
"""How long a worker waits for the first one to have read all modules."""
OBJECTS_BETWEEN: Final = 20_000
"""A few megabytes of what may be garbage."""
LONG_MARKS: Final = ("slow", "process")
"""Marks of modules that are begun first, the longest kind first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--all``."""
    parser.addoption(
        "--all",
        action="store_true",
        dest="cloister_all",
        help="also the long searches (marked nightly), and many more examples of each property",
    )
    parser.addoption(
        "--write-snapshots",
        action="store_true",
        help="write tests/tui/snapshots anew from what the screens show",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Decide what test modules ask for as they are imported, and where files of tests lie."""
    os.environ[ALL_VARIABLE] = "1" if config.getoption("cloister_all") else "0"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what runs in the background. Programs that tests start would inherit
        # it, and would never hear the Ctrl+C that a test sends them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _is_roomy(MEMORY):
        # Relays and vaults flush every commit to disk. Tests kill processes and never cut the
        # power, so what a disk would keep costs most of their time and shows nothing.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _is_roomy(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= LEAST_FREE_BYTES


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let the first worker read all modules before the others do.

    pytest rewrites each of three hundred modules and keeps the result: in a fresh checkout every
    worker would, at the same time, while the static checks want the processors too.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return (yield)
    with _turn_of(session.config, is_first=worker == "gw0"):
        return (yield)


@contextmanager
def _turn_of(config: pytest.Config, *, is_first: bool) -> Iterator[None]:
    shared = Path(tempfile.gettempdir()) / f"cloister-{os.environ['PYTEST_XDIST_TESTRUNUID']}"
    if is_first:
        try:
            yield
        finally:
            shared.touch()
            config.add_cleanup(lambda: shared.unlink(missing_ok=True))
        return
    until = time.monotonic() + PATIENCE_S
    while not shared.exists() and time.monotonic() < until:
        time.sleep(0.05)
    yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is nightly, and have every worker begin with long modules."""
    if not config.getoption("cloister_all"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        if nightly:
            config.hook.pytest_deselected(items=nightly)
            items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = [item for pile in _piles(items, workers) for item in pile]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the collector of garbage pass over the modules and the tests: what stays would be
    looked through again and again. And what a test keeps for its own time, an interface say, at
    every 700th object that is made: so it comes round more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN)


def _piles(items: list[pytest.Item], count: int) -> list[list[pytest.Item]]:
    """Divide the tests evenly; each pile begins with its share of the long modules.

    pytest-xdist gives each worker one stretch of the list, and moves tests from the end of another
    worker's stretch to one that has nothing left to do: there the short tests must stand.  Long
    modules of one folder stay on one pile: no demo is played beside the one whose time is taken.
    """
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    piles: list[list[pytest.Item]] = [[] for _ in range(count)]
    places = cycle(piles)
    place_of: dict[Path, list[pytest.Item]] = {}
    for mark in LONG_MARKS:
        for path, tests in list(modules.items()):
            if any(test.get_closest_marker(mark) for test in tests):
                if path.parent not in place_of:
                    place_of[path.parent] = next(places)
                place_of[path.parent].extend(modules.pop(path))
    short = [item for tests in modules.values() for item in tests]
    most = -(-len(items) // count)
    for pile in piles:
        room = max(most - len(pile), 0)
        pile.extend(short[:room])
        del short[:room]
    piles[-1].extend(short)
    return piles
