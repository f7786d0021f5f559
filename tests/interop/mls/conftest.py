"""The peer: one node process for all tests of a run, or of a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from interop.mls.install import Installation, NotHere, check_node
from interop.mls.peer import Peer
from interop.mls.suites import MAIN_SUITES, SUITES, plain_x_wing_known


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """ts-mls, in a process of its own."""
    installation = Installation()
    try:
        check_node()
    except NotHere as error:
        pytest.skip(f"no live interoperability: {error}")
    installation.wait()
    if not installation.is_current():
        reason = f"no live interoperability: {installation.why_not()}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with Peer(installation.folder) as started:
        yield started


@pytest.fixture(params=MAIN_SUITES)
def suite(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each suite that matters in turn, by its name."""
    name: str = request.param
    with plain_x_wing_known():
        yield name


@pytest.fixture(params=SUITES)
def any_suite(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each suite in turn, by its name."""
    name: str = request.param
    with plain_x_wing_known():
        yield name
