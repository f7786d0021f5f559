"""Founding a circle (flows 3.1): begin, genesis and commons, open, settled.

    BEGINNING --begun--> ENROLLING --enrolled--> OPENING --opened--> SETTLING --settled--> (member)

A circle without unlock shares, which only a test circle may be, goes from BEGINNING to OPENING.
Every step is stored before its request goes out and may be repeated: the same code with the same
setup key gets the same origin, the same genesis the same answer.
"""

from __future__ import annotations

from cloister.client import enrolling
from cloister.client.binding import COMMONS_INFO, group_extensions
from cloister.client.content import chain_start
from cloister.client.identity import (
    device_card,
    identity_of,
    make_group,
    make_identity,
    steward_key,
)
from cloister.client.inputs import FoundCircle
from cloister.client.linking import channel_key, on_common_refusal, refusal_error
from cloister.client.log import verify_head
from cloister.client.records import (
    RECORD_VERSION,
    ChannelKind,
    ChannelState,
    Circle,
    Founding,
    FoundingStep,
)
from cloister.client.state import UNPLACED, Channel, Purpose, State, Work, with_item
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, PolicyError, UsageError
from cloister.ids import SHORT_ID_BYTES, ChannelId, MemberId
from cloister.roster.genesis import circle_id_of, make_genesis
from cloister.roster.name import check_new_name
from cloister.roster.policy import default_policy, unknown_in_policy
from cloister.roster.relay_card import RelayCard, RelaySet, check_relay_set
from cloister.roster.roster import Roster
from cloister.roster.share import share_relays
from cloister.transparency.errors import NotSettled
from cloister.transparency.merkle import EMPTY_ROOT, leaf_hash, tree_hash
from cloister.values import replace
from cloister.wire.auth import OPEN_LABEL, open_content
from cloister.wire.commands import Begin, OpenCircle, ReadHead
from cloister.wire.events import Begun, Done, Failed, Head
from cloister.wire.request import MAX_CODE_BYTES

FRESH_TICKETS_S = 60
"""Wait before tickets are asked for again that a relay has refused."""
ACT = b"founding"
"""Key under which the founding act waits for its answer."""


def check_empty(state: State) -> None:
    """Raise ``PolicyError`` unless this profile belongs to no circle yet."""
    if state.identity is not None:
        raise PolicyError(
            "this profile already belongs to a circle, or is joining one",
            hint="Use another profile: `--profile NAME`.",
        )


def on_found(turn: Turn, act: FoundCircle) -> None:
    """Check the relays, make the keys, and begin."""
    check_empty(turn.state)
    code = act.activation_code.strip()
    if not 1 <= len(code.encode()) <= MAX_CODE_BYTES:
        raise UsageError("this is not an activation code", hint="The home relay's operator has it.")
    policy = default_policy(
        test_circle=act.test_circle,
        single_operator=act.single_operator,
        unlock_shares=int(act.unlock_shares),
        cool_off_s=act.cool_off_s,
        change_delay_s=act.change_delay_s,
    )
    problem = unknown_in_policy(policy)
    if problem is not None:
        raise UsageError(
            f"a circle cannot be founded with this value of {problem}",
            hint="Shorter times, and circles without unlock shares, are for test circles.",
        )
    try:
        home = RelayCard.decode(act.home_card)
        entries = tuple(RelayCard.decode(card) for card in act.entry_cards)
    except DecodeError:
        raise UsageError("a relay card is damaged, or is not a relay card") from None
    if not entries:
        raise UsageError("a circle needs an entry relay", hint="Name its card with --entry.")
    check_relay_set(RelaySet(home=home, entries=entries), policy)
    name = check_new_name(act.name)
    turn.change(
        identity=make_identity(name, turn.entropy, steward=True),
        founding=Founding(
            step=FoundingStep.BEGINNING,
            code=code,
            home_card=act.home_card,
            entry_cards=act.entry_cards,
            test_circle=act.test_circle,
            single_operator=act.single_operator,
            unlock_shares=act.unlock_shares,
            sells_seats=False,
            cool_off_s=act.cool_off_s,
            change_delay_s=act.change_delay_s,
            setup_seed=Secret(turn.entropy.random(32)),
            origin="",
            genesis=b"",
            commons_id=turn.entropy.random(SHORT_ID_BYTES),
        ),
    )
    turn.owe(ACT, act.ref)


