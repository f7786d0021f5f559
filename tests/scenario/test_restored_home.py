"""A home restored from a backup, seen by its devices: what is lost is said, and the rest goes on.

The relays are those of the simulated circle: in memory.  That the command does to the files what
``restore_home`` does here is seen in tests/integration/test_relay_backup.py."""

from __future__ import annotations

from copy import deepcopy

from cloister.client.inputs import OpenConversation
from cloister.client.powers import ResetCommons
from cloister.lives import first_of_life
from cloister.testing.simulated_circle import SimulatedCircle
from cloister.testing.simulated_relays import SimulatedRelays
from cloister.wire.auth import ObjectKind
from scenario.governed import roster_of
from scenario.hostile import codes, go_on, play, say, three_at_a_desk


def restore_home(circle: SimulatedCircle, backup: SimulatedRelays) -> None:
    """Put the backup in the place of the home: logs from the mirror, indices in a new life."""
    logs = deepcopy(circle.relays.store._logs)
    relays = SimulatedRelays(lambda: circle.now, like=backup)
    relays.store._logs = logs
    relays.mirrored._logs = deepcopy(circle.relays.mirrored._logs)
    first = first_of_life(circle.now)
    for channel in relays.store._channels.values():
        channel.next_n = first
    for (kind, _), box in relays.store._mailboxes.items():
        if kind is ObjectKind.INBOX:
            box.next_n = first
            box.packages.clear()
    circle.relays = relays
    for device in circle.devices:
        device.drop_link()


def test_messages_after_a_backup_are_named_as_lost_and_the_conversation_goes_on() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        await say(circle, ada, "before")
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        await say(circle, ada, "lost for Cyd")
        restore_home(circle, backup)
        await circle.settle()
        assert not ada.core.is_busy
        assert not ben.core.is_busy
        await say(circle, ben, "hello")
        cyd.is_offline = False
        await say(circle, ada, "after")
        assert ben.texts("Ada") == ["before", "lost for Cyd", "after"]
        assert cyd.texts("Ada") == ["before", "after"]
        assert cyd.texts("Ben") == ada.texts("Ben") == ["hello"]
        for device in (ada, ben, cyd):
            assert "restored" in codes(device)
            assert not codes(device) & {"hole", "stuck", "split", "suspect", "unreadable"}
        # Whoever had not fetched it is told how many are missing, and of whom.
        assert "gap" in codes(cyd)
        assert "gap" not in codes(ben)

    play(story())


def test_conversation_that_the_backup_does_not_know_is_said_to_stand_still() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        opening = OpenConversation(ref=circle.ref(), title="Lost", members=("Ben",))
        await circle.act(ada, opening)
        restore_home(circle, backup)
        await go_on(circle)
        assert "unknown" in codes(ada) & codes(ben)
        assert "unknown" not in codes(cyd)
        # The pools were dropped with the backup, and are full again.
        opening = OpenConversation(ref=circle.ref(), title="Room", members=("Ben", "Cyd"))
        await circle.act(ada, opening)
        await say(circle, cyd, "all well")
        assert ada.texts("Cyd") == ben.texts("Cyd") == ["all well"]

    play(story())


def test_commons_that_the_backup_does_not_know_is_reset_by_a_steward() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        dan = await circle.admit("Dan", ben, [ben, ada])
        restore_home(circle, backup)
        await go_on(circle)
        assert all("unknown" in codes(one) for one in (ada, ben, cyd))
        ada.feed(ResetCommons(ref=circle.ref()))
        await go_on(circle, 90)
        await circle.settle()
        assert len({roster_of(one).commons_channel for one in (ada, ben, cyd)}) == 1
        for device in (ada, ben, cyd):
            assert not device.core.state.has_lost_commons, device.name
        assert dan.phase == "member"
        await say(circle, cyd, "all well")
        assert ada.texts("Cyd") == ben.texts("Cyd") == ["all well"]

    play(story())
