"""The connection: challenge, proofs, what is followed, refusals that are the same for all."""

from __future__ import annotations

from collections.abc import Callable

from cloister import mls
from cloister.client.routing import home_of
from cloister.client.state import Channel, Purpose, Session, Work, with_item, without
from cloister.client.turn import RETRY_S, Turn
from cloister.crypto.signature import Ed25519Key
from cloister.errors import LocalError
from cloister.limits import DELIVERY_WINDOW_BYTES, DELIVERY_WINDOW_ITEMS
from cloister.values import replace
from cloister.wire.auth import (
    EPOCH_KEY_LABEL,
    EPOCH_SEED_BYTES,
    ObjectKind,
    epoch_key,
    epoch_key_context,
    prove,
)
from cloister.wire.codes import Refusal
from cloister.wire.commands import Follow, Prove, Seen
from cloister.wire.events import Challenge, Failed, Proved
from cloister.wire.frame import PROTOCOL_VERSION

_PROOFS = {
    ObjectKind.CHANNEL: Work.PROVE_CHANNEL,
    ObjectKind.INBOX: Work.PROVE_INBOX,
    ObjectKind.BOX: Work.PROVE_BOX,
}
_PROVED_BY = {work: kind for kind, work in _PROOFS.items()}


def on_link_up(turn: Turn) -> None:
    """Start a session; it can ask nothing before the challenge."""
    # A relay that said yes may have lost the entry since: equal bytes get the same answer again.
    again = tuple(
        replace(one, appended=False) if one.appended else one for one in turn.state.intents
    )
    move = turn.state.home_move
    step = int(move.step) if move is not None else 0
    turn.change(session=Session(up=True, home_step=step), intents=again)


def on_link_down(turn: Turn) -> None:
    """Forget the session: what it had outstanding is planned anew on the next one."""
    turn.change(session=Session())


def on_challenge(turn: Turn, challenge: Challenge) -> None:
    """Accept the relay's challenge, or close: a relay that is not ours gets nothing signed."""
    expected = expected_home(turn)
    if PROTOCOL_VERSION not in challenge.versions:
        is_old = any(version > PROTOCOL_VERSION for version in challenge.versions)
        who, what = ("This program", "the home relay") if is_old else ("The home relay", "this one")
        turn.alarm("version", f"{who} is too old for {what}: it has to be updated.")
        turn.drop_link("version")
    elif expected is not None and challenge.relay_id != expected:
        turn.alarm("relay", "The relay that answered is not the circle's home relay.")
        turn.drop_link("relay")
    elif turn.session.nonce:
        turn.drop_link("second challenge")
    else:
        turn.change_session(
            relay_id=challenge.relay_id,
            nonce=challenge.nonce,
            relay_ahead_s=challenge.now - turn.now,
        )


def expected_home(turn: Turn) -> bytes | None:
    """Return the relay id that must answer, or ``None`` while the letter is being fetched."""
    home = home_of(turn.state)
    return None if home is None else home.relay_id


# --- proofs ---------------------------------------------------------------------------------------


def channel_key(group: mls.Group, relay_id: bytes, channel_id: bytes) -> Ed25519Key:
    """Derive the epoch key of a channel from its group (flows 1)."""
    context = epoch_key_context(relay_id, channel_id)
    return epoch_key(group.export(EPOCH_KEY_LABEL, context, EPOCH_SEED_BYTES))


def prove_channel(turn: Turn, channel: Channel) -> bool:
    """Prove the group's epoch if this session has not; return whether it is proved."""
    key = (int(ObjectKind.CHANNEL), channel.channel_id)
    epoch = channel.group.epoch
    if turn.session.proven.get(key) == epoch:
        return True
    session = turn.session

    def make(rid: int) -> Prove:
        signer = channel_key(channel.group, session.relay_id, channel.channel_id)
        return _proof(
            rid, session, signer, ObjectKind.CHANNEL, channel.channel_id, channel.group.epoch
        )

    turn.ask(Purpose(Work.PROVE_CHANNEL, channel.channel_id, channel.group.epoch), make)
    return False


def prove_welcome(turn: Turn, opened: mls.OpenedWelcome, channel_id: bytes) -> bool:
    """Prove the epoch of a Welcome, whose group is not there yet; return whether it is proved."""
    session, epoch = turn.session, opened.epoch
    if session.proven.get((int(ObjectKind.CHANNEL), channel_id)) == epoch:
        return True

    def make(rid: int) -> Prove:
        context = epoch_key_context(session.relay_id, channel_id)
        signer = epoch_key(opened.export(EPOCH_KEY_LABEL, context, EPOCH_SEED_BYTES))
        return _proof(rid, session, signer, ObjectKind.CHANNEL, channel_id, epoch)

    turn.ask(Purpose(Work.PROVE_CHANNEL, channel_id, epoch), make)
    return False


def prove_key(
    turn: Turn, kind: ObjectKind, object_id: bytes, make_signer: Callable[[], Ed25519Key]
) -> bool:
    """Prove an inbox or box key if this session has not; return whether it is proved.

    Every input asks, one in a session needs the key: it is made then.
    """
    if (int(kind), object_id) in turn.session.proven:
        return True
    session = turn.session
    turn.ask(
        Purpose(_PROOFS[kind], object_id),
        lambda rid: _proof(rid, session, make_signer(), kind, object_id, 0),
    )
    return False


