"""The core's state as the facade shows it: plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, cast

from cloister.client import (
    bots,
    contacts,
    exposure,
    governance_views,
    governing_holds,
    log_words,
    own_reading,
    receipt_views,
    taking_out,
    verification,
    verify_log,
    views,
)
from cloister.client.core import Core
from cloister.client.effects import Message
from cloister.client.naming import one_device, roster_in_force
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.seam import ClientCore
from cloister.device.authors import Authors
from cloister.device.facade import View
from cloister.device.word_list import words_of


class Views(Protocol):
    """What the facade wants to know of a core.  A seam for tests."""

    def status(self, core: ClientCore, now: int) -> View:
        """Return the device's state; ``phase`` is "member" when it is in."""
        ...

    def circle(self, core: ClientCore) -> View:
        """Return the circle.  Raises ``NotFoundError`` without one."""
        ...

    def members(self, core: ClientCore) -> list[View]:
        """Return the members."""
        ...

    def requests(self, core: ClientCore) -> list[View]:
        """Return the open join requests."""
        ...

    def conversations(self, core: ClientCore) -> list[View]:
        """Return the conversations."""
        ...

    def channel_id(self, core: ClientCore, conversation: str) -> bytes:
        """Return a conversation's channel by name.  Raises ``NotFoundError``."""
        ...

    def receipts(self, core: ClientCore, conversation: str) -> View:
        """Return how far the others have come, and what is given.  Raises ``NotFoundError``."""
        ...

    def wants_reading(self, core: ClientCore, conversation: str) -> bool:
        """Return whether the core is to be told of reading.  Raises ``NotFoundError``."""
        ...

    def held_channels(self, core: ClientCore) -> frozenset[bytes]:
        """Return the channels of which a legal hold keeps everything."""
        ...

    def authors(self, core: ClientCore) -> Authors:
        """Return how those who write are called, which are bots, and who is blocked."""
        ...

    def uncounted(self, core: ClientCore) -> frozenset[bytes]:
        """Return the dids whose texts are nothing unread: one's own, and those of the blocked."""
        ...

    def comparison(self, core: ClientCore, member: str) -> View:
        """Return what the person compares with a member.  Raises ``NotFoundError``."""
        ...

    def whose(self, core: ClientCore) -> taking_out.Whose:
        """Return whose history the vault holds.  Raises ``NotFoundError``."""
        ...

    def governance(self, core: ClientCore, what: str, about: str) -> list[View]:
        """Return a view of governance by its name.  Raises ``NotFoundError``."""
        ...

    def exposed_channels(self, core: ClientCore, device: str) -> list[bytes]:
        """Return the channels in which a device could read.  Raises ``NotFoundError``."""
        ...

    def exposure(
        self, core: ClientCore, device: str, rows: Mapping[bytes, Sequence[Message]]
    ) -> View:
        """Return what a device could have read, out of these timelines."""
        ...

    def log(
        self, core: ClientCore, entries: tuple[bytes, ...], start: int, limit: int
    ) -> list[View]:
        """Return entries of the log in words."""
        ...

    def verify_log(self, core: ClientCore, entries: tuple[bytes, ...]) -> View:
        """Return what was checked of the stored log.  Raises ``LogDiffers``."""
        ...


