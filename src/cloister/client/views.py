"""What people and programs may see of the state, as plain values for JSON and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloister.client.binding import conversation_of, dids_of
from cloister.client.bots import bot_names, bots_of, is_only_bots
from cloister.client.contact_records import PLAIN
from cloister.client.contacts import contact_of, is_of_blocked, names_here, partner_of
from cloister.client.content import QUIET
from cloister.client.identity import did_of
from cloister.client.joining import digits_of
from cloister.client.receipt_views import level_of
from cloister.client.records import COMMONS_NAME, FORMER_COMMONS, ChannelKind, ChannelState
from cloister.client.routing import relay_set_of
from cloister.client.safe_text import safe_line
from cloister.client.seating import term_view
from cloister.client.standing import WORDS, Standing, standing_of
from cloister.client.state import Channel, State
from cloister.client.verification import trust_view
from cloister.client.vouching import own_vouch_view
from cloister.errors import NotFoundError, UsageError
from cloister.ids import MemberId
from cloister.limits import STALE_WARN_S
from cloister.roster.content import InviteKind
from cloister.roster.join_request import fingerprint
from cloister.roster.name import skeleton
from cloister.roster.state import OpenRequest, RequestState

RESET: Final = "a steward whose commons stands still runs `cloister commons reset`"
OPEN_ANOTHER: Final = "open another conversation: `cloister conversation new`"

View = dict[str, object]


def channel_titles(state: State) -> list[str]:
    """Return the titles of all conversations that this device has not left."""
    return [
        channel.title
        for channel in state.channels.values()
        if channel.kind is ChannelKind.CONVERSATION and channel.state is not ChannelState.LEFT
    ]


def channel_named(state: State, name: str) -> Channel:
    """Find a channel by its id, by title, by the start of the id, or a 1:1 conversation by the
    other's name.  A whole id goes first: titles are chosen by others too.

    Raises ``NotFoundError``, ``UsageError`` when a title could mean two of them.
    """
    wanted = safe_line(name).casefold()
    commons = state.commons
    if wanted == COMMONS_NAME and commons is not None:
        return commons
    for channel in state.channels.values():
        if channel.channel_id.hex() == wanted:
            return channel
    conversations = [
        channel for channel in state.channels.values() if channel.kind is ChannelKind.CONVERSATION
    ]
    former = list(filter(state.is_former_commons, state.channels.values()))
    titled = [one for one in conversations if one.title.casefold() == wanted]
    titled += former if wanted == FORMER_COMMONS else []
    titled = [one for one in titled if one.state is not ChannelState.LEFT] or titled[:1]
    for channel in (*conversations, *former):
        if not titled and len(wanted) >= 8 and channel.channel_id.hex().startswith(wanted):
            return channel
    alone = [one for one in conversations if _is_with(state, one, wanted)]
    if len(titled) > 1 or (titled and alone and titled[0] not in alone):
        # Others choose titles too: what is meant for one must not go to another.
        raise UsageError(
            f"several conversations are called “{safe_line(name)}”",
            hint="Name one by the start of its id; `cloister conversation list` shows it.",
        )
    for channel in (*titled, *alone):
        return channel
    raise NotFoundError(
        f"there is no conversation called “{safe_line(name)}”",
        hint="`cloister conversation list` shows them; `cloister conversation new` opens one.",
    )


def members_in(state: State, channel: Channel) -> set[MemberId]:
    """Return whose devices are in a channel."""
    roster = state.roster
    if roster is None:
        return set()
    records = (roster.devices.get(did) for did in dids_of(channel.group).values())
    return {record.member_id for record in records if record is not None}


def member_names(state: State, channel: Channel) -> list[str]:
    """Return the names that a channel's members have in the circle."""
    roster = state.roster
    if roster is None:
        return []
    names = roster.shown_names()
    return sorted({safe_line(names[one]) for one in members_in(state, channel)})


def _is_with(state: State, channel: Channel, wanted: str) -> bool:
    partner, roster = partner_of(state, channel), state.roster
    if partner is None or roster is None:
        return False
    names = (roster.shown_names()[partner], contact_of(state, partner).own_name)
    return wanted in {safe_line(name).casefold() for name in names if name}


