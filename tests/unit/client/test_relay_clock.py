"""The relay's clock, as people are told of it: by how much it went before ours at the challenge."""

from __future__ import annotations

from cloister.client.core import Core
from cloister.client.inputs import LinkUp, Received
from cloister.client.state import State
from cloister.client.views import status_view
from cloister.crypto.entropy import SystemEntropy
from cloister.wire.events import Challenge


def test_the_difference_is_measured_at_the_challenge_and_kept() -> None:
    core = Core(state=State())
    assert status_view(core.state, 1000)["relay_ahead_s"] is None
    core, _ = core.handle(LinkUp(), 1000, SystemEntropy())
    challenge = Challenge(versions=(1,), relay_id=b"r" * 32, nonce=b"n" * 32, now=300)
    core, _ = core.handle(Received(event=challenge), 1000, SystemEntropy())
    assert status_view(core.state, 5000)["relay_ahead_s"] == -700