def _proof(
    rid: int, session: Session, signer: Ed25519Key, kind: ObjectKind, object_id: bytes, epoch: int
) -> Prove:
    signature = prove(signer, session.relay_id, kind, object_id, epoch, session.nonce)
    return Prove(rid=rid, kind=int(kind), object_id=object_id, epoch=epoch, signature=signature)


def on_proved(turn: Turn, purpose: Purpose, event: Proved) -> None:
    """Note what this session may now do."""
    kind = _PROVED_BY[purpose.work]
    key = (int(kind), purpose.subject)
    session = turn.session
    turn.change_session(
        proven=with_item(session.proven, key, purpose.number),
        following=session.following - {key},
    )
    if kind is ObjectKind.BOX:
        turn.change_session(box_items=event.next_n)
    if kind is ObjectKind.INBOX:
        promised = with_item(turn.session.promised, purpose.subject, event.next_n)
        turn.change_session(promised=promised)
    if kind is ObjectKind.CHANNEL:
        turn.change_session(current=with_item(session.current, purpose.subject, event.epoch))


def follow(turn: Turn, kind: ObjectKind, object_id: bytes, from_n: int) -> None:
    """Follow a proven object from ``from_n`` on, once for each proof."""
    key = (int(kind), object_id)
    if key in turn.session.following:
        return
    if turn.ask(
        Purpose(Work.FOLLOW, object_id, int(kind)),
        lambda rid: Follow(rid=rid, kind=int(kind), object_id=object_id, from_n=from_n),
    ):
        turn.change_session(following=turn.session.following | {key})


def on_follow_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """A follow was refused: it is asked again after its delay.

    A proof of an ended epoch lapses.  When it did so before the follow came, on a slow line, that
    it has ended is not on its way here either: the proof is given again."""
    if event.code == Refusal.NOT_PROVEN:
        unprove(turn, ObjectKind(purpose.number), purpose.subject)
    else:
        key = (purpose.number, purpose.subject)
        turn.change_session(following=turn.session.following - {key})


def credit(turn: Turn, kind: ObjectKind, object_id: bytes, n: int, size_bytes: int) -> None:
    """Tell the relay, now and then, that items up to ``n`` are stored: credit for more."""
    key = (int(kind), object_id)
    items, total = turn.session.unseen.get(key, (0, 0))
    items, total = items + 1, total + size_bytes
    if items >= DELIVERY_WINDOW_ITEMS // 4 or total >= DELIVERY_WINDOW_BYTES // 4:
        turn.requests.append(Seen(rid=0, kind=int(kind), object_id=object_id, n=n))
        items, total = 0, 0
    turn.change_session(unseen=with_item(turn.session.unseen, key, (items, total)))


def unprove(turn: Turn, kind: ObjectKind, object_id: bytes) -> None:
    """Forget a proof that the relay no longer accepts."""
    key = (int(kind), object_id)
    session = turn.session
    turn.change_session(proven=without(session.proven, key), following=session.following - {key})


# --- refusals that mean the same whatever was asked ---------------------------------------------

_WAIT = {
    Refusal.SLOW_DOWN,
    Refusal.STORAGE,
    Refusal.DRAINING,
    # The log says where to go on; this device is about to hear it.
    Refusal.HOME_MOVED,
    Refusal.QUOTA,
    # Another member's commit ended the proven epoch meanwhile: it is on its way here.
    Refusal.NOT_PROVEN,
}


def on_common_refusal(turn: Turn, purpose: Purpose, event: Failed) -> bool:
    """Handle refusals that only cost time; return whether this was one."""
    if event.code in _WAIT:
        wait = 1 if event.code == Refusal.NOT_PROVEN else RETRY_S
        turn.delay(purpose, min(event.detail or wait, 60))
        return True
    return False


class RelayRefusal(LocalError):
    """The relay refused a request, in words for the person."""

    exit_code = 5


def refusal_error(event: Failed, what: str) -> RelayRefusal:
    """Say in words what the relay refused."""
    words = {
        Refusal.WRONG_CODE: "the activation code is wrong or has been used",
        Refusal.EXPIRED: "it has expired",
        Refusal.QUOTA: "its quota is used up",
        Refusal.TOO_LARGE: "it is too large",
        Refusal.UNKNOWN_OBJECT: "the relay does not know it, or grants no right to it",
        Refusal.NO_SEAT: "every seat is taken or reserved; a steward buys one or frees one",
        Refusal.LAPSED: "the circle's seats are not paid for any more; a steward renews them",
        Refusal.HOME_MOVED: "the circle has moved to another home relay",
        Refusal.ID_CONFLICT: "it has it already, otherwise",
        Refusal.HELD: "a legal hold forbids it",
        Refusal.BAD_ENTRY: "the log entry does not fit (is this device's clock right?)",
    }
    reason = words.get(Refusal(event.code)) if event.code in set(Refusal) else None
    return RelayRefusal(f"the home relay refused {what}: {reason or f'code {event.code}'}")
