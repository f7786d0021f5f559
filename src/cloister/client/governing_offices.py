"""Power over offices: stewards' and officers' keys, and the second person's word.

A key gives no power by itself.  It is offered in a sealed entry, and a ``steward_set`` that names
it takes effect when enough of those who stay approve, everybody newly named approves with the key
itself, and the delay of the policy has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cloister.client.foresight import append
from cloister.client.identity import did_of, identity_of, steward_key
from cloister.client.matters import Matter, MatterKind, find_matter
from cloister.client.naming import (
    member_named,
    own_key_id,
    own_member,
    roster_in_force,
    shown,
)
from cloister.client.powers import Approve as ApproveAct
from cloister.client.powers import OfferStewardKey, ProposeRelays, ProposeStewards
from cloister.client.powers import Refuse as RefuseAct
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.content import STEWARD_KEY_LABEL, Approve, StewardKey
from cloister.roster.entry import SealedType
from cloister.roster.orders import EntryReference, StewardSet
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import MAX_ENTRY_RELAYS, RelayCard, RelaySet, check_relay_set
from cloister.roster.roster import Roster

_REFUSABLE: Final = (
    "only the person who proposed it can withdraw it; an erasure or a reset any steward can stop"
)


def on_offer(turn: Turn, act: OfferStewardKey) -> None:
    """Announce this device's key."""
    roster = roster_in_force(turn.state)
    if own_key_id(turn.state) in roster.key_owners:
        raise PolicyError(
            "this device's key has been announced already",
            hint="A steward proposes it now: `cloister steward add` with your name.",
        )
    append(turn, act.ref, SealedType.STEWARD_KEY, offer_of(turn.state))


def offer_of(state: State) -> bytes:
    """Return the content that announces this device's key, signed by the key itself."""
    key = steward_key(identity_of(state))
    proof = key.sign(STEWARD_KEY_LABEL, did_of(state))
    return StewardKey(key=key.public, proof=proof).encode()


def on_propose_stewards(turn: Turn, act: ProposeStewards) -> None:
    """Propose another set; the names are of members."""
    roster = roster_in_force(turn.state)
    stewards = dict(roster.governance.steward_keys)
    officers = dict(roster.governance.officer_keys)
    before = (set(stewards), set(officers))
    _drop(roster, stewards, act.drop, "steward")
    _drop(roster, officers, act.drop_officers, "officer")
    _add(roster, stewards, act.add)
    _add(roster, officers, act.add_officers)
    if (set(stewards), set(officers)) == before:
        raise UsageError("nothing would change", hint="Name whom to add or to drop.")
    if not stewards:
        raise PolicyError("a circle keeps at least one steward", hint="Add the successor first.")
    both = set(stewards) & set(officers)
    if both:
        raise PolicyError("nobody is steward and officer at once", hint="Drop the one office too.")
    wanted = StewardSet(stewards=tuple(stewards.values()), officers=tuple(officers.values()))
    append(turn, act.ref, ReadableType.STEWARD_SET, wanted.encode())


def on_propose_relays(turn: Turn, act: ProposeRelays) -> None:
    """Propose another set of entry relays, with the same home."""
    roster = roster_in_force(turn.state)
    entries = {card.name: card for card in roster.relay_set.entries}
    for name in act.drop:
        if entries.pop(name, None) is None:
            raise NotFoundError(
                f"the circle has no entry relay called “{safe_line(name)}”",
                hint="`cloister circle show` lists its relays.",
            )
    try:
        added = [RelayCard.decode(card) for card in act.add]
    except DecodeError:
        raise UsageError("a relay card is damaged, or is not a relay card") from None
    entries |= {card.name: card for card in added}
    if not entries:
        raise PolicyError("a circle keeps at least one entry relay", hint="Add another first.")
    if len(entries) > MAX_ENTRY_RELAYS:
        raise PolicyError(f"a circle has at most {MAX_ENTRY_RELAYS} entry relays")
    wanted = RelaySet(home=roster.relay_set.home, entries=tuple(entries.values()))
    if wanted == roster.relay_set:
        raise UsageError("nothing would change", hint="Name a relay to add or to drop.")
    check_relay_set(wanted, roster.policy)
    append(turn, act.ref, ReadableType.RELAY_SET, wanted.encode())


def _add(roster: Roster, keys: dict[bytes, HybridPublic], names: Iterable[str]) -> None:
    for name in names:
        member = member_named(roster, name)
        if not member.is_active or not member.announced:
            raise PolicyError(
                f"{shown(roster, member.member_id)} has not offered a key",
                hint="They run `cloister steward offer` on the device that will hold it.",
            )
        # One key for each member: the newest takes the place of those before.
        for old in member.announced:
            keys.pop(old.key_id, None)
        newest = member.announced[-1]
        keys[newest.key_id] = newest.key


def _drop(
    roster: Roster, keys: dict[bytes, HybridPublic], names: Iterable[str], office: str
) -> None:
    for name in names:
        member = member_named(roster, name)
        held = [one.key_id for one in member.announced if one.key_id in keys]
        held += _genesis_key(roster, member.member_id, keys)
        if not held:
            raise PolicyError(f"{shown(roster, member.member_id)} is no {office}")
        for key_id in dict.fromkeys(held):
            del keys[key_id]


def _genesis_key(
    roster: Roster, member_id: bytes, keys: Mapping[bytes, HybridPublic]
) -> list[bytes]:
    """The founder's first key was never announced: the genesis names it."""
    return [one for one in keys if roster.key_owners.get(one) == member_id]


# --- the second person ----------------------------------------------------------------------------


def on_approve(turn: Turn, act: ApproveAct) -> None:
    """Approve what waits, by the kind of entry that it needs."""
    matter = find_matter(turn.state, act.reference)
    own = own_member(turn.state)
    if matter.author == own.member_id:
        raise PolicyError(
            "you have proposed this yourself: another person must approve it",
            hint=f"It waits for {matter.waits_for}.",
        )
    if matter.subject == own.member_id:
        raise PolicyError("it is about yourself: others decide that")
    if matter.is_readable:
        content = EntryReference(entry_hash=matter.entry_hash)
        append(turn, act.ref, ReadableType.APPROVE, content.encode())
    else:
        approve = Approve(entry_hash=matter.entry_hash)
        append(turn, act.ref, SealedType.APPROVE, approve.encode())


def on_refuse(turn: Turn, act: RefuseAct) -> None:
    """Withdraw an own proposal, or stop an erasure or a reset."""
    matter = find_matter(turn.state, act.reference)
    demand_refusable(turn.state, matter)
    content = EntryReference(entry_hash=matter.entry_hash)
    append(turn, act.ref, ReadableType.REFUSE, content.encode())


def demand_refusable(state: State, matter: Matter) -> None:
    """Raise ``PolicyError`` when nobody, or not this device's member, can refuse a matter."""
    if not matter.is_readable:
        raise PolicyError(
            f"a {matter.kind.value} needs no refusal: it lapses when nobody approves it in seven "
            "days",
            hint="A suspension ends with `cloister reinstate`.",
        )
    anybodys = matter.kind in (MatterKind.ERASE, MatterKind.RESET)
    if not anybodys and matter.author != own_member(state).member_id:
        raise PolicyError(_REFUSABLE)