def phase_of(state: State) -> str:
    """Say in a word where this device stands."""
    if state.circle is not None:
        standing = standing_now(state)
        if standing.is_out:
            return standing.name.lower()
        if not state.circle.left:
            return "member"
        return "removed" if standing.is_final else "returning"
    if state.founding is not None:
        return "founding"
    if state.joining is not None:
        return f"joining: {state.joining.step.name.lower().replace('_', ' ')}"
    return "empty"


def standing_now(state: State) -> Standing:
    """Where this device stands by the newest settled entry."""
    if state.roster is None or state.identity is None:
        return Standing.ACTIVE
    return standing_of(state.roster, did_of(state))


def _standing_view(state: State) -> View:
    standing = standing_now(state)
    reason, hint = WORDS[standing]
    return {"state": standing.name.lower(), "reason": reason, "hint": hint}


def status_view(state: State, now: int) -> View:
    """This device: where it stands, what is queued, how fresh the log is."""
    roster = state.roster
    return {
        "phase": phase_of(state),
        "name": state.identity.name if state.identity else "",
        "device": did_of(state).hex() if state.identity else "",
        "bot": state.identity.bot if state.identity else False,
        "term": term_view(state, now),
        "standing": _standing_view(state) if state.circle else None,
        "linked": bool(state.session.nonce),
        "relay_ahead_s": state.session.relay_ahead_s,
        "log_size": roster.size if roster else 0,
        "log_root": roster.root.hex() if roster else "",
        "log_age_s": max(now - state.head_time, 0) if state.head_time else None,
        "log_stale": bool(state.head_time and now - state.head_time > STALE_WARN_S),
        "queued": sum(_queued(channel) for channel in state.channels.values()),
        "cover_per_day": state.cover_per_day,
        "cover_own": state.cover.per_day if state.cover else 0,
        "digits": digits_of(state.joining) if state.joining else "",
        "stuck": [
            {
                "channel": channel.channel_id.hex(),
                "title": _title(state, channel),
                "reason": channel.reason,
                "hint": RESET if channel.kind is ChannelKind.COMMONS else OPEN_ANOTHER,
            }
            for channel in state.channels.values()
            if channel.state is ChannelState.STUCK and not state.is_former_commons(channel)
        ],
    }


def circle_view(state: State) -> View:
    """The circle: its id, its relays, its rules."""
    roster = state.roster
    if roster is None:
        raise NotFoundError("this profile is not in a circle yet")
    relay_set = relay_set_of(state) or roster.relay_set
    return {
        "circle_id": roster.circle_id.hex(),
        "forming": roster.forming,
        "members": sum(member.is_active for member in roster.members.values()),
        "vouches_needed": roster.vouches_needed(),
        "test_circle": roster.policy.is_test_circle,
        "single_operator": roster.policy.is_single_operator,
        "log_size": roster.size,
        "log_root": roster.root.hex(),
        "relays": [
            {
                "role": role,
                "name": safe_line(card.name),
                "jurisdiction": card.jurisdiction,
                "operator": safe_line(card.operator),
                "address": f"{card.host}:{card.port}",
            }
            for role, card in (
                ("home", relay_set.home),
                *(("entry", entry) for entry in relay_set.entries),
            )
        ],
    }


def members_view(state: State) -> list[View]:
    """Everybody who is or was in the circle, in the order of admission."""
    roster = state.roster
    if roster is None:
        return []
    names = roster.shown_names()
    commons = state.commons
    inside = set(dids_of(commons.group).values()) if commons else set()
    here = names_here(state)
    proposed = {proposal.member_id for proposal in roster.sealed_proposals.values()}
    return [
        {
            "name": safe_line(names[member.member_id]),
            "member_id": member.member_id.hex(),
            "role": member.role.name.lower(),
            "state": member.state.name.lower(),
            "vouched_by": [safe_line(names[voucher]) for voucher in member.vouchers],
            "voucher_ids": [voucher.hex() for voucher in member.vouchers],
            "inviter_id": member.invited_by.hex() if member.invited_by else "",
            "needs_revouch": member.needs_revouch,
            "devices": [did.hex() for did in member.devices],
            "bot": is_only_bots(roster, member),
            "bots": [did.hex() for did in bots_of(roster, member)],
            "in_commons": any(did in inside for did in member.devices),
            "removal_proposed": member.member_id in proposed,
            "own_name": safe_line(contact_of(state, member.member_id).own_name),
            "shown": here[member.member_id],
            "blocked": contact_of(state, member.member_id).is_blocked,
            **trust_view(state, roster, member),
        }
        for member in roster.members.values()
    ]


