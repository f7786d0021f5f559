"""The roster: who belongs, as a frozen value derived from the log.

    roster = Roster.found(genesis, log_key_0)
    roster, events = roster.append(entry, log_keys)

``append`` raises only for what breaks the log itself (LogBroken) or what cannot be judged yet
(NeedsLogKey, UpdateNeeded). The roster it was called on is unchanged in every case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from cloister.crypto.hybrid_signature import HybridPublic
from cloister.crypto.secret import Secret
from cloister.ids import InviteId, MemberId
from cloister.roster.content import Role
from cloister.roster.draft import Draft
from cloister.roster.enrolment import handle_keys
from cloister.roster.errors import WrongLogKey
from cloister.roster.events import Event
from cloister.roster.fold import apply_entry, derive_standing
from cloister.roster.form import check_form
from cloister.roster.genesis import Founding, open_founding, read_genesis
from cloister.roster.governance import Governance
from cloister.roster.join_request import JoinRequest
from cloister.roster.log_keys import log_key_commitment
from cloister.roster.readable import steward_key_id
from cloister.roster.requesting import check_join_request, spent_keys
from cloister.roster.snapshot import SNAPSHOT_VERSION, RosterSnapshot, read_snapshot
from cloister.roster.state import (
    AnnouncedKey,
    DeviceRecord,
    Member,
    MemberState,
    RequestState,
    Span,
)
from cloister.roster.view import RosterView
from cloister.roster.voiding import Void, voids_in
from cloister.transparency.merkle import Frontier, leaf_hash
from cloister.values import replace


class Roster(RosterView, frozen=True, kw_only=True):
    """A view that goes on: with each entry, and from its stored form."""

    @classmethod
    def found(cls, genesis: bytes, log_key_0: Secret) -> Self:
        """The roster after entry 0. Raises LogBroken, UpdateNeeded."""
        read = read_genesis(genesis)
        founding = open_founding(read, log_key_0)
        terms = read.terms
        return cls._derive(
            RosterSnapshot(
                version=SNAPSHOT_VERSION,
                circle_id=read.circle_id,
                origin=terms.origin,
                commons_channel=founding.commons_channel,
                policy=terms.policy,
                governance=Governance.found(terms, read.circle_id).record(),
                frontier=Frontier.empty().append(leaf_hash(genesis)),
                ts=read.ts,
                forming=True,
                generation=0,
                log_key_commitment=terms.log_key_commitment,
                members=(_founder(founding, terms.steward_key, read.ts),),
                devices=(_first_device(founding),),
                invites=(),
                requests=(),
                proposals=(),
                objections=(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a stored roster back. Raises SnapshotError: fold the log anew then."""
        read = cls._derive(read_snapshot(data))
        # Else every question whether something is due would be a look through all there is, until
        # an entry comes.  Where something is due already, it is left to that entry.
        draft = read._thaw()
        if derive_standing(draft, read.size, read.ts):
            return read
        return replace(read, next_due=draft.next_due)

    def encode(self) -> bytes:
        """The stored form; equal rosters have equal bytes. It holds private keys of invitations."""
        return RosterSnapshot(
            version=SNAPSHOT_VERSION,
            circle_id=self.circle_id,
            origin=self.origin,
            commons_channel=self.commons_channel,
            policy=self.policy,
            governance=self.governance.record(),
            frontier=self.frontier,
            ts=self.ts,
            forming=self.forming,
            generation=self.generation,
            log_key_commitment=self.log_key_commitment,
            members=tuple(self.members.values()),
            devices=tuple(self.devices.values()),
            invites=tuple(self.invites.values()),
            requests=tuple(self.requests.values()),
            proposals=tuple(self.sealed_proposals.values()),
            objections=tuple(self.objections.values()),
        ).encode()

    @classmethod
    def _derive(cls, stored: RosterSnapshot) -> Self:
        """Put a roster together from its records, and derive what is not stored."""
        devices = {device.did: device for device in stored.devices}
        invites = {record.invite.invite_id: record for record in stored.invites}
        requests = {asked.request_hash: asked for asked in stored.requests}
        open_invites: dict[MemberId, tuple[InviteId, ...]] = {}
        for invite_id, record in invites.items():
            if record.is_open(stored.ts):
                open_invites[record.inviter] = (*open_invites.get(record.inviter, ()), invite_id)
        founder = stored.devices[0]
        return cls(
            circle_id=stored.circle_id,
            origin=stored.origin,
            commons_channel=stored.commons_channel,
            policy=stored.policy,
            governance=Governance.from_record(stored.governance),
            frontier=stored.frontier,
            root=stored.frontier.root,
            ts=stored.ts,
            forming=stored.forming,
            generation=stored.generation,
            log_key_commitment=stored.log_key_commitment,
            members={member.member_id: member for member in stored.members},
            devices=devices,
            invites=invites,
            requests=requests,
            sealed_proposals={proposal.entry_hash: proposal for proposal in stored.proposals},
            objections={one.entry_hash: one for one in stored.objections},
            active_members=sum(member.is_active for member in stored.members),
            active_device_count=sum(device.is_active for device in stored.devices),
            device_keys={device.card.device_key: did for did, device in devices.items()},
            handles={handle: did for did, device in devices.items() for handle in device.handles},
            key_owners={
                one.key_id: member.member_id
                for member in stored.members
                for one in member.announced
            },
            spent=frozenset(
                {key for one in stored.devices for key in handle_keys(one.all_receipts)}
                | spent_keys(
                    (founder.member_id, founder.card, founder.receipts),
                    (record.invite for record in stored.invites),
                    (asked.request for asked in stored.requests),
                )
            ),
            waiting=tuple(
                request_hash
                for request_hash, asked in requests.items()
                if asked.state is RequestState.OPEN and (asked.vouches or not asked.needed)
            ),
            open_invites=open_invites,
            # Not known: the first entry looks at all there is.
            next_due=0,
        )

    # --- the fold ----------------------------------------------------------------------------

    def append(
        self, entry: bytes, log_keys: Mapping[int, Secret], voids: Sequence[Void] = ()
    ) -> tuple[Self, tuple[Event, ...]]:
        """Take the next entry of the log.

        Args:
            entry: the encoded entry at position ``size``.
            log_keys: by generation; the current one, and the next once it is known.
            voids: what resets further on in the log make void (``voiding.voids_in``).

        Returns: the roster after the entry, and what happened.

        Raises: LogBroken, NeedsLogKey, UpdateNeeded; WrongLogKey when the key handed in for the
        current generation is not the one the log committed to. Any other exception is a bug.
        """
        return self.extend((entry,), log_keys, voids)

    def extend(
        self,
        entries: Sequence[bytes],
        log_keys: Mapping[int, Secret],
        voids: Sequence[Void] | None = None,
    ) -> tuple[Self, tuple[Event, ...]]:
        """Take many entries at the cost of one copy; all or none. See append.

        ``voids``: looked for among the entries themselves, unless given.
        """
        self._check_log_key(log_keys)
        if voids is None:
            voids = voids_in(self.governance, entries)
        draft = self._thaw()
        frontier, root, ts = self.frontier, self.root, self.ts
        events: list[Event] = []
        for data in entries:
            entry = check_form(
                data, circle_id=self.circle_id, seq=frontier.size, root=root, last_ts=ts
            )
            events.extend(apply_entry(draft, entry, log_keys, voids))
            frontier = frontier.append(leaf_hash(data))
            root, ts = frontier.root, entry.header.ts
        return self._freeze(draft, frontier, root, ts), tuple(events)

    def check_join_request(self, request: JoinRequest, *, ts: int) -> None:
        """Judge a request found in an invite box, before it is appended.

        ``ts`` is what the entry would carry, in seconds since the Unix epoch. Raises RuleViolation.
        """
        check_join_request(self._thaw(), request, seq=self.size, ts=ts)

    def needs_tick(self, now: int) -> bool:
        """Whether something that changes somebody's standing is due by ``now``.

        ``now`` is the device's own time, in seconds since the Unix epoch. It decides nothing but
        whether to append an entry, which moves log time there.
        """
        if now < min(self.next_due, self.governance.next_due):
            return False
        return bool(derive_standing(self._thaw(), self.size, now))

    # --- thawing and freezing ----------------------------------------------------------------

    def _check_log_key(self, log_keys: Mapping[int, Secret]) -> None:
        log_key = log_keys.get(self.generation)
        if log_key is not None and log_key_commitment(log_key) != self.log_key_commitment:
            raise WrongLogKey(f"not the log key of generation {self.generation}")

    def _thaw(self) -> Draft:
        return Draft(
            circle_id=self.circle_id,
            origin=self.origin,
            policy=self.policy,
            governance=self.governance,
            commons_channel=self.commons_channel,
            forming=self.forming,
            generation=self.generation,
            log_key_commitment=self.log_key_commitment,
            active_members=self.active_members,
            active_devices=self.active_device_count,
            members=dict(self.members),
            devices=dict(self.devices),
            device_keys=dict(self.device_keys),
            handles=dict(self.handles),
            key_owners=dict(self.key_owners),
            invites=dict(self.invites),
            requests=dict(self.requests),
            proposals=dict(self.sealed_proposals),
            objections=dict(self.objections),
            spent=set(self.spent),
            waiting=dict.fromkeys(self.waiting),
            open_invites=dict(self.open_invites),
            next_due=self.next_due,
        )

    def _freeze(self, draft: Draft, frontier: Frontier, root: bytes, ts: int) -> Self:
        return type(self)(
            circle_id=self.circle_id,
            origin=self.origin,
            commons_channel=draft.commons_channel,
            policy=draft.policy,
            governance=draft.governance,
            frontier=frontier,
            root=root,
            ts=ts,
            forming=draft.forming,
            generation=draft.generation,
            log_key_commitment=draft.log_key_commitment,
            members=draft.members,
            devices=draft.devices,
            invites=draft.invites,
            requests=draft.requests,
            sealed_proposals=draft.proposals,
            objections=draft.objections,
            active_members=draft.active_members,
            active_device_count=draft.active_devices,
            device_keys=draft.device_keys,
            handles=draft.handles,
            key_owners=draft.key_owners,
            spent=frozenset(draft.spent),
            waiting=tuple(draft.waiting),
            open_invites=draft.open_invites,
            next_due=draft.next_due,
        )


def _founder(founding: Founding, steward_key: HybridPublic, ts: int) -> Member:
    key = AnnouncedKey(key_id=steward_key_id(steward_key), key=steward_key)
    return Member(
        member_id=founding.member_id,
        name=founding.name,
        role=Role.STEWARD,
        state=MemberState.ACTIVE,
        admitted_at_size=1,
        admitted_at_ts=ts,
        probation_until=0,
        grants=(),
        needed_at_admission=0,
        invited_by=None,
        devices=(founding.founder.did,),
        announced=(key,),
        suspended_until=0,
        suspension_confirmed=False,
        key_suspended=False,
        revouch_by=0,
        revouch_overdue=False,
    )


def _first_device(founding: Founding) -> DeviceRecord:
    return DeviceRecord(
        did=founding.founder.did,
        card=founding.founder,
        member_id=founding.member_id,
        spans=(Span(from_size=1, until_size=None),),
        receipts=founding.receipts,
        former=(),
        term_end=0 if founding.seat is None else founding.seat.term_end,
        locked=False,
        lapsed=False,
        retired=False,
        lost_at=0,
        erased_by=(),
    )
