"""What a stranger may ask a home, in every way to which the answer must be the same.

Each question has one way to ask about what does not exist, ``UNKNOWN``, and others about what does
and is not the stranger's.  All are signed by keys that are good for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cloister.bench.oracle_circle import ENTROPY, FOUNDED, OracleCircle, fresh_key, hold_of
from cloister.bench.oracle_relay import EPOCHS, OracleRelay, code_name, key_of
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import blind
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import CircleId, Handle
from cloister.relay.session import Session
from cloister.roster.orders import (
    LockOrder,
    Target,
    sign_lock_as_owner,
    sign_lock_as_steward,
)
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.wire import commands
from cloister.wire.auth import (
    OPEN_LABEL,
    SHARE_LABEL,
    ObjectKind,
    ShareAct,
    ShareContent,
    open_content,
    prove,
    prove_steward,
)

UNKNOWN: Final = "unknown"
LAST: Final = EPOCHS - 1
Ask = Callable[[Session], commands.AnyRequest]
Ways = Mapping[str, Ask]
"""By name of the way to ask; ``UNKNOWN`` is one of them."""
_AsSteward = Callable[[Session, OracleCircle | None, HybridKey, HybridKey], commands.AnyRequest]


class Stranger:
    """Asks a relay; knows every id, and has no right to anything."""

    def __init__(self, relay: OracleRelay) -> None:
        self._relay = relay
        self._key = Ed25519Key(Secret(relay.some_bytes(32)))
        self._steward = fresh_key()
        # Blinding costs more than all that is measured, and the relay looks at it last.
        self._element = blind(b"guess", ENTROPY)[1]
        self.questions: Final[Mapping[str, Ways]] = {
            "channel": self._channel(),
            "inbox": self._mailbox(ObjectKind.INBOX, {"wrong key": relay.inboxes}),
            "box": self._mailbox(
                ObjectKind.BOX, {"wrong key": relay.boxes, "over, wrong key": relay.old_boxes}
            ),
            "unlock share": self._share(ShareAct.EVALUATE),
            "share's confirmation": self._share(ShareAct.CONFIRM),
            "steward's key": self._by_stewards(self._steward_proof),
            "steward's entry": self._by_stewards(self._entry),
            "steward's lock": self._by_stewards(self._steward_lock),
            "owner's lock": self._owner_lock(),
            "activation code": self._code(),
        }

    # --- objects -----------------------------------------------------------------------------

    def _channel(self) -> Ways:
        relay, pick = self._relay, self._relay.pick

        def ask(session: Session, key: Ed25519Key, channel_id: bytes, epoch: int) -> commands.Prove:
            kind, relay_id = ObjectKind.CHANNEL, relay.card.relay_id
            proof = prove(key, relay_id, kind, channel_id, epoch, session.nonce)
            return commands.Prove(1, int(kind), channel_id, epoch, proof)

        def removed(session: Session) -> commands.AnyRequest:
            channel_id = pick(relay.channels)
            return ask(session, key_of(channel_id, LAST - 1), channel_id, LAST)

        mine = self._key
        return {
            UNKNOWN: lambda s: ask(s, mine, relay.some_bytes(16), LAST),
            "wrong key": lambda s: ask(s, mine, pick(relay.channels), LAST),
            "no such epoch": lambda s: ask(s, mine, pick(relay.channels), 1_000),
            "epoch is over": lambda s: ask(s, mine, pick(relay.channels), 0),
            "removed member": removed,
            "commons that was reset": lambda s: ask(s, mine, pick(relay.ended), 1),
        }

    def _mailbox(self, kind: ObjectKind, known: Mapping[str, list[bytes]]) -> Ways:
        relay = self._relay

        def ask(session: Session, object_id: bytes) -> commands.Prove:
            proof = prove(self._key, relay.card.relay_id, kind, object_id, 0, session.nonce)
            return commands.Prove(1, int(kind), object_id, 0, proof)

        def one_of(ids: list[bytes]) -> Ask:
            return lambda session: ask(session, relay.pick(ids))

        ways: dict[str, Ask] = {name: one_of(ids) for name, ids in known.items()}
        return {UNKNOWN: lambda session: ask(session, relay.some_bytes(16)), **ways}

    def _share(self, act: ShareAct) -> Ways:
        relay = self._relay
        element = self._element if act is ShareAct.EVALUATE else b""

        def ask(session: Session, handle: bytes) -> commands.AnyRequest:
            content = ShareContent(
                relay_id=relay.card.relay_id,
                handle=handle,
                generation=1,
                act=int(act),
                element=element,
                nonce=session.nonce,
            )
            signature = self._key.sign(SHARE_LABEL, content.encode())
            if act is ShareAct.EVALUATE:
                return commands.Evaluate(1, handle, 1, element, signature)
            return commands.Confirm(1, handle, 1, signature)

        return {
            UNKNOWN: lambda session: ask(session, relay.some_bytes(16)),
            "wrong key": lambda session: ask(session, relay.pick(relay.open_shares).handle),
            "locked, wrong key": lambda s: ask(s, relay.pick(relay.locked_shares).handle),
        }

    # --- stewards ----------------------------------------------------------------------------

    def _by_stewards(self, ask: _AsSteward) -> Ways:
        """The ways to act as a steward whom the log does not obey; ``ask`` is given a connection,
        the circle or None, the key that signs, and the key that is named."""
        circles, pick, mine = self._relay.circles, self._relay.pick, self._steward

        def wrong(session: Session) -> commands.AnyRequest:
            circle = pick(circles)
            return ask(session, circle, mine, circle.steward)

        def suspended(session: Session) -> commands.AnyRequest:
            circle = pick(circles)
            return ask(session, circle, circle.suspended, circle.suspended)

        return {
            UNKNOWN: lambda session: ask(session, None, mine, mine),
            "no steward": lambda session: ask(session, pick(circles), mine, mine),
            "wrong key": wrong,
            "suspended": suspended,
        }

    def _steward_proof(
        self, session: Session, circle: OracleCircle | None, key: HybridKey, named: HybridKey
    ) -> commands.AnyRequest:
        origin = self._origin_of(circle)
        signature = prove_steward(key, self._relay.card.relay_id, origin, session.nonce)
        return commands.ProveSteward(1, origin, steward_key_id(named.public), signature)

    def _entry(
        self, _session: Session, circle: OracleCircle | None, key: HybridKey, named: HybridKey
    ) -> commands.AnyRequest:
        entry = make_readable(
            ReadableType.HOLD,
            hold_of(self._relay.some_bytes(16)),
            steward_key=key,
            circle_id=self._circle_id_of(circle),
            seq=1,
            root=bytes(32),
            ts=FOUNDED,
        )
        entry = entry.replace(steward_key_id(key.public), steward_key_id(named.public))
        return commands.Append(1, self._origin_of(circle), 1, entry)

    def _steward_lock(
        self, _session: Session, circle: OracleCircle | None, key: HybridKey, named: HybridKey
    ) -> commands.AnyRequest:
        some_bytes = self._relay.some_bytes
        order = self._order(self._circle_id_of(circle), some_bytes(16), some_bytes(32))
        lock = sign_lock_as_steward(order, key, steward_key_id(named.public))
        return commands.Order(1, lock.encode())

    def _origin_of(self, circle: OracleCircle | None) -> str:
        if circle is not None:
            return circle.origin
        return f"home.example/{self._relay.some_bytes(8).hex()}"

    def _circle_id_of(self, circle: OracleCircle | None) -> CircleId:
        if circle is not None:
            return circle.log.fold.circle_id
        return CircleId(self._relay.some_bytes(32))

    # --- owners and codes --------------------------------------------------------------------

    def _owner_lock(self) -> Ways:
        relay = self._relay

        def ask(circle_id: bytes, handle: bytes, opening: bytes, size: int = 1) -> commands.Order:
            order = self._order(circle_id, handle, opening, size)
            return commands.Order(1, sign_lock_as_owner(order, (self._key,)).encode())

        def handle(_session: Session) -> commands.AnyRequest:
            circle_id = relay.pick(relay.circles).log.fold.circle_id
            return ask(circle_id, relay.some_bytes(16), relay.some_bytes(32))

        def known(size: int) -> Ask:
            def make(_session: Session) -> commands.AnyRequest:
                share = relay.pick(relay.open_shares)
                circle_id = share.circle.log.fold.circle_id
                return ask(circle_id, share.handle, share.opening, size)

            return make

        return {
            UNKNOWN: lambda _session: ask(
                relay.some_bytes(32), relay.some_bytes(16), relay.some_bytes(32)
            ),
            "no such handle": handle,
            "wrong key": known(1),
            "wrong key, from the future": known(1_000_000),
        }

    def _order(self, circle_id: bytes, handle: bytes, opening: bytes, size: int = 1) -> LockOrder:
        target = Target(relay_id=self._relay.card.relay_id, handle=Handle(handle), opening=opening)
        return LockOrder(
            circle_id=CircleId(circle_id), log_size=size, ts=FOUNDED, targets=(target,)
        )

    def _code(self) -> Ways:
        relay = self._relay

        def ask(code: bytes) -> commands.Begin:
            content = open_content(relay.card.relay_id, sha256(code), b"")
            signature = self._key.sign(OPEN_LABEL, content)
            return commands.Begin(1, code, self._key.public, signature)

        return {
            UNKNOWN: lambda _session: ask(code_name(int.from_bytes(relay.some_bytes(2), "big"))),
            "used by others": lambda _session: ask(relay.pick(relay.used_codes)),
        }