def advance(turn: Turn) -> None:
    """Send what the present step needs."""
    founding = turn.state.founding
    if founding is None or not turn.is_linked:
        return
    if founding.step is FoundingStep.BEGINNING:
        turn.ask(Purpose(Work.BEGIN), lambda rid: _begin(turn, founding, rid))
    elif founding.step is FoundingStep.OPENING:
        turn.ask(Purpose(Work.OPEN_CIRCLE), lambda rid: _open(turn, founding, rid))
    # SETTLING needs nothing of its own: the log is followed like any other.


def _begin(turn: Turn, founding: Founding, rid: int) -> Begin:
    code, setup = founding.code.encode(), Ed25519Key(founding.setup_seed)
    content = open_content(turn.session.relay_id, sha256(code), b"")
    relays = share_relays(_relay_set(founding)) if founding.unlock_shares else ()
    return Begin(
        rid=rid,
        code=code,
        setup_key=setup.public,
        signature=setup.sign(OPEN_LABEL, content),
        relays=tuple(bytes(card.relay_id) for card in relays),
    )


def _relay_set(founding: Founding) -> RelaySet:
    return RelaySet(
        home=RelayCard.decode(founding.home_card),
        entries=tuple(RelayCard.decode(card) for card in founding.entry_cards),
    )


def _open(turn: Turn, founding: Founding, rid: int) -> OpenCircle:
    code, setup = founding.code.encode(), Ed25519Key(founding.setup_seed)
    identity = identity_of(turn.state)
    content = open_content(turn.session.relay_id, sha256(code), founding.genesis)
    group = turn.state.channels[founding.commons_id].group
    return OpenCircle(
        rid=rid,
        code=code,
        setup_key=setup.public,
        signature=setup.sign(OPEN_LABEL, content),
        genesis=founding.genesis,
        commons_id=founding.commons_id,
        commons_key=channel_key(group, turn.session.relay_id, founding.commons_id).public,
        inbox_id=identity.inbox_id,
        inbox_key=Ed25519Key(identity.inbox_seed).public,
    )


def on_begun(turn: Turn, event: Begun) -> None:
    """Enrol at the share relays with the tickets that came, or go on without."""
    founding = turn.state.founding
    if founding is None or founding.step is not FoundingStep.BEGINNING:
        return
    begun = replace(founding, origin=event.origin, sells_seats=event.sells_seats)
    if not founding.unlock_shares:
        _make_circle(turn, begun)
        return
    enrolling.begin(turn, _relay_set(founding), event.tickets, Ed25519Key(founding.setup_seed))
    turn.change(founding=replace(begun, step=FoundingStep.ENROLLING))


def on_enrolled(turn: Turn) -> None:
    """Every share relay has given its receipt."""
    if turn.state.founding is not None:
        _make_circle(turn, turn.state.founding)


def begin_again(turn: Turn, reason: CloisterError) -> None:
    """Ask for fresh tickets: the code stays bound to the setup key, and so does what was drawn."""
    founding = turn.state.founding
    if founding is None or founding.step is not FoundingStep.ENROLLING:
        return
    turn.alarm("founding", f"{reason}  Asking for another ticket.")
    turn.change(founding=replace(founding, step=FoundingStep.BEGINNING))
    turn.delay(Purpose(Work.BEGIN), FRESH_TICKETS_S)


