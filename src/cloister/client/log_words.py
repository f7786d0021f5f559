"""The log in words: who did what and when, entry by entry, derived anew from the stored bytes.

The fold tells what an entry changed only while it folds, and nothing of it is stored; so the log
is folded from its genesis each time it is looked at.  That is also the proof that it still says
what it said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from cloister.client.bots import is_bot
from cloister.client.event_words import words_of
from cloister.client.safe_text import safe_line
from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature, DecryptError
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.ids import DeviceId, MemberId, RelayId
from cloister.roster.entry import Entry, EntryKind, SealedType, open_sealed, verify_sealed
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, Ignored
from cloister.roster.orders import Target
from cloister.roster.readable import ReadableType, read_body
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.voiding import voids_in

View = dict[str, object]
SHORT_HASH_DIGITS = 8


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with what it did.  ``roster`` is the one after it."""

    seq: int
    entry: Entry
    roster: Roster
    events: tuple[Event, ...]

    @property
    def ignored(self) -> Rule | None:
        """The rule for which the entry was ignored."""
        return next((event.rule for event in self.events if isinstance(event, Ignored)), None)


def fold_log(
    entries: Sequence[bytes], log_keys: Mapping[int, Secret], first: int, limit: int | None = None
) -> Iterator[Told]:
    """Fold a log from its genesis, and tell ``limit`` entries, or all, from ``first`` on.

    What comes before is folded in one go, which is much faster in a large circle.
    """
    if first >= len(entries):
        return
    end = len(entries) if limit is None else min(first + limit, len(entries))
    roster = Roster.found(entries[0], log_keys[0])
    # A reset that comes after what is told has a say in it.
    voids = voids_in(roster.governance, entries[1:])
    if first == 0:
        yield Told(seq=0, entry=Entry.decode(entries[0]), roster=roster, events=())
    roster, _ = roster.extend(entries[1:first], log_keys, voids)
    for seq in range(max(first, 1), end):
        roster, events = roster.append(entries[seq], log_keys, voids)
        yield Told(seq=seq, entry=Entry.decode(entries[seq]), roster=roster, events=events)


def log_view(
    entries: Sequence[bytes],
    log_keys: Mapping[int, Secret],
    start: int,
    limit: int,
    moment: Callable[[int], str],
) -> list[View]:
    """Return ``limit`` entries from ``start`` on in words; a negative one counts from the end.

    ``moment`` writes a time, given in s since the Unix epoch, as its reader would.
    """
    first = max(start + len(entries), 0) if start < 0 else start
    book = _Book(moment, seqs={sha256(entry): seq for seq, entry in enumerate(entries)})
    lines: list[View] = []
    for told in fold_log(entries, log_keys, first, limit):
        book.turn_to(told)
        lines.append(_line(told, book, log_keys))
    return lines


def _line(told: Told, book: _Book, log_keys: Mapping[int, Secret]) -> View:
    header = told.entry.header
    author, kind = _author(told, book, log_keys)
    rule = told.ignored
    clauses = [safe_line(words_of(event, book)) for event in told.events]
    if told.seq == 0:
        clauses = [_founding(told.roster, book)]
    elif rule is not None:
        clauses[0] = f"{kind} by {author or 'nobody known'} is {clauses[0]}"
    return {
        "seq": told.seq,
        "ts": header.ts,
        "kind": "readable" if header.kind is EntryKind.READABLE else "sealed",
        "type": kind,
        "author": author,
        "text": "; ".join(clauses),
        "ignored": rule is not None,
        "rule": rule.rule_id if rule else "",
        "demand": rule.demand if rule else "",
        "generation": header.lk_gen,
        "entry_hash": told.entry.entry_hash.hex(),
    }


def _founding(roster: Roster, book: _Book) -> str:
    founder = next(iter(roster.members))
    relays = [safe_line(roster.relay_set.home.name)]
    relays += [safe_line(card.name) for card in roster.relay_set.entries]
    test = ", as a test circle" if roster.policy.is_test_circle else ""
    return f"{book.member(founder)} founds the circle{test}, with the relays {', '.join(relays)}"


