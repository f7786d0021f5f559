"""Checks of what was said: acknowledged, stored, shown once in order, not after the removal."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from cloister import mls
from cloister.client.effects import MessageState
from cloister.client.records import ChannelKind
from cloister.client.safe_text import safe_text
from cloister.client.state import Channel
from cloister.crypto.hashing import sha256
from cloister.demo.check.evidence import Envelope, Evidence, PersonFiles
from cloister.demo.check.finding import Check, Wrong, demand
from cloister.demo.folder import AFTER, GROUP, ONE_TO_ONE, SECOND, THIRD, read_json_lines
from cloister.demo.script import parse_script
from cloister.wire.auth import (
    EPOCH_KEY_LABEL,
    EPOCH_SEED_BYTES,
    epoch_key,
    epoch_key_context,
)

MESSAGE, COMMIT = 1, 2
BURST = 200
STARTED, STOPPED = "ready", "stopped"
"""Events of a relay's log."""


class DeliveryChecks:
    """Compares what was to be said with every vault and with the home relay's file."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def checks(self) -> list[Check]:
        """Return the checks in order."""
        return [
            Check("texts: what was said is the script and the burst", self.script_was_said),
            Check("texts: sent in each author's order, all acknowledged", self.sent_in_order),
            Check("texts: shown once at each recipient, in order", self.shown_once),
            Check("home: every acknowledged envelope is stored, unaltered", self.stored),
            Check("home: every envelope is somebody's text, none is missing", self.no_holes),
            Check("home: killed and started again", self.home_was_restarted),
            Check("device: killed and started again", self.device_was_restarted),
            Check("removed: nothing arrives after the removal", self.third_has_nothing_after),
            Check("removed: the last readable item is the removal", self.third_ends_at_removal),
            Check("removed: later envelopes cannot be decrypted", self.third_cannot_decrypt),
            Check("removed: the home relay refuses the device", self.third_is_refused),
        ]

    # --- texts ----------------------------------------------------------------------------------

    def script_was_said(self) -> str:
        """The list of what was to be said holds the script, and a burst of 200."""
        script = parse_script(self._evidence.folder.script.read_bytes())
        demand(script.names == self._evidence.cast.script_names, "other names than the script's")
        said = self._evidence.said
        for conversation, lines in ((ONE_TO_ONE, script.one_to_one), (GROUP, script.group)):
            wanted = [(script.names.index(line.name), line.text) for line in lines]
            here = [(one.person, one.text) for one in said if one.conversation == conversation]
            demand(here[: len(wanted)] == wanted, f"the script's lines of {conversation!r} differ")
        burst = {
            one.text for one in said if one.text.endswith(f"({self._evidence.cast.canaries[2]})")
        }
        numbered = {text.split(" ")[0] for text in burst if f" of {BURST}: " in text}
        demand(numbered == {str(number + 1) for number in range(BURST)}, "the burst is not whole")
        demand(any(one.phase == AFTER for one in said), "nothing was said after the removal")
        return f"{len(script.lines)} lines, a burst of {BURST}, {len(said)} texts in all"

    def _wanted(self, person: int, conversation: str, *, phases: tuple[str, ...]) -> list[str]:
        return [
            safe_text(one.text)
            for one in self._evidence.said
            if (one.person, one.conversation) == (person, conversation) and one.phase in phases
        ]

    def sent_in_order(self) -> str:
        """Each author's own rows are its texts, in order, once, with the relay's index."""
        count = 0
        for conversation in (ONE_TO_ONE, GROUP):
            channel_id = self._evidence.channel_id(conversation)
            for person in self._evidence.people:
                rows = [row for row in person.texts(channel_id) if row.own]
                wanted = self._wanted(person.number, conversation, phases=("before", "after"))
                _compare(f"{person.name}'s own texts", [row.text for row in rows], wanted)
                demand(
                    all(row.state is MessageState.SENT and row.envelope_hash for row in rows),
                    f"a text of {person.name} was not acknowledged",
                )
                _demand_rising([row.n for row in rows], f"{person.name}'s own texts")
                count += len(rows)
        return f"{count} texts"

    def shown_once(self) -> str:
        """Each recipient shows each author's texts in the author's order, and nothing else."""
        shown = 0
        for conversation in (ONE_TO_ONE, GROUP):
            channel_id = self._evidence.channel_id(conversation)
            for person in self._recipients(conversation):
                rows = [row for row in person.texts(channel_id) if not row.own]
                ids = Counter(row.message_id for row in rows)
                demand(
                    all(number == 1 for number in ids.values()), f"{person.name} has a text twice"
                )
                dids = self._dids()
                demand({row.sender for row in rows} <= set(dids.values()), "an unknown author")
                for author in self._evidence.people:
                    if author.number == person.number:
                        continue
                    phases = ("before",) if person.number == THIRD else ("before", "after")
                    theirs = [row for row in rows if row.sender == dids[author.number]]
                    wanted = self._wanted(author.number, conversation, phases=phases)
                    what = f"{author.name}'s texts at {person.name}"
                    _compare(what, [row.text for row in theirs], wanted)
                    _demand_rising([row.n for row in theirs], what)
                    shown += len(theirs)
        return f"{shown} showings"

    def _recipients(self, conversation: str) -> list[PersonFiles]:
        people = self._evidence.people
        return people[:2] if conversation == ONE_TO_ONE else people

    def _dids(self) -> dict[int, bytes]:
        roster = self._evidence.people[0].state.roster
        if roster is None:
            raise Wrong("the founder has no roster")
        members = list(roster.members.values())
        return {number: bytes(member.devices[0]) for number, member in enumerate(members)}

    # --- the home relay's file ------------------------------------------------------------------

    def _envelopes(self, channel_id: bytes) -> dict[int, Envelope]:
        envelopes = self._evidence.home.envelopes
        if channel_id not in envelopes:
            raise Wrong("the home relay's file does not know a conversation")
        return {one.n: one for one in envelopes[channel_id]}

    def stored(self) -> str:
        """Each row that says it was sent or received is in the file: same n, id and hash."""
        compared = 0
        for person in self._evidence.people:
            for channel_id, rows in person.rows.items():
                stored = self._envelopes(channel_id)
                for row in rows:
                    found = stored.get(row.n)
                    if found is None:
                        raise Wrong(f"envelope {row.n} of {person.name} is not in the file")
                    demand(found.envelope_id == row.message_id, f"envelope {row.n} has another id")
                    demand(
                        sha256(found.data) == row.envelope_hash,
                        f"envelope {row.n} of {person.name} was altered",
                    )
                    compared += 1
        return f"{compared} rows compared"

    def no_holes(self) -> str:
        """The file's indices are contiguous, and its messages are the authors' rows."""
        messages = 0
        for channel_id, envelopes in self._evidence.home.envelopes.items():
            numbers = [one.n for one in envelopes]
            first = numbers[0] if numbers else 0
            demand(numbers == list(range(first, first + len(numbers))), "the indices have a hole")
            own = {
                row.message_id
                for person in self._evidence.writers
                for row in person.texts(channel_id)
                if row.own
            }
            stored = {one.envelope_id for one in envelopes if one.kind == MESSAGE}
            demand(stored == own, "the file's messages are not those that were sent")
            messages += len(stored)
        demand(messages == len(self._evidence.said), f"{messages} messages are stored")
        return f"{messages} messages in {len(self._evidence.home.envelopes)} channels"

    def home_was_restarted(self) -> str:
        """Its log has a start that follows no stop."""
        after_kill = starts = 0
        running = False
        for event in self._evidence.home.log_events():
            if event.get("event") == STARTED:
                starts += 1
                after_kill += running
                running = True
            elif event.get("event") == STOPPED:
                running = False
        demand(after_kill >= 1, f"{starts} start(s), none after a kill")
        return f"{starts} starts, {after_kill} after a kill"

    def device_was_restarted(self) -> str:
        """The second person's agent said twice that it runs."""
        log = self._evidence.folder.log(f"device-{SECOND}").read_bytes()
        starts = log.count(b'"state":"running"')
        demand(starts >= 2, f"{starts} start(s)")
        return f"{starts} starts"

    # --- the removed member ---------------------------------------------------------------------

    def third_has_nothing_after(self) -> str:
        """None of the texts said after the removal is in the third's vault."""
        after = {safe_text(one.text) for one in self._evidence.said if one.phase == AFTER}
        third = self._evidence.third
        rows = [row for channel_rows in third.rows.values() for row in channel_rows]
        demand(bool(after), "nothing was said after the removal")
        demand(not [row for row in rows if row.text in after], "a later text is in the vault")
        demand(bool(rows), "the vault holds no texts at all")
        return f"{len(after)} later texts are not there, {len(rows)} earlier ones are"

    def _channels_of_third(self) -> list[Channel]:
        channels = list(self._evidence.third.state.channels.values())
        demand(len(channels) >= 2, "the removed device's vault lacks its groups")
        return channels

    def third_ends_at_removal(self) -> str:
        """Read on with the stored groups: what comes last is the commit that removes the device."""
        ends = []
        for channel in self._channels_of_third():
            rung = self._evidence.home.ladders[channel.channel_id].get(channel.group.epoch)
            if rung is None or rung.commit_n is None:
                raise Wrong(f"the epoch of {channel.title or 'the commons'} was never ended")
            stored = self._envelopes(channel.channel_id)
            if channel.kind is ChannelKind.COMMONS:
                demand(
                    channel.next_n == rung.commit_n + 1, "the commons were not read to their end"
                )
            demand(channel.next_n <= rung.commit_n + 1, "read beyond the removal")
            received = channel.group.process(stored[rung.commit_n].data, now=self._now(channel))
            removed = isinstance(received, mls.CommitReceived) and received.removed_self
            demand(removed, "the commit that ended the epoch did not remove the device")
            ends.append(f"{channel.title.split(' ')[0] or 'commons'} at {rung.commit_n}")
        return ", ".join(ends)

    def _now(self, channel: Channel) -> int:
        return max((row.at for row in self._evidence.third.texts(channel.channel_id)), default=0)

    def third_cannot_decrypt(self) -> str:
        """Hand every later envelope to every group that the vault still holds."""
        tried = 0
        groups = [channel.group for channel in self._channels_of_third()]
        for channel in self._channels_of_third():
            for envelope in self._envelopes(channel.channel_id).values():
                if envelope.epoch <= channel.group.epoch:
                    continue
                for group in groups:
                    try:
                        group.process(envelope.data, now=self._now(channel))
                    except mls.MLSError:
                        tried += 1
                    else:
                        raise Wrong(f"envelope {envelope.n} of a later epoch was opened")
        demand(tried > 0, "there is no later envelope to try")
        return f"{tried} attempts failed"

    def third_is_refused(self) -> str:
        """The relay's later keys are none that the device can make, and it said no when asked."""
        relay_id = self._evidence.home.card.relay_id
        for channel in self._channels_of_third():
            context = epoch_key_context(relay_id, channel.channel_id)
            seed = channel.group.export(EPOCH_KEY_LABEL, context, EPOCH_SEED_BYTES)
            own = epoch_key(seed).public
            ladder = self._evidence.home.ladders[channel.channel_id]
            demand(ladder[channel.group.epoch].key == own, "the device's last key is another")
            later = {rung.key for epoch, rung in ladder.items() if epoch > channel.group.epoch}
            demand(bool(later) and own not in later, "a later epoch has the device's key")
        asked = list(read_json_lines(self._evidence.folder.refusals))
        refused = [one for one in asked if one["must_be_refused"]]
        demand(len(refused) >= 3, "the removed device did not ask")
        for one in refused:
            demand(not one["granted"], f"granted: {one['request']}")
        commons = self._evidence.people[0].state.commons
        own_commons = self._evidence.third.state.commons
        if commons is None or own_commons is None:
            raise Wrong("a vault lacks the commons")
        readable = self._evidence.home.ladders[commons.channel_id][own_commons.group.epoch]
        entries = max((one["n"] for one in asked if "n" in one), default=-1)
        demand(
            readable.log_size_end is not None and 0 <= entries <= readable.log_size_end,
            f"the removed device was given {entries} entries of the log",
        )
        for one in asked:
            demand(one["beyond_removal"] == 0, f"shown more than its epoch: {one['request']}")
        return f"{len(refused)} requests refused"


def _compare(what: str, found: list[str], wanted: list[str]) -> None:
    for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
        demand(one == other, f"{what}: number {number} is not what was said")
    demand(len(found) == len(wanted), f"{what}: {len(found)} of {len(wanted)}")


def _demand_rising(numbers: list[int], what: str) -> None:
    rising = all(one < other for one, other in pairwise(numbers))
    demand(rising and all(number >= 0 for number in numbers), f"{what}: not in order")