class CoreViews:
    """The views of the client's own core."""

    def __init__(self) -> None:
        self._made_of: tuple[object, object] = (None, None)
        self._authors = Authors()

    def status(self, core: ClientCore, now: int) -> View:
        """Return the device's state."""
        return _plain(views.status_view(_state(core), now))

    def circle(self, core: ClientCore) -> View:
        """Return the circle."""
        return _plain(views.circle_view(_state(core)))

    def members(self, core: ClientCore) -> list[View]:
        """Return the members."""
        return [_plain(view) for view in views.members_view(_state(core))]

    def requests(self, core: ClientCore) -> list[View]:
        """Return the open join requests."""
        return [_plain(view) for view in views.requests_view(_state(core))]

    def conversations(self, core: ClientCore) -> list[View]:
        """Return the conversations."""
        return [_plain(view) for view in views.conversations_view(_state(core))]

    def channel_id(self, core: ClientCore, conversation: str) -> bytes:
        """Return a conversation's channel by name."""
        return bytes(views.channel_named(_state(core), conversation).channel_id)

    def receipts(self, core: ClientCore, conversation: str) -> View:
        """Return how far the others have come, and what is given."""
        state = _state(core)
        channel = views.channel_named(state, conversation)
        return _plain(receipt_views.receipts_view(state, channel))

    def wants_reading(self, core: ClientCore, conversation: str) -> bool:
        """Return whether the core is told how far the person has read: others want to know."""
        state = _state(core)
        channel = views.channel_named(state, conversation)
        is_given = receipt_views.level_of(state, channel.channel_id) is ReceiptLevel.READ
        return is_given or own_reading.has_others(state)

    def held_channels(self, core: ClientCore) -> frozenset[bytes]:
        """Return the channels of which a legal hold keeps everything."""
        return governing_holds.held_channels(_state(core))

    def authors(self, core: ClientCore) -> Authors:
        """Return what is known of authors; made anew when roster or contacts change."""
        state = _state(core)
        made_of = (state.roster, state.contacts)
        if any(one is not known for one, known in zip(made_of, self._made_of, strict=True)):
            names: dict[bytes, str] = {bytes(k): v for k, v in contacts.author_names(state).items()}
            names |= {bytes(k): v for k, v in contacts.names_here(state).items()}
            hidden = {bytes(did) for did in contacts.blocked_devices(state)}
            hidden |= {bytes(k) for k, said in state.contacts.items() if said.is_blocked}
            self._authors = Authors(names, bots.bot_devices(state), frozenset(hidden))
            self._made_of = made_of
        return self._authors

    def uncounted(self, core: ClientCore) -> frozenset[bytes]:
        """Return the dids whose texts are nothing unread: one's own, and those of the blocked."""
        return frozenset(contacts.uncounted_devices(_state(core)))

    def comparison(self, core: ClientCore, member: str) -> View:
        """Return what the person compares with a member."""
        state = _state(core)
        other = contacts.member_here(state, roster_in_force(state), member)
        made = verification.comparison_of(verification.compared_with(state, other))
        return {
            "member_id": other.member_id.hex(),
            "name": contacts.names_here(state)[other.member_id],
            "fingerprint": made.fingerprint.hex(),
            "digits": made.digits,
            "words": words_of(made.fingerprint),
            "code": made.code,
        }

    def whose(self, core: ClientCore) -> taking_out.Whose:
        """Return whose history the vault holds."""
        return taking_out.whose_history(_state(core))

    def governance(self, core: ClientCore, what: str, about: str) -> list[View]:
        """Return a view of governance by its name."""
        views = governance_views.governance_view(_state(core), what, about)
        return [_plain(view) for view in views]

    def exposed_channels(self, core: ClientCore, device: str) -> list[bytes]:
        """Return the channels in which a device could read."""
        state = _state(core)
        did = one_device(roster_in_force(state), device).did
        return exposure.channels_of(state, did)

    def exposure(
        self, core: ClientCore, device: str, rows: Mapping[bytes, Sequence[Message]]
    ) -> View:
        """Return what a device could have read."""
        state = _state(core)
        did = one_device(roster_in_force(state), device).did
        return _plain(exposure.report(state, did, rows))

    def log(
        self, core: ClientCore, entries: tuple[bytes, ...], start: int, limit: int
    ) -> list[View]:
        """Return entries of the log in words."""
        log_keys = _state(core).log_keys
        views = log_words.log_view(entries, log_keys, start, limit, _local_time)
        return [_plain(view) for view in views]

    def verify_log(self, core: ClientCore, entries: tuple[bytes, ...]) -> View:
        """Return what was checked of the stored log."""
        state = _state(core)
        checks = verify_log.verify_log(state, entries)
        return {
            "log_size": len(entries),
            "log_root": state.roots[-1].hex(),
            "checks": [{"what": one.what, "count": one.count} for one in checks],
        }


def _state(core: ClientCore) -> Any:
    return cast("Core", core).state


def _local_time(at: int) -> str:
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "an impossible time"


def _plain(view: object) -> View:
    return cast("View", view)
