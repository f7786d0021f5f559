"""A device and a relay of different versions: each says in words who is too old."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import picows
import pytest

from cloister.client.effects import Route
from cloister.device import errors, link
from cloister.device.errors import VersionDiffers
from cloister.errors import CloisterError
from cloister.wire.codes import Refusal
from cloister.wire.events import Challenge, Failed
from cloister.wire.frame import HOME_PATH, PROTOCOL_VERSION, SUBPROTOCOL, decode_events
from integration.relay_world import PATIENCE_S, Pair, pinned

pytestmark = pytest.mark.process
LATER = """
import sys
import cloister.wire.frame as frame
frame.PROTOCOL_VERSION += 1
frame.SUBPROTOCOL = f"cloister.v{frame.PROTOCOL_VERSION}"
from cloister.__main__ import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def later_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair whose home relay is of a later version."""
    pair = Pair.start(tmp_path_factory.mktemp("later"))
    assert pair.home.stop() == 0
    pair.home.program = ("-c", LATER)
    pair.home.start()
    yield pair
    pair.stop()


async def reason_of(pair: Pair) -> CloisterError | None:
    """Connect as a device does; why the link ended."""
    home, entry = pair.home.card, pair.entry.card
    route = Route(
        entry_host=entry.host,
        entry_port=entry.port,
        entry_certificate=entry.tls_certificate,
        home_host=home.host,
        home_port=home.port,
        home_certificate=home.tls_certificate,
    )
    one = await link.Link.open(route, lambda _events: None)
    one.start()
    return await asyncio.wait_for(one.wait_closed(), PATIENCE_S)


def test_a_device_that_is_too_old_is_told_so(later_home: Pair) -> None:
    reason = asyncio.run(reason_of(later_home))
    assert isinstance(reason, VersionDiffers)
    assert "this program is too old" in str(reason)
    assert reason.hint is not None
    assert "update Cloister on this device" in reason.hint


def test_a_device_that_is_newer_says_that_the_relay_is_too_old(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (link, errors):
        monkeypatch.setattr(module, "PROTOCOL_VERSION", PROTOCOL_VERSION + 1)
    monkeypatch.setattr(link, "SUBPROTOCOL", f"cloister.v{PROTOCOL_VERSION + 1}")
    reason = asyncio.run(reason_of(pair))
    assert isinstance(reason, VersionDiffers)
    assert "the home relay is too old" in str(reason)


class _Ear(picows.WSListener):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []
        self.gone = asyncio.Event()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.heard += decode_events(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: Any) -> None:
        self.gone.set()


@pytest.mark.parametrize("offered", ["cloister.v0", f"cloister.v{PROTOCOL_VERSION + 1}"])
def test_relay_says_which_version_it_speaks_and_closes(pair: Pair, offered: str) -> None:
    async def main() -> None:
        ear = _Ear()
        home = pair.home.card
        transport, _ = await picows.ws_connect(
            lambda: ear,
            f"wss://{home.host}:{home.port}{HOME_PATH}",
            ssl_context=pinned(home.tls_certificate),
            extra_headers={"Sec-WebSocket-Protocol": offered},
        )
        assert transport.response.headers["Sec-WebSocket-Protocol"] == SUBPROTOCOL
        await asyncio.wait_for(ear.gone.wait(), PATIENCE_S)
        challenge, failed = ear.heard
        assert isinstance(challenge, Challenge)
        assert challenge.versions == (PROTOCOL_VERSION,)
        assert failed == Failed(0, int(Refusal.VERSION), PROTOCOL_VERSION)

    asyncio.run(main())


def test_a_home_does_not_push_to_a_mirror_of_another_version(later_home: Pair) -> None:
    async def said() -> None:
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while b'"mirror-lost"' not in later_home.home.log():
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.05)

    asyncio.run(said())
