"""A small core for tests of the programs around it: a script decides what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from cloister.client.effects import (
    Answer,
    Effect,
    Message,
    MessageKind,
    MessageState,
    Notify,
    Persist,
    PutMessage,
    PutRecord,
    Route,
    Send,
    Shown,
)
from cloister.client.errands import Errand
from cloister.client.inputs import Act, AnyInput, LogRead, Received, SendText, Tick
from cloister.client.seam import Records
from cloister.client.taking_out import Whose
from cloister.crypto.entropy import Entropy
from cloister.device.authors import Authors
from cloister.errors import NotFoundError
from cloister.roster.relay_card import RelayCard
from cloister.roster.share import OpenedReceipt
from cloister.values import replace
from cloister.wire.commands import Ping

CHANNEL = bytes(range(16))
ROUTE = Route(
    entry_host="127.0.0.1",
    entry_port=1,
    entry_certificate=None,
    home_host="127.0.0.1",
    home_port=2,
    home_certificate=None,
)


def text_message(position: int, text: str = "hello", **changes: Any) -> Message:
    """Make a row of a timeline whose ids follow from its position."""
    row = Message(
        channel_id=CHANNEL,
        message_id=position.to_bytes(16, "big"),
        position=position,
        sender=bytes(32),
        sender_name="Amira",
        own=False,
        kind=MessageKind.TEXT,
        state=MessageState.RECEIVED,
        counter=position,
        n=position,
        at=1_800_000_000,
        text=text,
    )
    return replace(row, **changes)


Script = Callable[["ScriptedCore", AnyInput, int], tuple[Effect, ...]]


def obedient(core: ScriptedCore, given: AnyInput, now: int) -> tuple[Effect, ...]:
    """Store every input's number; answer acts; send a ping for each event."""
    number = len(core.seen) + len(core.records.get("seen", {}))
    kept = Persist(writes=(PutRecord(table="seen", key=bytes([number % 256]), value=b"x"),))
    match given:
        case SendText() if given.conversation != "desk":
            error = NotFoundError("there is no such conversation", hint="look at the list")
            return (Notify(notice=Answer(ref=given.ref, error=error)),)
        case SendText():
            row = text_message(1000 + number, given.text, own=True, state=MessageState.QUEUED)
            sent = replace(row, state=MessageState.SENT, n=7)
            return (
                Persist(writes=(PutMessage(message=row), *kept.writes)),
                Notify(notice=Shown(message=row)),
                Notify(notice=Answer(ref=given.ref, text=row.message_id.hex())),
                Persist(writes=(PutMessage(message=sent),)),
                Notify(notice=Shown(message=sent)),
            )
        case Act():
            return (kept, Notify(notice=Answer(ref=given.ref, text=type(given).__name__)))
        case Received():
            return (Send(request=Ping(rid=number + 1)), kept)
        case _:
            return (kept,)


@dataclass(frozen=True)
class ScriptedCore:
    """A frozen core whose effects a script decides."""

    script: Script = obedient
    routes: tuple[Route, ...] = ()
    wake_at: int | None = None
    is_busy: bool = False
    wants_log: bool = False
    errands: tuple[Errand, ...] = ()
    enrolled_shares: tuple[tuple[OpenedReceipt, RelayCard], ...] = ()
    seen: tuple[AnyInput, ...] = ()
    records: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)

    @classmethod
    def load(cls, records: Records, entries: tuple[bytes, ...]) -> ScriptedCore:
        return cls(records=records)

    def handle(
        self, given: AnyInput, now: int, entropy: Entropy
    ) -> tuple[ScriptedCore, tuple[Effect, ...]]:
        effects = self.script(self, given, now)
        wake_at = None if isinstance(given, Tick) else self.wake_at
        wants_log = self.wants_log and not isinstance(given, LogRead)
        after = replace(self, seen=(*self.seen, given), wake_at=wake_at, wants_log=wants_log)
        return after, effects


def core_class(**fields: Any) -> Any:
    """Return something with ``load`` that gives a scripted core."""
    return SimpleNamespace(load=lambda records, entries: ScriptedCore(records=records, **fields))


def _channel_id(core: object, name: str) -> bytes:
    if name not in ("desk", CHANNEL.hex()):
        raise NotFoundError(f"there is no conversation called {name}")
    return CHANNEL


VIEWS: Any = SimpleNamespace(
    status=lambda core, now: {
        "phase": "member",
        "name": "Amira",
        "cover_per_day": 48,
        "cover_own": 12,
    },
    circle=lambda core: {"circle_id": "00", "forming": False},
    members=lambda core: [
        {"name": "Amira", "role": "steward", "state": "active", "vouched_by": [], "devices": [],
         "blocked": False},
    ],
    requests=lambda core: [
        {"name": "Jonas", "asks_as": "", "fingerprint": " ".join(f"{n:05}" for n in range(12)),
         "bot": False, "vouches": ["Amira"], "needed": 2, "state": "open",
         "own_vouch": {"counts_from": 0, "why": ""}},
    ],
    conversations=lambda core: [
        {"title": "desk", "channel_id": CHANNEL.hex(), "members": ["Amira"], "bots": [],
         "state": "active", "muted_until": 0},
    ],
    log=lambda core, entries, start, limit: [{"seq": start, "limit": limit}],
    verify_log=lambda core, entries: {"log_size": len(entries), "checks": []},
    held_channels=lambda core: frozenset(),
    channel_id=_channel_id,
    authors=lambda core: Authors(),
    uncounted=lambda core: frozenset(),
    comparison=lambda core, member: {"name": member, "digits": "12345"},
    whose=lambda core: Whose(bytes(32), bytes(16), bytes(32), "Amira"),
    receipts=lambda core, conversation: {"given": "off", "members": []},
    wants_reading=lambda core, conversation: False,
)  # fmt: skip


def kinds(core: ScriptedCore) -> list[str]:
    """Name what the core has been given."""
    return [type(given).__name__ for given in core.seen]
