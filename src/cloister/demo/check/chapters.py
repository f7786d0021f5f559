"""Checks of the lost device and of the term that ended."""

from __future__ import annotations

from cloister.client.binding import dids_of
from cloister.crypto.secret import Secret
from cloister.demo.check.evidence import Evidence, PersonFiles
from cloister.demo.check.finding import Check, Wrong, demand
from cloister.demo.check.opening import open_with
from cloister.demo.folder import AFTER, BEFORE, LEDGER
from cloister.errors import LockedError
from cloister.ids import DeviceId
from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import Role
from cloister.roster.events import SeatLapsed, SeatsRenewed
from cloister.roster.governance_events import HoldPlaced, HoldReleased
from cloister.roster.governance_state import ErasureState
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord

WITHIN_RELAYS_S = 1.0
WITHIN_GROUPS_S = 60.0


class ChapterChecks:
    """Judges the second and the third chapter, from logs, vaults, relay files and notes."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def checks(self) -> list[Check]:
        """Return the checks in order."""
        return [
            Check("lost: both relays refuse within a second", self.locked_in_time),
            Check("lost: out of every group within a minute", self.dropped_in_time),
            Check("lost: the report names what it could have read", self.exposure),
            Check("lost: disk and PIN opened nothing", self.thief_opened_nothing),
            Check("lost: one relay's files and disk and PIN open nothing", self.one_relay_alone),
            Check("lost: erasing was refused under hold, and the hold took two", self.hold),
            Check("lost: three people, a day, receipts of both relays", self.erased_by_two),
            Check("lost: both relays' scalars are gone", self.scalars_are_gone),
            Check("term: grace, then lapse, by log time", self.lapsed),
            Check("term: the lapsed device read and could not write", self.lapsed_reads),
            Check("term: renewed, and back in every group", self.renewed),
        ]

    @property
    def _founder(self) -> PersonFiles:
        return self._evidence.people[0]

    def _roster(self) -> Roster:
        roster = self._founder.state.roster
        if roster is None:
            raise Wrong("the founder has no roster")
        return roster

    def _lost(self) -> DeviceRecord:
        did = DeviceId(bytes.fromhex(str(self._evidence.notes["lost_device"])))
        record = self._roster().devices.get(did)
        if record is None:
            raise Wrong("the lost device is not in the roster")
        name = self._evidence.cast.extras[0]
        demand(self._roster().members[record.member_id].name == name, "another device was lost")
        return record

    def _events(self) -> list[object]:
        """Fold the log anew, with all keys: what each entry did."""
        keys = self._founder.state.log_keys
        entries = self._evidence.home.log_entries
        roster = Roster.found(entries[0], keys[0])
        _, events = roster.extend(entries[1:], keys)
        return list(events)

    # --- the lost device ----------------------------------------------------------------------

    def locked_in_time(self) -> str:
        """Measured from the command to both relays' answers, as the founder saw it."""
        seconds = float(self._evidence.notes["locked_at_relays_s"])
        killed = int(self._evidence.notes["restarts_in_between"])
        demand(0 < seconds <= WITHIN_RELAYS_S or killed > 0, f"it took {seconds} s")
        handles = {handle for _, handle in self._lost().handles}
        demand(len(handles) == 2, f"the device has {len(handles)} handles")
        return f"{seconds:.2f} s" + (f", with {killed} killed in between" if killed else "")

    def dropped_in_time(self) -> str:
        """Measured likewise; and no vault that stays has a leaf of the device in any group."""
        seconds = float(self._evidence.notes["dropped_from_groups_s"])
        demand(0 < seconds <= WITHIN_GROUPS_S, f"it took {seconds} s")
        did = self._lost().did
        groups = 0
        for person in (*self._evidence.staying, self._evidence.clerk):
            for channel in person.state.channels.values():
                inside = did in dids_of(channel.group).values()
                demand(not inside, f"{person.name}: the device is in {channel.title!r} still")
                groups += 1
        return f"{seconds:.2f} s; {groups} groups in the vaults that stay"

    def exposure(self) -> str:
        """The report counts the texts of before, and none said after the lock."""
        report = self._evidence.notes["exposure"]
        said = [one for one in self._evidence.said if one.conversation == LEDGER]
        before = [one for one in said if one.phase == BEFORE]
        demand(any(one.phase == AFTER for one in said), "nothing was said after the lock")
        demand(report["device"] == self._lost().did.hex(), "the report is of another device")
        demand(
            report["messages"] == len(before),
            f"{report['messages']} messages reported, {len(before)} were said",
        )
        demand(not report["still_inside"], "the report says that it is inside still")
        return f"{len(before)} of {len(said)} texts"

    def thief_opened_nothing(self) -> str:
        """It tried while the device was locked, and when it was erased: status 7 both times."""
        attempts = self._evidence.notes["thief"]
        demand([one["when"] for one in attempts] == ["locked", "erased"], "it did not try twice")
        for attempt, word in zip(attempts, ("locked", "destroyed"), strict=True):
            demand(attempt["status"] == LockedError.exit_code, f"status {attempt['status']}")
            demand(word in attempt["said"], f"it was told something else: {attempt['said']}")
        demand(self._open_stolen(both=True) is False, "the copy opens with both relays' files")
        return f"{len(attempts)} attempts, status {LockedError.exit_code}"

    def one_relay_alone(self) -> str:
        """A vault that is well opens with both relays' files, and with neither one's alone."""
        evidence = self._evidence
        number = evidence.lost + 1
        secret = Secret(evidence.folder.passphrase(number).read_bytes())
        profile = evidence.folder.profile(number)
        for one in evidence.shares:
            vault = open_with(profile, secret, [one])
            demand(vault is None, "one relay's files were enough")
        vault = open_with(profile, secret, evidence.shares)
        if vault is None:
            raise Wrong("both relays' files were not enough")
        vault.close()
        return "with both it opens, with one it does not"

    def _open_stolen(self, *, both: bool) -> bool:
        evidence = self._evidence
        secret = Secret(evidence.folder.passphrase(evidence.lost).read_bytes())
        relays = evidence.shares if both else evidence.shares[:1]
        vault = open_with(evidence.folder.stolen, secret, relays)
        if vault is None:
            return False
        vault.close()
        return True

    def hold(self) -> str:
        """The log has the hold and its release by two; in between nothing was proposed."""
        said = str(self._evidence.notes["erase_under_hold"]["said"])
        demand("hold" in said, f"the refusal says something else: {said}")
        events = self._events()
        placed = [one for one in events if isinstance(one, HoldPlaced)]
        released = [one for one in events if isinstance(one, HoldReleased)]
        demand(len(placed) == 1 and len(released) == 1, "there is not one hold and its release")
        governance = self._roster().governance
        demand(not governance.holds, "a hold is in force still")
        (erasure,) = governance.erasures.values()
        demand(placed[0].seq < released[0].seq < erasure.seq, "it was erased before the release")
        return f"held at entry {placed[0].seq}, released at {released[0].seq}"

    def erased_by_two(self) -> str:
        """Proposer, approver and subject are three; the delay is the policy's; receipts verify."""
        roster, lost = self._roster(), self._lost()
        (erasure,) = roster.governance.erasures.values()
        demand(erasure.state is ErasureState.DUE, f"the erase is {erasure.state.name.lower()}")
        people = {
            roster.member_of_key(erasure.author),
            roster.member_of_key(erasure.approver or b""),
            lost.member_id,
        }
        demand(len(people) == 3 and None not in people, "proposer, approver, subject: not three")
        waited = erasure.due - erasure.approved_ts
        demand(waited == roster.policy.cool_off_s >= 86_400, f"it cooled off for {waited} s")
        relays = {bytes(relay_id) for relay_id in lost.erased_by}
        wanted = {share.relay_id for share in self._evidence.shares}
        demand(relays == wanted, f"receipts of {len(relays)} relays are in the log")
        return f"{len(people)} people, {waited // 3600} h, {len(relays)} receipts"

    def scalars_are_gone(self) -> str:
        """Each relay's file has no scalar of the handle; it has all the others'."""
        handles = dict(self._lost().handles)
        left = 0
        for files in self._evidence.shares:
            for relay_id, handle in handles.items():
                if bytes(relay_id) == files.relay_id:
                    name = bytes(handle)
                    rows = files.rows("SELECT 1 FROM scalar WHERE handle = ?", name)
                    demand(not rows, "a scalar of the erased device is there")
                    marks = files.rows("SELECT erased_at FROM share WHERE handle = ?", name)
                    demand(marks != [] and marks[0][0] is not None, "it is not marked as erased")
            left += len(files.rows("SELECT 1 FROM scalar"))
        demand(left > 0, "there are no scalars at all")
        return f"gone at 2 relays, {left} of others left"

    # --- the term -----------------------------------------------------------------------------

    def lapsed(self) -> str:
        """In the log: the lapse follows the end of the term by 14 days; nobody else lapsed."""
        notes = self._evidence.notes["grace"]
        demand(notes["after"]["state"] == "grace", f"the term was {notes['after']['state']}")
        lapses = [one for one in self._events() if isinstance(one, SeatLapsed)]
        demand(len(lapses) == 1, f"{len(lapses)} seats lapsed")
        record = self._clerk()
        demand(record.did in lapses[0].dids, "another device's seat lapsed")
        stewards = {
            did
            for member in self._roster().members.values()
            if member.role is Role.STEWARD
            for did in member.devices
        }
        demand(len(stewards) == 2, f"{len(stewards)} devices of stewards")
        demand(stewards.isdisjoint(lapses[0].dids), "a steward's seat lapsed")
        until = int(notes["before"]["ends_at"])
        demand(notes["before"]["grace_until"] == until + SEAT_GRACE_S, "the grace is not 14 days")
        return f"lapsed at entry {lapses[0].seq}"

    def _clerk(self) -> DeviceRecord:
        roster = self._roster()
        name = self._evidence.cast.extras[1]
        member = roster.member_named(name)
        if member is None:
            raise Wrong(f"{name} is not in the roster")
        return roster.devices[member.devices[0]]

    def lapsed_reads(self) -> str:
        """Its history was there, and a text was refused with the reason."""
        notes = self._evidence.notes["lapse"]
        demand(int(notes["reads"]) > 0, "it could read nothing")
        demand(bool(notes["refused"]), "it could write")
        demand(notes["standing"]["state"] == "lapsed", f"it stood as {notes['standing']['state']}")
        texts = {one.text for one in self._evidence.said}
        demand("May I?" not in texts, "the refused text was said")
        return f"{notes['reads']} texts read; {notes['refused']}"

    def renewed(self) -> str:
        """The newer term is in the log; the device is active, in every group, and has all texts."""
        renewals = [one for one in self._events() if isinstance(one, SeatsRenewed)]
        demand(len(renewals) >= 1, "no newer term is in the log")
        record = self._clerk()
        before = int(self._evidence.notes["grace"]["before"]["ends_at"])
        demand(record.term_end > before and not record.lapsed, "the device's seat is not renewed")
        demand(record.is_active, "the device is not active")
        clerk = self._evidence.clerk
        channel_id = self._evidence.channel_id(LEDGER)
        wanted = {one.text for one in self._evidence.said if one.conversation == LEDGER}
        shown = {row.text for row in clerk.texts(channel_id)}
        demand(wanted <= shown, f"{len(wanted - shown)} texts are not on the device")
        inside = record.did in dids_of(self._founder.state.channels[channel_id].group).values()
        demand(inside, "it is not in the conversation")
        return f"{len(wanted)} texts, {(record.term_end - before) // 86_400} days more"
