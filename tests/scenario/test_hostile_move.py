"""Who would use a move of the home against the circle, and what becomes of it (decision 0038)."""

from __future__ import annotations

import msgspec
import pytest

from cloister.client.heads import verify_ahead
from cloister.client.identity import identity_of, steward_key
from cloister.client.inputs import LeaveConversation, OpenConversation, SendText
from cloister.client.powers import FollowHome, MoveHome, StopFollowing, Suspend
from cloister.client.records import ChannelState
from cloister.client.taking_up import FIRST_UPDATE_WITHIN_S
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import PolicyError, RemoteError, TrustError, UsageError
from cloister.roster.entry import Entry
from cloister.roster.readable import steward_key_id
from cloister.testing.simulated_circle import Hinder, SimulatedCircle, SimulatedDevice
from cloister.transparency import cosign, sign_checkpoint, with_signatures
from cloister.transparency.merkle import Frontier, leaf_hash
from cloister.values import replace
from cloister.wire.adopting import AdoptCircle
from cloister.wire.auth import ADOPT_LABEL, AdoptContent
from cloister.wire.commands import AnyRequest, OpenChannel
from cloister.wire.mirror import MirrorMessage, MirrorPush, MirrorRefused
from scenario.governed import admit_steward, later, other_alarms, roster_of, send
from scenario.hostile import play
from scenario.test_moving_home import decide, decide_without, follow, lose_home, three

SOME_TRIES_S = 60
"""How long a relay refuses: a device goes on trying, and each try costs what the first did."""


def stays(device: SimulatedDevice, circle: SimulatedCircle) -> bool:
    """Whether a device still belongs to the first home."""
    return roster_of(device).relay_set.home == circle.relays.home_card


def test_the_old_home_cannot_go_on_beside_the_new_one() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        cyd.is_offline = True
        await circle.settle()
        await decide(circle, circle.relays.add_home(), ada, ben)
        size = roster_of(cyd).size
        entries = [ada.entries[seq] for seq in sorted(ada.entries)]
        # The old home has one more entry than its end: what it took before, once more.
        tree = Frontier.empty().extend(leaf_hash(one) for one in entries)
        header = Entry.decode(entries[-1]).header
        extra = replace(
            Entry.decode(entries[-1]), header=replace(header, seq=tree.size, root=tree.root)
        ).encode()
        longer = tree.append(leaf_hash(extra))
        key, witness = circle.relays.keys
        origin = roster_of(ada).origin
        card, entry = circle.relays.home_card, circle.relays.entry_card
        note = sign_checkpoint(origin, longer.size, longer.root, card.name, key)
        answers: list[MirrorMessage] = []
        push = MirrorPush(origin, tree.size, (extra,), note)
        circle.relays.mirror.push(card, push, answers.append)
        (answer,) = answers
        assert isinstance(answer, MirrorRefused)
        # Not even if the entry relay plays along does a device take more than the last head.
        lie = with_signatures(note, cosign(note, entry.name, witness, circle.now))
        pending = (*entries[size:], extra)
        before = cyd.core.state
        state = replace(before, session=replace(before.session, pending=pending))
        with pytest.raises(RemoteError):
            verify_ahead(state, roster_of(cyd), lie)
        end = sign_checkpoint(origin, tree.size, tree.root, card.name, key)
        last = with_signatures(end, cosign(end, entry.name, witness, circle.now))
        assert verify_ahead(state, roster_of(cyd), last).size == tree.size

    play(story())


def test_a_new_home_that_no_known_relay_witnesses_is_not_followed() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        circle.relays.mirror.push = lambda *_push: None  # type: ignore[method-assign]
        await lose_home(circle)
        notice = await decide_without(circle, home, ada, ben)
        await follow(circle, notice, ada, cyd)
        send(circle, cyd, "not before it is settled")
        await circle.settle(within_s=120)
        assert all(stays(device, circle) for device in (ada, ben, cyd))
        channels = [home.store.channel(one) for one in cyd.core.state.channels]
        assert all(row is None or row.next_n == row.floor_n for row in channels)
        circle.relays.is_home_gone = False
        for device in (ada, ben, cyd):
            await circle.act(device, StopFollowing(ref=circle.ref()))
        await circle.settle()
        assert "not before it is settled" in ada.texts("Cyd")

    play(story())


