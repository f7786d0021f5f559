"""Is what was to be appended still meant, after another entry came first (flows 2, step 3)?"""

from __future__ import annotations

from cloister.client.records import Intent
from cloister.codec import DecodeError
from cloister.errors import CloisterError, PolicyError
from cloister.roster.content import Approve, LogKey, Remove, Vouch
from cloister.roster.entry import SealedType
from cloister.roster.join_request import JoinRequest
from cloister.roster.roster import Roster
from cloister.roster.share import SeatTerm
from cloister.roster.state import RequestState


class Pointless(PolicyError):
    """Somebody else has done it, or it can no longer be done."""


def why_pointless(roster: Roster, intent: Intent) -> CloisterError | None:
    """Return why an intent should not be signed any more, or ``None`` when it is still meant."""
    try:
        words = _words(roster, intent)
    except DecodeError:
        return Pointless("a queued entry cannot be read any more")
    return Pointless(words) if words else None


def _words(roster: Roster, intent: Intent) -> str:
    match intent.entry_type:
        case SealedType.JOIN_REQUEST:
            request_hash = JoinRequest.decode(intent.content).request_hash
            return "the request is in the log already" if request_hash in roster.requests else ""
        case SealedType.VOUCH:
            asked = roster.requests.get(Vouch.decode(intent.content).request_hash)
            is_admitted = asked is not None and asked.state is RequestState.ADMITTED
            return "the newcomer is a member already" if is_admitted else ""
        case SealedType.REMOVE:
            member = roster.members.get(Remove.decode(intent.content).member_id)
            is_gone = member is None or member.is_out
            return "that person is not a member any more" if is_gone else ""
        case SealedType.APPROVE:
            is_open = Approve.decode(intent.content).entry_hash in roster.sealed_proposals
            return "" if is_open else "the proposal has been carried out, or has lapsed"
        case SealedType.SEAT:
            is_news = term_grows(roster, SeatTerm.decode(intent.content))
            return "" if is_news else "the circle knows that term already"
        case SealedType.LOG_KEY:
            is_old = LogKey.decode(intent.content).generation <= roster.generation
            return "another member has announced the log key" if is_old else ""
        case _:
            return ""


def term_grows(roster: Roster, term: SeatTerm) -> bool:
    """Whether a term is newer than what the roster has for any of its devices."""
    home = roster.relay_set.home.relay_id
    named = {(home, handle) for handle in term.handles}
    return any(
        device.term_end < term.term_end and named.intersection(device.handles)
        for device in roster.devices.values()
    )
