"""What a text writes to the vault: little, and as much in a crowd as between two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cloister.client.core import Core
from cloister.client.effects import PutMessage, PutRecord
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.vault import Cost, Vault
from cloister.mls.limits import MAX_RETAINED_KEYS
from cloister.testing.crowded_channel import (
    CrowdedChannel,
    CrowdedDevice,
    crowded_channel,
    written_bytes,
)
from cloister.values import replace

LIMIT = 4096
TEXT = "x" * 200


class Kept:
    """A device with its vault; every input is committed, and its size noted."""

    def __init__(self, device: CrowdedDevice, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.device = device
        self.vault = Vault.create(
            folder, Secret(b"correct horse"), entropy=SystemEntropy(), cost=Cost(64, 1, 1)
        )
        self.vault.commit(device.stored())

    def commit(self) -> int:
        """Store what the device wrote last; return its bytes, keys included."""
        self.vault.commit(self.device.writes)
        return written_bytes(self.device.writes)

    def is_whole(self) -> bool:
        """Whether the vault has what a device that stores everything anew would have written."""
        wanted: dict[str, dict[bytes, bytes]] = {}
        for write in self.device.stored():
            if isinstance(write, PutRecord):
                wanted.setdefault(write.table, {})[write.key] = write.value
        return self.vault.records() == wanted

    def restart(self) -> None:
        """Let the core come back from the vault."""
        session = self.device.core.state.session
        core = Core.load(self.vault.records(), self.vault.entries())
        self.device.core = Core(state=replace(core.state, session=session))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CrowdedChannel, Kept, Kept]]:
    """A group of 500; 400 of them have sent, and left behind keys that were skipped."""
    channel = crowded_channel(500, 400, skipped=4)
    folder = tmp_path_factory.mktemp("vaults")
    sender, receiver = (
        Kept(channel.sender, folder / "sender"),
        Kept(channel.receiver, folder / "receiver"),
    )
    yield channel, sender, receiver
    for one in (sender, receiver):
        one.vault.close()


def test_a_text_writes_less_than_4_kib_among_hundreds_of_senders(
    crowd: tuple[CrowdedChannel, Kept, Kept],
) -> None:
    channel, sender, receiver = crowd
    everything = sum(len(value) for value in sender.vault.records()["ratchet"].values())
    assert everything > 40 * LIMIT
    for number in range(3):  # the first opens the sender's chain: more than the later ones
        put = channel.send(f"{TEXT} {number}")
        written = [sender.commit()]
        channel.acknowledge(put)
        written.append(sender.commit())
        channel.deliver(channel.sender, put)
        written.append(sender.commit())
        channel.deliver(channel.receiver, put)
        assert any(isinstance(one, PutMessage) for one in channel.receiver.writes)
        written.append(receiver.commit())
        assert max(written) < LIMIT
        assert sum(written[:3]) < LIMIT
    assert sender.is_whole()
    assert receiver.is_whole()


def test_late_texts_write_little_too_and_their_keys_leave_the_vault(
    crowd: tuple[CrowdedChannel, Kept, Kept],
) -> None:
    channel, sender, receiver = crowd
    puts = []
    for number in range(MAX_RETAINED_KEYS + 2):
        puts.append(channel.send(f"late {number}"))
        channel.acknowledge(puts[-1])
        sender.commit()
    rows = len(receiver.vault.records()["ratchet"])
    channel.deliver(channel.receiver, puts[-2])
    # Their keys are all that is written for texts that have not come, once.
    assert receiver.commit() < 2 * LIMIT
    assert len(receiver.vault.records()["ratchet"]) == rows + MAX_RETAINED_KEYS
    receiver.restart()
    for put in (puts[-1], *puts[:-2]):
        channel.deliver(channel.receiver, put)
        assert receiver.commit() < LIMIT
    assert len(receiver.vault.records()["ratchet"]) == rows
    assert receiver.is_whole()
    assert shown(receiver, channel.receiver.channel_id) >= {f"late {n}" for n in range(66)}


def shown(kept: Kept, channel_id: bytes) -> set[str]:
    rows: Iterable[str] = (row.text for row in kept.vault.timeline.history(channel_id, limit=200))
    return set(rows)
