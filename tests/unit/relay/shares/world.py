"""One relay's real share service in one thread, a device that uses it, and a clock by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import blind, finalize
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import Handle
from cloister.relay.delivery import Flusher
from cloister.relay.folder import Identity
from cloister.relay.metrics import Metrics
from cloister.relay.shares.logs import KeptLog, KeptLogs
from cloister.relay.shares.rows import FIRST_GENERATION
from cloister.relay.shares.tickets import TicketOffice
from cloister.roster.relay_card import RelayCard, RelayRole, make_relay_card
from cloister.roster.share import OpenedReceipt, ShareReceipt, bind_of
from cloister.testing.simulated_shares import SimulatedShares
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.auth import ENROL_LABEL, SHARE_LABEL, EnrolContent, ShareAct, ShareContent
from cloister.wire.codes import Refusal
from cloister.wire.events import Done, Enrolled, Evaluated, Failed

NOW = 1_800_000_000
ENTROPY = SystemEntropy()
_NO_HANDLE = Handle(bytes(16))
ORIGIN = "home.example/0123456789abcdef"


def hybrid(name: str) -> HybridKey:
    return HybridKey(
        Secret(sha256(name.encode(), b" ed25519")), Secret(sha256(name.encode(), b" ml-dsa"))
    )


def ed25519(name: str) -> Ed25519Key:
    return Ed25519Key(Secret(sha256(name.encode())))


def identity(name: str, role: RelayRole = RelayRole.HOME) -> Identity:
    key = hybrid(name)
    is_entry = role is RelayRole.ENTRY
    card = make_relay_card(
        key,
        tls_certificate=name.encode(),
        jurisdiction="PA" if is_entry else "HK",
        operator="Canal" if is_entry else "Harbour",
        host=name,
        port=443,
        roles=role,
        name=name,
        mirror_host=name if is_entry else "",
        mirror_port=444 if is_entry else 0,
        unlock_host=name if is_entry else "",
        unlock_port=445 if is_entry else 0,
    )
    return Identity(key=key, card=card)


HOME = identity("home.example")
ENTRY = identity("entry.example", RelayRole.ENTRY)


class NoLogs:
    """A relay that keeps no log."""

    def origins(self) -> list[str]:
        return []

    def kept(self, _origin: str) -> KeptLog | None:
        return None

    def entries_of(self, _origin: str, _from_seq: int, _to_seq: int) -> list[bytes]:
        return []


class NoTurns:
    """No turn of any loop ever ends."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        pass

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        pass


class FlusherByHand(Flusher):
    """Sends when it is told to: there is no loop whose turn could end."""

    def __init__(self) -> None:
        super().__init__(Metrics(), NoTurns())


@dataclass
class Device:
    """The keys of one device at one relay, and what it was given."""

    name: str
    opening: bytes = field(default_factory=lambda: ENTROPY.random(32))
    handle: Handle = _NO_HANDLE
    receipt: ShareReceipt | None = None

    def __post_init__(self) -> None:
        self.box = ed25519(f"{self.name} box")
        self.unlock = ed25519(f"{self.name} unlock")
        self.confirm = ed25519(f"{self.name} confirm")
        self.owner = ed25519(f"{self.name} owner")

    def opened(self) -> OpenedReceipt:
        assert self.receipt is not None
        return OpenedReceipt(receipt=self.receipt, opening=self.opening)


