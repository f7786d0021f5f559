"""One pair of relay processes for all tests of this folder that do not stop them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.relay_world import Pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair.start(tmp_path_factory.mktemp("relays"))
    yield made
    made.stop()


@pytest.fixture
def own_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A pair for a test that stops a relay; its parameter: processes beside the main ones."""
    processes = str(getattr(request, "param", 0))
    made = Pair.start(tmp_path_factory.mktemp("relays"), CLOISTER__LIMITS__PROCESSES=processes)
    yield made
    made.stop()