def forged(request: AnyRequest) -> tuple[AnyRequest]:
    """A stranger signs what only a steward may."""
    if not isinstance(request, AdoptCircle):
        return (request,)
    stranger = HybridKey(Secret(bytes([5]) * 32), Secret(bytes([6]) * 32))
    signature = stranger.sign(ADOPT_LABEL, b"mine").encode()
    return (msgspec.structs.replace(request, steward_signature=signature),)


def elsewhere(request: AnyRequest) -> tuple[AnyRequest]:
    """A steward signed for another first index than is asked for."""
    if not isinstance(request, AdoptCircle):
        return (request,)
    return (msgspec.structs.replace(request, first_n=request.first_n + 1),)


def unsettled(request: AnyRequest) -> tuple[AnyRequest]:
    """The old home's head, and nobody's cosignature below it."""
    if not isinstance(request, AdoptCircle):
        return (request,)
    lines = request.note.decode().split("\n")
    own = "\n".join(one for one in lines if not one.startswith("\u2014 entry.example"))
    assert own != request.note.decode()
    return (msgspec.structs.replace(request, note=own.encode()),)


@pytest.mark.parametrize("lie", [forged, elsewhere, unsettled])
def test_only_a_stewards_word_lets_a_relay_take_a_circle_over(lie: object) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        home = circle.relays.add_home()
        ada.hinder = lie  # type: ignore[assignment]
        await decide(circle, home, ada, ben, SOME_TRIES_S)
        assert home.logs.get(roster_of(ada).origin) is None
        assert any("refused to take the circle over" in one.text for one in ada.alarms)
        ada.hinder = lambda request: (request,)
        await circle.settle()
        assert home.logs.get(roster_of(ada).origin) is not None
        assert ada.core.state.home_move is None

    play(story())


def test_the_word_of_a_suspended_steward_lets_no_relay_take_a_circle_over() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        cyd = await admit_steward(circle, "Cyd", ada, [ada])
        home = circle.relays.add_home()
        suspended, obeyed = (steward_key(identity_of(one.core.state)) for one in (ben, cyd))
        await circle.act(ada, Suspend(ref=circle.ref(), member="Ben", reason="to be looked into"))

        def signed_by(key: HybridKey) -> Hinder:
            def signed(request: AnyRequest) -> tuple[AnyRequest]:
                if not isinstance(request, AdoptCircle):
                    return (request,)
                content = AdoptContent(
                    relay_id=home.card.relay_id,
                    origin=request.origin,
                    root=roster_of(ada).root,
                    commons_id=request.commons_id,
                    commons_key=request.commons_key,
                    epoch=request.epoch,
                    first_n=request.first_n,
                    code_hash=sha256(request.code),
                ).encode()
                return (
                    msgspec.structs.replace(
                        request,
                        key_id=steward_key_id(key.public),
                        steward_signature=key.sign(ADOPT_LABEL, content).encode(),
                    ),
                )

            return signed

        ada.hinder = signed_by(suspended)
        await decide(circle, home, ada, cyd, SOME_TRIES_S)
        assert home.logs.get(roster_of(ada).origin) is None
        assert any("refused to take the circle over" in one.text for one in ada.alarms)
        ada.hinder = signed_by(obeyed)
        await circle.settle()
        assert home.logs.get(roster_of(ada).origin) is not None

    play(story())