class ShareWorld:
    """The relay."""

    def __init__(
        self,
        at: Identity = HOME,
        logs: KeptLogs | None = None,
        now: Callable[[], int] | None = None,
        **more: Any,
    ) -> None:
        self.now = NOW
        self.identity = at
        peers: dict[bytes, RelayCard] = {HOME.card.relay_id: HOME.card}
        self.shares = SimulatedShares(
            at, logs or NoLogs(), lambda: peers, now or (lambda: self.now), FlusherByHand(), **more
        )
        self.store = self.shares.store
        self.relay_id = at.card.relay_id

    # --- enrolling -------------------------------------------------------------------------------

    def ticket(self, device: Device, *, issuer: Identity = HOME, expires: int = NOW + 60) -> bytes:
        office = TicketOffice(issuer.card.relay_id, issuer.key)
        (ticket,) = office.issue([self.relay_id], device.box.public, expires)
        return ticket

    def enrol_request(self, device: Device, ticket: bytes, **changes: Any) -> commands.Enrol:
        values: dict[str, Any] = {
            "ticket": ticket,
            "unlock_key": device.unlock.public,
            "confirm_key": device.confirm.public,
            "owner_key": device.owner.public,
            "bind": bind_of(ORIGIN, device.opening),
            **changes,
        }
        content = EnrolContent(relay_id=self.relay_id, **values)
        return commands.Enrol(1, signature=device.box.sign(ENROL_LABEL, content.encode()), **values)

    def enrol_any(self, device: Device, ticket: bytes | None = None, **changes: Any) -> Any:
        request = self.enrol_request(device, ticket or self.ticket(device), **changes)
        return self.shares.take(lambda _relay_id, _nonce: request)

    def enrol(self, device: Device) -> Device:
        answer = self.enrol_any(device)
        assert isinstance(answer, Enrolled), answer
        device.receipt = ShareReceipt.decode(answer.receipt)
        device.handle = device.receipt.handle
        return device

    def forget(self, device: Device) -> None:
        """Be as restored from a backup of before the device enrolled."""
        for table in ("scalar", "ticket_spent", "share"):
            self.store.connection.execute(
                f"DELETE FROM {table} WHERE handle = ?",
                (device.handle,),
            )

    def again_request(
        self, device: Device, nonce: bytes, *, signed_by: Device | None = None, **changes: Any
    ) -> commands.EnrolAgain:
        """``signed_by``: whose keys sign, if others; ``changes``: of the request as it is sent."""
        assert device.receipt is not None
        signer = signed_by or device
        content = ShareContent(
            relay_id=self.relay_id,
            handle=device.handle,
            generation=0,
            act=int(ShareAct.ENROL_AGAIN),
            element=signer.confirm.public,
            nonce=nonce,
        ).encode()
        values: dict[str, Any] = {
            "receipt": device.receipt.encode(),
            "confirm_key": signer.confirm.public,
            "unlock_signature": signer.unlock.sign(SHARE_LABEL, content),
            "owner_signature": signer.owner.sign(SHARE_LABEL, content),
            **changes,
        }
        return commands.EnrolAgain(1, **values)

    def enrol_again(
        self, device: Device, *, signed_by: Device | None = None, **changes: Any
    ) -> Any:
        return self.shares.take(
            lambda _relay_id, nonce: self.again_request(
                device, nonce, signed_by=signed_by, **changes
            )
        )

    # --- asking ----------------------------------------------------------------------------------

    def signed(
        self, device: Device, act: ShareAct, nonce: bytes, generation: int, element: bytes = b""
    ) -> bytes:
        key = device.unlock if act is ShareAct.EVALUATE else device.confirm
        content = ShareContent(
            relay_id=self.relay_id,
            handle=device.handle,
            generation=generation,
            act=int(act),
            element=element,
            nonce=nonce,
        )
        return key.sign(SHARE_LABEL, content.encode())

    def evaluate(
        self, device: Device, element: bytes, generation: int = FIRST_GENERATION
    ) -> Evaluated | Failed:
        answer = self.shares.take(
            lambda _relay_id, nonce: commands.Evaluate(
                1,
                device.handle,
                generation,
                element,
                self.signed(device, ShareAct.EVALUATE, nonce, generation, element),
            )
        )
        assert isinstance(answer, Evaluated | Failed)
        return answer

    def output(
        self, device: Device, pin: bytes, generation: int = FIRST_GENERATION
    ) -> Secret | Failed:
        """What the device makes of its PIN with this relay's help."""
        blinding, element = blind(pin, ENTROPY)
        answer = self.evaluate(device, element, generation)
        if isinstance(answer, Failed):
            return answer
        return finalize(pin, blinding, answer.element)

    def guess(self, device: Device) -> int:
        """Use up a try; return how many are left.  The answer must be an evaluation."""
        answer = self.evaluate(device, blind(b"guess", ENTROPY)[1])
        assert isinstance(answer, Evaluated), answer
        return answer.left

    def act(
        self, kind: Any, act: ShareAct, device: Device, generation: int = FIRST_GENERATION
    ) -> Any:
        return self.shares.take(
            lambda _relay_id, nonce: kind(
                1, device.handle, generation, self.signed(device, act, nonce, generation)
            )
        )

    def confirm(self, device: Device, generation: int = FIRST_GENERATION) -> Any:
        return self.act(commands.Confirm, ShareAct.CONFIRM, device, generation)

    def next(self, device: Device, generation: int) -> Any:
        return self.act(commands.NextGeneration, ShareAct.NEXT, device, generation)

    def drop(self, device: Device, generation: int) -> Any:
        return self.act(commands.DropGeneration, ShareAct.DROP, device, generation)


def refused(answer: Any, code: Refusal, detail: int | None = None) -> None:
    """Demand a refusal."""
    assert isinstance(answer, Failed), answer
    assert Refusal(answer.code) is code
    assert detail is None or answer.detail == detail


def done(answer: Any, n: int) -> None:
    """Demand ``Done(n)``."""
    assert isinstance(answer, Done), answer
    assert answer.n == n


def with_other(device: Device, **keys: Ed25519Key) -> Device:
    """The same device as somebody with other keys would play it."""
    other = replace(device)
    for name, key in keys.items():
        setattr(other, name, key)
    return other