def _make_circle(turn: Turn, founding: Founding) -> None:
    """Make the genesis and the commons for the origin that the relay gave."""
    identity = identity_of(turn.state)
    log_key = Secret(turn.entropy.random(32))
    genesis = make_genesis(
        origin=founding.origin,
        relay_set=_relay_set(founding),
        policy=default_policy(
            test_circle=founding.test_circle,
            single_operator=founding.single_operator,
            unlock_shares=int(founding.unlock_shares),
            seats=int(founding.sells_seats and founding.unlock_shares),
            cool_off_s=founding.cool_off_s,
            change_delay_s=founding.change_delay_s,
        ),
        steward_key=steward_key(identity),
        device_key=Ed25519Key(identity.device_seed),
        device=device_card(identity),
        member_id=MemberId(identity.member_id),
        name=identity.name,
        commons_channel=ChannelId(founding.commons_id),
        log_key=log_key,
        ts=turn.now,
        entropy=turn.entropy,
        receipts=enrolling.receipts_of(turn.state),
        seat=enrolling.seat_of(turn.state) if founding.sells_seats else None,
    )
    circle_id = circle_id_of(genesis)
    root = tree_hash((leaf_hash(genesis),))
    group = make_group(
        turn.state,
        circle_id,
        founding.commons_id,
        group_extensions(founding.origin, 1, root, COMMONS_INFO),
        turn.now,
        turn.entropy,
    )
    turn.change(
        founding=replace(founding, step=FoundingStep.OPENING, genesis=genesis),
        log_keys=with_item(turn.state.log_keys, 0, log_key),
    )
    turn.put_channel(
        Channel(
            channel_id=founding.commons_id,
            kind=ChannelKind.COMMONS,
            state=ChannelState.OPENING,
            title="",
            group=group,
            next_n=UNPLACED,
            chain=chain_start(group.epoch_authenticator),
        )
    )


def on_opened(turn: Turn, event: Done) -> None:
    """The relay has the circle; now its first checkpoint has to be settled."""
    founding = turn.state.founding
    if founding is None or founding.step is not FoundingStep.OPENING:
        return
    commons = turn.state.channels[founding.commons_id]
    turn.change(founding=replace(founding, step=FoundingStep.SETTLING))
    turn.put_channel(replace(commons, state=ChannelState.ACTIVE))


def advance_settling(turn: Turn) -> None:
    """Ask for the head until the entry relay's cosignature is on it."""
    founding = turn.state.founding
    if founding is None or founding.step is not FoundingStep.SETTLING:
        return
    if (1, founding.commons_id) not in turn.session.proven:
        return
    origin = founding.origin
    turn.ask(Purpose(Work.READ_HEAD, b"founding"), lambda rid: ReadHead(rid=rid, origin=origin))


def on_head(turn: Turn, purpose: Purpose, event: Head) -> None:
    """The head is settled: the circle exists."""
    founding = turn.state.founding
    if founding is None or founding.step is not FoundingStep.SETTLING:
        return
    try:
        settled = verify_head(turn.state, event.note)
    except NotSettled:
        turn.delay(purpose, 1)  # the entry relay has not cosigned yet
        return
    roster = Roster.found(founding.genesis, turn.state.log_keys[0])
    if settled.size != 1 or settled.root != roster.root:
        raise PolicyError("the relay's first checkpoint does not cover the genesis alone")
    turn.store_entry(0, founding.genesis)
    turn.change(
        founding=None,
        roster=roster,
        roots=(EMPTY_ROOT, roster.root),
        head_time=settled.newest_cosignature_time,
        circle=Circle(
            version=RECORD_VERSION,
            circle_id=roster.circle_id,
            commons_id=founding.commons_id,
            left=False,
            head=event.note,
        ),
    )
    turn.change_session(head=event.note, head_settled=settled)
    turn.answer(ACT, text=roster.circle_id.hex())
    turn.changed("circle")


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """A wrong code ends the founding; what time may mend is tried again."""
    if on_common_refusal(turn, purpose, event):
        return
    abandon(turn, refusal_error(event, "to open the circle"))


def abandon(turn: Turn, error: CloisterError) -> None:
    """Give the founding up and say why: the profile is empty again."""
    turn.answer(ACT, error=error)
    turn.change(founding=None, identity=None, channels={}, log_keys={}, enrolments={})
    turn.drop_link("refused")