def test_a_wrong_key_for_a_conversation_stops_that_one_alone() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        (desk,) = [one.channel_id for one in cyd.core.state.channels.values() if one.title]

        def squats(request: AnyRequest) -> tuple[AnyRequest]:
            if isinstance(request, OpenChannel):
                own = Ed25519Key(Secret(bytes([9]) * 32)).public
                return (msgspec.structs.replace(request, channel_key=own),)
            return (request,)

        def waits(request: AnyRequest) -> tuple[AnyRequest, ...]:
            return () if isinstance(request, OpenChannel) else (request,)

        cyd.hinder, ada.hinder, ben.hinder = squats, waits, waits
        await decide(circle, circle.relays.add_home(), ada, ben)
        for device in (ada, ben):
            device.hinder = lambda request: (request,)
            device.drop_link()
        await circle.settle()
        for device in (ada, ben):
            assert device.core.state.channels[desk].state is ChannelState.STUCK
            assert "new home" in device.core.state.channels[desk].reason
        ada.feed(SendText(ref=circle.ref(), conversation="commons", text="we go on here"))
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk 2", members=("Ben",)))
        assert "we go on here" in ben.texts("Ada")

    play(story())


def test_a_notice_takes_two_stewards_and_no_old_or_foreign_one_counts() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        await lose_home(circle)
        move = MoveHome(ref=circle.ref(), home_card=home.card.encode(), lost=True)
        alone = bytes.fromhex(await circle.act(ada, move))
        await follow(circle, alone, cyd)
        assert cyd.core.state.home_move is None
        with pytest.raises(PolicyError):
            await circle.act(ada, FollowHome(ref=circle.ref(), notice=alone, approve=True))
        with pytest.raises(PolicyError):
            await circle.act(cyd, FollowHome(ref=circle.ref(), notice=alone, approve=True))
        with pytest.raises(PolicyError):
            await circle.act(
                cyd, MoveHome(ref=circle.ref(), home_card=home.card.encode(), lost=True)
            )
        with pytest.raises(UsageError):
            await circle.act(cyd, FollowHome(ref=circle.ref(), notice=b"junk"))
        other = SimulatedCircle()
        stranger = await other.found("Eve", test_circle=True)
        with pytest.raises(TrustError, match="of another circle"):
            await other.act(stranger, FollowHome(ref=other.ref(), notice=alone))
        notice = await decide_without(circle, home, ada, ben)
        await follow(circle, notice, ada, cyd)
        assert not any(stays(device, circle) for device in (ada, ben, cyd))
        with pytest.raises(PolicyError):
            await circle.act(cyd, FollowHome(ref=circle.ref(), notice=notice))
        assert other_alarms(circle) == []

    play(story())


def test_who_was_removed_before_the_move_finds_nothing_at_the_new_home() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        home = circle.relays.add_home()
        await decide(circle, home, ada, ben)
        commons = ada.core.state.commons
        assert commons is not None
        # Proofs are of epochs of the ladder, and it begins with the present one.
        assert home.store.ladder(commons.channel_id, commons.group.epoch) is not None
        row = home.store.channel(commons.channel_id)
        assert row is not None
        assert [home.store.ladder(commons.channel_id, epoch) for epoch in range(row.epoch - 1)] == [
            None
        ] * (row.epoch - 1)

    play(story())


def test_a_device_that_missed_a_change_of_members_says_that_it_cannot_go_on() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        (desk,) = [one.channel_id for one in cyd.core.state.channels.values() if one.title]
        # Nobody's first Update falls into what Cyd misses: that it would miss in the commons too.
        await later(circle, FIRST_UPDATE_WITHIN_S)
        cyd.is_offline = True
        await circle.settle()
        await circle.act(ada, LeaveConversation(ref=circle.ref(), conversation="Desk"))
        await circle.settle()
        await lose_home(circle)
        notice = await decide_without(circle, home, ada, ben)
        await follow(circle, notice, ada)
        cyd.is_offline = False
        await follow(circle, notice, cyd)
        await circle.settle()
        assert not stays(cyd, circle)
        assert cyd.core.state.channels[desk].state is ChannelState.STUCK
        assert ben.core.state.channels[desk].state is ChannelState.ACTIVE
        assert cyd.core.state.home_move is None
        assert any("new home" in alarm.text for alarm in cyd.alarms)

    play(story())