def _author(told: Told, book: _Book, log_keys: Mapping[int, Secret]) -> tuple[str, str]:
    """Return whose signature an entry carries and what it is called.

    Both are empty where nobody of the circle signed, or where it does not open.
    """
    entry, roster = told.entry, told.roster
    if entry.header.kind is EntryKind.READABLE:
        try:
            body = read_body(entry)
        except (RuleViolation, DecodeError):
            return "", "readable entry"
        is_signed = told.ignored not in (Rule.STEWARD_SIGNATURE, Rule.STEWARD_KEY)
        return book.key(body.key_id) if is_signed else "", _type_word(ReadableType, body.type)
    log_key = log_keys.get(entry.header.lk_gen)
    try:
        if log_key is None:
            raise DecryptError
        sealed = open_sealed(entry, log_key)
    except (DecryptError, DecodeError):
        return "", "sealed entry"
    word = _type_word(SealedType, sealed.type)
    device = roster.devices.get(sealed.author)
    if device is None:
        return "", word
    try:
        verify_sealed(entry.header, sealed, device.card.device_key)
    except (BadSignature, BadPublicKey):
        return "", word
    return book.member(device.member_id), word


def _type_word(family: type[SealedType | ReadableType], number: int) -> str:
    return family(number).name.lower() if number in set(family) else f"type {number}"


@dataclass(slots=True)
class _Book:
    """Names as of the entry it was turned to (``event_words.Names``)."""

    moment: Callable[[int], str]
    seqs: Mapping[bytes, int]
    """By the hash of each entry."""
    roster: Roster | None = None
    names: Mapping[MemberId, str] = field(default_factory=dict)

    def turn_to(self, told: Told) -> None:
        """Go on to the next entry."""
        if self.roster is None or len(told.roster.members) != len(self.names):
            self.names = told.roster.shown_names()
        self.roster = told.roster

    def member(self, member_id: MemberId | None) -> str:
        """A member's name."""
        if member_id is None:
            return "nobody"
        return safe_line(self.names.get(member_id, member_id.hex()[:SHORT_HASH_DIGITS]))

    def device(self, did: DeviceId) -> str:
        """``Ada/2``: the member's second device."""
        record = self.roster.devices.get(did) if self.roster else None
        if self.roster is None or record is None:
            return f"device {did.hex()[:SHORT_HASH_DIGITS]}"
        number = self.roster.members[record.member_id].devices.index(did) + 1
        kind = " (a bot)" if record.card.bot else ""
        return f"{self.member(record.member_id)}/{number}{kind}"

    def key(self, key_id: bytes) -> str:
        """Whose steward key this is; the founder's stands in the genesis."""
        if not key_id:
            return ""
        owner = self.roster.key_owners.get(key_id) if self.roster else None
        if owner is not None:
            return self.member(owner)
        return f"key {key_id.hex()[:SHORT_HASH_DIGITS]}"

    def newcomer(self, member_id: MemberId, did: DeviceId) -> str:
        """``Echo (a bot)``: a member by the device that it comes with."""
        kind = " (a bot)" if is_bot(self.roster, did) else ""
        return self.member(member_id) + kind

    def request(self, request_hash: bytes) -> str:
        """Who asked in a join request."""
        asked = self.roster.requests.get(request_hash) if self.roster else None
        if asked is None:
            return f"request {request_hash.hex()[:SHORT_HASH_DIGITS]}"
        return safe_line(asked.request.name) + (" (a bot)" if asked.request.device.bot else "")

    def relay(self, relay_id: RelayId) -> str:
        """A relay's name."""
        cards = self.roster.governance.known_relays() if self.roster else ()
        found = (safe_line(card.name) for card in cards if card.relay_id == relay_id)
        return next(found, f"relay {relay_id.hex()[:SHORT_HASH_DIGITS]}")

    def entry(self, entry_hash: bytes) -> str:
        """``entry 12``."""
        seq = self.seqs.get(entry_hash)
        return f"entry {seq}" if seq is not None else entry_hash.hex()[:SHORT_HASH_DIGITS]

    def targets(self, targets: Iterable[Target]) -> str:
        """The devices whose unlock shares these are."""
        dids: dict[str, None] = {}
        for target in targets:
            handle = (target.relay_id, target.handle)
            did = self.roster.handles.get(handle) if self.roster else None
            dids[self.device(did) if did else f"handle {target.handle.hex()[:8]}"] = None
        return ", ".join(dids) or "nobody"