def requests_view(state: State) -> list[View]:
    """Join requests that have not been admitted."""
    roster = state.roster
    if roster is None:
        return []
    names = roster.shown_names()
    return [
        {
            "name": safe_line(asked.request.name),
            "asks_as": _asks_as(asked, names),
            "bot": asked.request.device.bot,
            "fingerprint": fingerprint(asked.request),
            "request_hash": asked.request_hash.hex(),
            "vouches": [safe_line(names[one.voucher]) for one in asked.vouches],
            "needed": asked.needed,
            "own_vouch": own_vouch_view(state, roster, asked),
            "state": asked.state.name.lower(),
        }
        for asked in roster.requests.values()
        if asked.state is not RequestState.ADMITTED
    ]


def _asks_as(asked: OpenRequest, names: Mapping[MemberId, str]) -> str:
    """Say who asks, when it is a bot or a member: the name on the request is the device's word."""
    member = safe_line(names.get(asked.request.member_id, ""))
    is_a_bot = asked.request.device.bot
    match asked.kind:
        case InviteKind.DEVICE:
            return f"one more device of {member}" + (", a bot" if is_a_bot else "")
        case InviteKind.RETURN:
            return f"{member}, coming back on a new device" + (", a bot" if is_a_bot else "")
        case _:
            return "a bot" if is_a_bot else ""


def conversations_view(state: State) -> list[View]:
    """The commons and all conversations of this device."""
    names = names_here(state)
    return [
        {
            "title": _title(state, channel),
            "channel_id": channel.channel_id.hex(),
            "kind": channel.kind.name.lower(),
            "members": member_names(state, channel),
            "bots": bot_names(state, channel),
            **_rights_view(state, channel),
            **_preference_view(state, channel, names),
            "state": channel.state.name.lower(),
            "reason": channel.reason,
            "queued": _queued(channel),
            "receipts": level_of(state, channel.channel_id).name.lower(),
            "epoch": channel.group.epoch,
        }
        for channel in state.channels.values()
        if channel.state is not ChannelState.OPENING or not state.is_former_commons(channel)
    ]


def _preference_view(state: State, channel: Channel, names: Mapping[MemberId, str]) -> View:
    """How this device calls a conversation and those in it, and how its person wants it."""
    roster, partner, title = state.roster, partner_of(state, channel), _title(state, channel)
    shown = title
    if partner is not None and roster is not None:
        # What was called by the circle's name is called by the own one; another title stays.
        is_theirs = skeleton(title) == skeleton(roster.shown_names()[partner])
        shown = names[partner] if is_theirs else title
    wanted = state.preferences.get(channel.channel_id, PLAIN)
    return {
        "shown": shown,
        "partner": partner.hex() if partner is not None else "",
        "people": sorted({names[one] for one in members_in(state, channel)}),
        "muted_until": wanted.muted_until,
        "pinned": wanted.is_pinned,
        "blocked": is_of_blocked(state, channel),
    }


def _queued(channel: Channel) -> int:
    """What waits and a person wrote."""
    return sum(one.kind not in QUIET for one in channel.outbox)


def _title(state: State, channel: Channel) -> str:
    if channel.kind is not ChannelKind.COMMONS:
        return channel.title
    return FORMER_COMMONS if state.is_former_commons(channel) else COMMONS_NAME


def _rights_view(state: State, channel: Channel) -> View:
    """Who changes name and members, who posts, and who the admins are."""
    info = conversation_of(channel.group.extensions)
    roster = state.roster
    names = roster.shown_names() if roster is not None else {}
    return {
        "changing": info.changing.name.lower(),
        "posting": info.posting.name.lower(),
        "lifetime_s": info.lifetime_s,
        "admins": [safe_line(names[member]) for member in info.admins if member in names],
        "leaving": channel.leaving,
    }
