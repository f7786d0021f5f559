"""An insider who breaks a commons: a commit that nobody can process, and a next key of its own.

The home relay is honest and cannot tell: it sees a member of the epoch and a proof of the next key.
"""

from __future__ import annotations

from cloister.client.identity import did_of, identity_of
from cloister.client.linking import channel_key
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.limits import ENVELOPE_SIZES
from cloister.relay.session import Session
from cloister.roster.content import Tick
from cloister.roster.entry import SealedType, seal_entry
from cloister.roster.log_keys import make_log_key, next_log_key
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire import commands
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.events import AnyEvent, Done, Failed
from cloister.wire.frame import decode_events

ENTROPY = SystemEntropy()


class Insider:
    """A connection of its own, with all keys of a member's device."""

    def __init__(self, circle: SimulatedCircle, device: SimulatedDevice) -> None:
        self.circle = circle
        self.device = device
        self.heard: list[AnyEvent] = []
        self.session: Session = circle.relays.connect(
            lambda frame: self.heard.extend(decode_events(frame))
        )
        self.relay_id = circle.relays.home_card.relay_id
        commons = device.core.state.commons
        assert commons is not None
        self.commons = commons
        self.epoch = commons.group.epoch
        self.key = Ed25519Key(Secret(ENTROPY.random(32)))
        """Of the epoch that begins with the broken commit: nobody else has it."""

    async def ask(self, request: commands.AnyRequest) -> AnyEvent:
        """Send a request and return its answer."""
        self.circle.relays.send(self.session, request)
        for _ in range(4):
            await self.circle.settle()
        return next(event for event in self.heard if getattr(event, "rid", None) == request.rid)

    async def _prove(self, rid: int, key: Ed25519Key, epoch: int) -> None:
        channel_id = self.commons.channel_id
        proof = prove(key, self.relay_id, ObjectKind.CHANNEL, channel_id, epoch, self.session.nonce)
        request = commands.Prove(rid, int(ObjectKind.CHANNEL), channel_id, epoch, proof)
        assert not isinstance(await self.ask(request), Failed)

    async def break_commons(self) -> None:
        """Post a commit that is noise, with a next key of the insider's own."""
        group, channel_id = self.commons.group, self.commons.channel_id
        await self._prove(1, channel_key(group, self.relay_id, channel_id), group.epoch)
        proof = prove(
            self.key,
            self.relay_id,
            ObjectKind.CHANNEL,
            channel_id,
            group.epoch + 1,
            self.session.nonce,
        )
        request = commands.Commit(
            rid=2,
            channel_id=channel_id,
            epoch=group.epoch,
            envelope_id=ENTROPY.random(16),
            envelope=ENTROPY.random(ENVELOPE_SIZES[0]),
            next_key=self.key.public,
            proof=proof,
        )
        assert isinstance(await self.ask(request), Done)
        self.epoch = group.epoch + 1
        await self._prove(3, self.key, self.epoch)

    async def append_what_nobody_opens(self) -> None:
        """Begin a generation of the log with a key of the insider's own, as a removal would."""
        state = self.device.core.state
        roster, identity = state.roster, identity_of(state)
        assert roster is not None
        generation, previous = roster.generation + 1, state.log_keys[roster.generation]
        exported = Secret(ENTROPY.random(32))
        log_key = next_log_key(generation, exported, previous)
        announced = make_log_key(generation, exported=exported, previous=previous, entropy=ENTROPY)
        for number, (kind, content) in enumerate(
            ((SealedType.LOG_KEY, announced.encode()), (SealedType.TICK, Tick().encode()))
        ):
            live = self.circle.relays.logs.get(roster.origin)
            assert live is not None
            entry = seal_entry(
                kind,
                content,
                author=did_of(state),
                device_key=Ed25519Key(identity.device_seed),
                circle_id=roster.circle_id,
                seq=live.size,
                root=live.fold.root,
                ts=self.circle.now,
                generation=generation,
                log_key=log_key,
                entropy=ENTROPY,
            )
            request = commands.Append(10 + number, roster.origin, live.size, entry)
            assert isinstance(await self.ask(request), Done)
