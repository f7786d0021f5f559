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
def own_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair for a test that stops a relay."""
    made = Pair.start(tmp_path_factory.mktemp("relays"))
    yield made
    made.stop()
