"""Checks of who belongs: the log, its signatures, the vouches, the leaves, the certificates."""

from __future__ import annotations

import ssl

from cloister.client.binding import check_leaf, device_of_leaf
from cloister.codec import DecodeError
from cloister.crypto.errors import DecryptError
from cloister.demo.check.evidence import TLS_CERTIFICATE, Evidence, RelayFiles
from cloister.demo.check.finding import Check, Wrong, demand
from cloister.roster.content import Vouch
from cloister.roster.entry import EntryKind, SealedType, open_sealed
from cloister.roster.form import read_entry
from cloister.roster.invitation import InvitationSeed
from cloister.roster.letter import open_letter
from cloister.roster.policy import vouches_needed
from cloister.roster.roster import Roster
from cloister.roster.state import MemberState
from cloister.transparency.cosignature import RelayVerifier
from cloister.transparency.merkle import leaf_hash, tree_hash
from cloister.transparency.quorum import Settled, verify_settled


class CircleChecks:
    """Folds the log of the home relay's file anew and compares everything else with it."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def checks(self) -> list[Check]:
        """Return the checks in order."""
        return [
            Check("log: root recomputed, signed by both relays", self.log_is_settled),
            Check("log: the entry relay's mirror is equal", self.mirror_is_equal),
            Check("log: every vault has the same entries", self.vaults_agree),
            Check("members: enough vouches by others", self.vouches_suffice),
            Check("members: the third was removed, the others belong", self.third_is_removed),
            Check("groups: every leaf is an active device's", self.leaves_are_bound),
            Check("relays: certificates are the pinned ones", self.certificates_are_pinned),
            Check("relays: two jurisdictions, two operators", self.relays_are_a_pair),
        ]

    def roster(self, size: int | None = None) -> Roster:
        """Fold the home relay's log up to a size."""
        entries = self._evidence.home.log_entries[:size]
        keys = self._evidence.people[0].state.log_keys
        roster = Roster.found(entries[0], keys[0])
        return roster.extend(entries[1:], keys)[0]

    def log_is_settled(self) -> str:
        """Recompute the tree; verify both signatures of each relay under the newest head."""
        entries = self._evidence.home.log_entries
        settled = self._settled(self._evidence.home)
        root = tree_hash(leaf_hash(entry) for entry in entries)
        demand(settled.size == len(entries), f"{len(entries)} entries, head at {settled.size}")
        demand(settled.root == root, "the head's root is not that of the entries")
        return f"{settled.size} entries, root {root.hex()[:16]}, {', '.join(settled.cosigners)}"

    def _settled(self, relay: RelayFiles) -> Settled:
        demand(len(relay.notes) == 1, "the relay's file does not hold exactly one circle")
        origin, _, note = relay.notes[0]
        roster = self.roster(1)
        cards = roster.relay_set
        return verify_settled(
            note,
            RelayVerifier(cards.home.name, cards.home.key),
            [RelayVerifier(card.name, card.key) for card in cards.entries],
            roster.origin if origin == roster.origin else "another origin",
        )

    def mirror_is_equal(self) -> str:
        """Compare the mirror entry by entry."""
        home, entry = self._evidence.home.log_entries, self._evidence.entry.log_entries
        demand(home == entry, f"home {len(home)} entries, mirror {len(entry)}, or not the same")
        return f"{len(entry)} entries"

    def vaults_agree(self) -> str:
        """Each vault holds the log from its beginning; only the removed member's may end early."""
        home = tuple(self._evidence.home.log_entries)
        for person in self._evidence.people:
            entries = person.entries
            demand(entries == home[: len(entries)], f"{person.name} has another log")
            demand(
                person.number == 2 or len(entries) == len(home),
                f"{person.name} has {len(entries)} of {len(home)} entries",
            )
        return f"{len(self._evidence.people)} vaults"

    def vouches_suffice(self) -> str:
        """Count, from the entries themselves, who vouched before each admission."""
        final = self.roster()
        counts = []
        for member in list(final.members.values())[1:]:
            at = member.admitted_at_size
            before = self.roster(at - 1)
            demand(member.member_id not in before.members, f"{member.name} was in before")
            demand(
                member.member_id in self.roster(at).members, f"{member.name} was not admitted there"
            )
            request = next(
                (
                    one
                    for one in final.requests.values()
                    if one.request.member_id == member.member_id
                ),
                None,
            )
            if request is None:
                raise Wrong(f"{member.name} has no join request in the log")
            vouchers = self._vouchers(request.request_hash, at, before) - {member.member_id}
            active = [one for one in before.members.values() if one.state is MemberState.ACTIVE]
            vouchers &= {one.member_id for one in active}
            needed = vouches_needed(
                before.policy, forming=before.forming, active_members=len(active)
            )
            demand(
                len(vouchers) >= max(needed, 1),
                f"{member.name} has {len(vouchers)} vouches of {needed}",
            )
            counts.append(f"{member.name} {len(vouchers)}/{needed}")
        expected = len(self._evidence.cast.names) + len(self._evidence.cast.extras)
        demand(len(final.members) == expected, f"{len(final.members)} members, not {expected}")
        return ", ".join(counts)

    def _vouchers(self, request_hash: bytes, size: int, roster: Roster) -> set[bytes]:
        keys = self._evidence.people[0].state.log_keys
        found: set[bytes] = set()
        for seq, data in enumerate(self._evidence.home.log_entries[:size]):
            entry = read_entry(data, seq)
            if entry.header.kind is not EntryKind.SEALED:
                continue
            try:
                sealed = open_sealed(entry, keys[entry.header.lk_gen])
            except (DecryptError, DecodeError, KeyError):
                raise Wrong(f"entry {seq} of the log cannot be opened") from None
            if sealed.type == SealedType.VOUCH:
                device = roster.devices.get(sealed.author)
                if device is not None and Vouch.decode(sealed.content).request_hash == request_hash:
                    found.add(device.member_id)
        return found

    def third_is_removed(self) -> str:
        """The fold says who belongs, and so does every vault that stayed."""
        roster = self.roster()
        members = list(roster.members.values())
        for number, member in enumerate(members):
            wanted = MemberState.REMOVED if number == 2 else MemberState.ACTIVE
            demand(member.state is wanted, f"{member.name} is {member.state.name.lower()}")
        for person in self._evidence.staying:
            own = person.state.roster
            demand(own is not None and own.root == roster.root, f"{person.name} is not caught up")
        demand(roster.generation >= 1, "the removal did not begin a new log key")
        return ", ".join(f"{member.name} {member.state.name.lower()}" for member in members)

    def leaves_are_bound(self) -> str:
        """Verify each leaf of each group in each vault that stayed."""
        roster = self.roster()
        leaves = 0
        for person in self._evidence.staying:
            for channel in person.state.channels.values():
                for member in channel.group.members():
                    did = device_of_leaf(member.leaf).did
                    record = roster.devices.get(did)
                    if record is None or not record.is_active:
                        raise Wrong(f"{person.name}: a leaf of {channel.title!r} does not belong")
                    check_leaf(member.leaf, roster.circle_id, record.card.device_key)
                    leaves += 1
        demand(leaves > 0, "no leaf was found")
        return f"{leaves} leaves"

    def certificates_are_pinned(self) -> str:
        """What each relay shows is what the genesis, its card and every letter name."""
        relay_set = self.roster(1).relay_set
        demand(len(relay_set.entries) == 1, "there is not exactly one entry relay")
        shown = {}
        for role, relay, pinned in (
            ("home", self._evidence.home, relay_set.home),
            ("entry", self._evidence.entry, relay_set.entries[0]),
        ):
            pem = (relay.folder / TLS_CERTIFICATE).read_text("ascii")
            certificate = ssl.PEM_cert_to_DER_cert(pem)
            demand(
                certificate == pinned.tls_certificate, f"{role}: another certificate than pinned"
            )
            demand(relay.card == pinned, f"{role}: the card in its folder is not the genesis's")
            shown[role] = certificate
        letters = 0
        for person in self._evidence.people:
            for invitation in person.state.invitations.values():
                seed = InvitationSeed(invitation.seed)
                letter = open_letter(invitation.letter, seed, circle_id=None)
                demand(letter.relay_set == relay_set, "a letter names other relays")
                letters += 1
        demand(letters > 0, "no letter was found")
        return f"2 certificates, {letters} letters"

    def relays_are_a_pair(self) -> str:
        """The demo declares Panama and Hong Kong, and two operators."""
        home, entry = self._evidence.home.card, self._evidence.entry.card
        demand(entry.jurisdiction == "PA", f"the entry relay is in {entry.jurisdiction}")
        demand(home.jurisdiction == "HK", f"the home relay is in {home.jurisdiction}")
        demand(home.operator != entry.operator, "one operator runs both relays")
        return f"entry {entry.jurisdiction}, home {home.jurisdiction}"
