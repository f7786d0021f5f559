"""One pair of relay processes for all tests of this folder that do not stop them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.folder import Folder
from integration.relay_world import Pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair.start(tmp_path_factory.mktemp("relays"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS of a relay, for what listens in the test's own process."""
    folder = Folder(tmp_path_factory.mktemp("tls") / "relay")
    folder.init(
        role="home",
        host="127.0.0.1",
        port=0,
        jurisdiction="HK",
        operator="North",
        name=None,
        now=int(time.time()),
        entropy=SystemEntropy(),
    )
    return folder.server_context()


@pytest.fixture
def own_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A pair for a test that stops a relay; its parameter: processes beside the main ones."""
    processes = str(getattr(request, "param", 0))
    made = Pair.start(tmp_path_factory.mktemp("relays"), CLOISTER__LIMITS__PROCESSES=processes)
    yield made
    made.stop()
