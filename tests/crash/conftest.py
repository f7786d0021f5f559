"""A home relay for a module's tests, on one folder; and what a test needs that traces it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from crash.lone_home import LoneHome
from crash.power import why_no_disk
from crash.tracing import why_not
from integration.nursery import Nursery, shared_nursery


@pytest.fixture(scope="session")
def tracing() -> None:
    """Skip where nothing can be traced."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    """What relays are forked from."""
    return shared_nursery()


@pytest.fixture(scope="module")
def lone_home(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[LoneHome]:
    """One folder: each test goes on with what the one before has left there."""
    made = LoneHome(tmp_path_factory.mktemp("lone"), nursery)
    yield made
    made.home.stop(signal.SIGKILL)


@pytest.fixture
def world(lone_home: LoneHome) -> LoneHome:
    """The relay, running, without a fault."""
    lone_home.start()
    return lone_home


@pytest.fixture(scope="session")
def power_disks() -> None:
    """Skip where no disk can be made whose power can be cut."""
    if reason := why_no_disk():
        pytest.skip(reason)
