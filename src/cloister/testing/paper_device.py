"""A device that exists on paper only: a facade of plain values, for pictures and measures.

It keeps what is sent and marked, and answers acts by noting them.  No vault, no relay, no keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from cloister.client.contact_acts import BlockContact, NoteTold
from cloister.client.effects import (
    FOLLOWING,
    NEWS,
    Alarm,
    AnnotationKind,
    Changed,
    Message,
    MessageKind,
    MessageState,
    Quote,
    Reaction,
    Revised,
    Shown,
    Since,
)
from cloister.client.inputs import Act, OpenConversation, SetCover
from cloister.device import annotating
from cloister.device.facade import DEFAULT_TIMEOUT_S, FollowedNotice, View
from cloister.errors import CloisterError, NotFoundError
from cloister.testing.paper_backup import PaperBackups
from cloister.testing.paper_views import (
    PLAIN_CIRCLE,
    PLAIN_CONVERSATION,
    PLAIN_MEMBER,
    PLAIN_STATE,
    receipts_view,
)
from cloister.values import replace


class PaperDevice(PaperBackups):
    """A ``Facade`` over values that a test or a picture sets."""

    def __init__(
        self, *, name: str = "Jonas", now: Callable[[], int] = lambda: 1_795_857_600
    ) -> None:
        super().__init__()
        self.name = name
        self._now = now
        self.titles: dict[str, View] = {}
        self.people: list[View] = []
        self.asked: list[View] = []
        self.waiting: list[View] = []
        self.state: View = {**PLAIN_STATE, "name": name}
        self.governed: dict[str, list[View]] = {}
        """Name -> what a view of governance shows (``client.governance_views``)."""
        self.read: dict[str, int] = {}
        self.begun: dict[str, str] = {}
        self.told: dict[str, View] = {}
        """Channel -> what receipts say (``client.receipt_views``)."""
        self.acts: list[Act] = []
        self.answers: dict[type[Act], str] = {}
        """What an act of a kind is answered with; nothing where it is not here."""
        self.refusal: CloisterError | None = None
        """What every act and text is refused with, if set."""
        self.sent_as = MessageState.SENT
        self.is_locked = False
        self._listeners: list[asyncio.Queue[FollowedNotice]] = []

    # --- what a test sets ---------------------------------------------------------------------

    def add_member(self, name: str, *, by: tuple[str, ...] = (), **changes: Any) -> None:
        """Put a member on the list; ``by``: the names of those who vouched."""
        ids = {str(one["name"]): str(one["member_id"]) for one in self.people}
        self.people.append(
            {
                **PLAIN_MEMBER,
                "name": name,
                "member_id": f"{len(self.people):064x}",
                "vouched_by": list(by),
                "voucher_ids": [ids[one] for one in by],
                "devices": [f"{len(self.people) + 100:064x}"],
                "shown": name,
                "trust": "own" if name == self.name else "vouched" if by else "founder",
                **changes,
            }
        )

    def add_conversation(self, title: str, members: tuple[str, ...], **changes: Any) -> str:
        """Put a conversation on the list; return its id."""
        channel_id = f"{len(self.titles) + 1:032x}"
        alone = [one for one in self.people if members == (one["name"],) and title != "commons"]
        self.titles[channel_id] = {
            **PLAIN_CONVERSATION,
            "title": title,
            "shown": title,
            "channel_id": channel_id,
            "kind": "commons" if title == "commons" else "conversation",
            "members": sorted({*members, self.name}),
            "people": sorted({*members, self.name}),
            "partner": alone[0]["member_id"] if alone else "",
            **changes,
        }
        self.rows[channel_id] = []
        return channel_id

    def write(self, channel_id: str, name: str, text: str, **changes: Any) -> Message:
        """Put a row at the end of a timeline."""
        rows = self.rows[channel_id]
        position = rows[-1].position + 1 if rows else 1
        own = name == self.name
        row = Message(
            channel_id=bytes.fromhex(channel_id),
            message_id=position.to_bytes(16, "big"),
            position=position,
            sender=self._did_of(name),
            sender_name=name,
            own=own,
            kind=MessageKind.TEXT,
            state=MessageState.SENT if own else MessageState.RECEIVED,
            counter=position,
            n=position,
            at=self._now(),
            text=text,
        )
        row = replace(row, **changes)
        rows.append(row)
        self._show(row)
        return row

    def become(self, row: Message, state: MessageState, reason: str = "") -> None:
        """Change what has become of a row."""
        rows = self.rows[row.channel_id.hex()]
        place = next(n for n, one in enumerate(rows) if one.message_id == row.message_id)
        rows[place] = replace(row, state=state, reason=reason)
        self._show(rows[place])

    def _show(self, row: Message) -> None:
        """Tell of a row as a device does: without what the vault knows of it besides."""
        self._tell(Shown(message=replace(row, since=Since())))

    def expire(self, channel_id: str, text: str) -> None:
        """Let a text come to its time."""
        self.rows[channel_id] = [row for row in self.rows[channel_id] if row.text != text]
        self._tell(Changed(what="timeline", text=channel_id))

    def tell_receipts(self, channel_id: str, **marks: tuple[int, int]) -> None:
        """Let members say up to where they have, and have read: ``Name=(until_n, read_n)``."""
        others = [one for one in self.titles[channel_id]["members"] if one != self.name]
        self.told[channel_id] = receipts_view(others, marks)
        self._tell(Changed(what="receipts"))

    def read_elsewhere(self, channel_id: str) -> None:
        """Let all of a conversation be read on another device of the person."""
        self.read[channel_id] = self.rows[channel_id][-1].position
        self._tell(Changed(what="read", text=channel_id))

    def connect(self, link: str, trouble: str | None = None) -> None:
        """Let the relay come or go."""
        self.state |= {"link": link, "trouble": trouble}
        self._tell(Changed(what="link"))

    def alarm(self, code: str, text: str) -> None:
        """Raise an alarm."""
        self._tell(Alarm(code=code, text=text))

    def tell_news(self, text: str, what: str = NEWS) -> None:
        """Tell what is only to be known."""
        self._tell(Changed(what=what, text=text))

    def _tell(self, notice: FollowedNotice) -> None:
        for listener in self._listeners:
            listener.put_nowait(notice)

    # --- the facade -----------------------------------------------------------------------------

    async def act(
        self, act: Act, timeout_s: float = DEFAULT_TIMEOUT_S, *, impatient: bool = False
    ) -> str:
        """Note an act."""
        if self.refusal is not None:
            raise self.refusal
        self.acts.append(act)
        if isinstance(act, OpenConversation):
            self.add_conversation(act.title, act.members)
            self._tell(Changed(what="conversations"))
        if isinstance(act, BlockContact | NoteTold):
            self._keep(act)
        if isinstance(act, SetCover):
            rate = max(act.per_day, int(self.state["cover_per_day"]))
            self.state |= {"cover_own": act.per_day, "cover_per_day": rate}
        return self.answers.get(type(act), "")

    def _keep(self, act: BlockContact | NoteTold) -> None:
        view = next(one for one in self.people if act.member in {one["name"], one["member_id"]})
        if isinstance(act, BlockContact):
            view["blocked"] = act.blocked
        else:
            told = [{**one, "told": True} for one in view["added_devices"]]
            view |= {"added_devices": told, "untold_state": False}
        self._tell(Changed(what="members"))

    async def send(
        self, conversation: str, text: str, wait_s: float, *, reply_to: str = ""
    ) -> Message:
        """Put an own text at the end, at once or queued while there is no relay."""
        if self.refusal is not None:
            raise self.refusal
        is_up = self.state["link"] == "up"
        more: dict[str, Any] = {}
        if reply_to:
            answered = await self.message(conversation, reply_to)
            quote = Quote(name=answered.sender_name, text=answered.text)
            more = {"reply_to": answered.message_id, "since": Since(quote=quote)}
        channel = self._id(conversation)
        row = self.write(channel, self.name, text, state=MessageState.QUEUED, **more)
        if is_up:
            self.become(row, self.sent_as)
        return row

    async def message(self, conversation: str, name: str) -> Message:
        """Return one row."""
        rows = [
            one for one in reversed(self.rows[self._id(conversation)]) if one.kind.name == "TEXT"
        ]
        if name in {"last", "mine"}:
            rows = [one for one in rows if one.own or name == "last"]
        else:
            rows = [one for one in rows if one.message_id.hex().startswith(name)]
        return annotating.only_one(rows[:1], name)

    async def annotate(
        self, conversation: str, message_id: str, kind: AnnotationKind, text: str = ""
    ) -> None:
        """Let a row show what is said of it, at once."""
        row = await self.message(conversation, message_id)
        annotating.check(row, kind)
        since = row.since
        match kind:
            case AnnotationKind.EDIT:
                row = replace(row, text=text, since=replace(since, edits=since.edits + 1))
            case AnnotationKind.RETRACTION:
                row = replace(row, text="", since=replace(since, retracted=True))
            case AnnotationKind.REACTION:
                marks = tuple(one for one in since.reactions if not one.own)
                own = (Reaction(name=self.name, own=True, mark=text),) if text else ()
                row = replace(row, since=replace(since, reactions=(*marks, *own)))
        rows = self.rows[row.channel_id.hex()]
        rows[next(n for n, one in enumerate(rows) if one.position == row.position)] = row
        self._tell(Revised(channel_id=row.channel_id, message_id=row.message_id))

    async def versions(self, conversation: str, message_id: str) -> list[View]:
        """Return the text as it is."""
        row = await self.message(conversation, message_id)
        return [{"at": row.at, "text": row.text}]

    async def settle(self, timeout_s: float, *, required: bool = False) -> bool:
        """Caught up as long as the relay is there."""
        return bool(self.state["link"] == "up")

    async def status(self) -> View:
        """Return the state."""
        rows = [row for rows in self.rows.values() for row in rows]
        queued = sum(row.own and row.state is MessageState.QUEUED for row in rows)
        unread = sum(self._unread(channel) for channel in self.rows)
        return {**self.state, "queued": queued, "unread": unread}

    async def circle(self) -> View:
        """Return a circle of two relays."""
        return {**PLAIN_CIRCLE, "members": len(self.people)}

    async def members(self) -> list[View]:
        """Return the members."""
        return self.people

    async def requests(self) -> list[View]:
        """Return who asks."""
        return self.asked

    async def conversations(self) -> list[View]:
        """Return the conversations with what is unread."""
        return [
            {**view, "unread": self._unread(one), "read_to": self.read.get(one, -1)}
            for one, view in self.titles.items()
        ]

    async def governance(self, what: str, about: str = "") -> list[View]:
        """Return what waits, or what a test has put there."""
        return self.waiting if what == "pending" else self.governed.get(what, [])

    async def exposure(self, device: str) -> View:
        """Return a report of nothing."""
        return {"messages": 0, "conversations": [], "cannot_know": []}

    async def log(self, start: int, limit: int) -> list[View]:
        """Return no entries."""
        return []

    async def verify_log(self) -> View:
        """Return that all of it holds."""
        return {"checks": [], "log_size": 4, "log_root": "b2dfae11" * 8}

    async def history(
        self,
        conversation: str,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """Return rows as the vault would."""
        rows = self.rows[self._id(conversation)]
        if before is not None:
            return [row for row in rows if row.position < before][-limit:]
        if after is not None:
            return [row for row in rows if row.position > after][:limit]
        return rows[-limit:]

    async def newest(self) -> list[Message]:
        """Return the last row of every timeline."""
        return [rows[-1] for rows in self.rows.values() if rows]

    async def search(self, words: str, limit: int = 100) -> list[Message]:
        """Return the texts that hold every word."""
        wanted = words.casefold().split()
        rows = [row for rows in self.rows.values() for row in rows]
        found = [row for row in rows if all(word in row.text.casefold() for word in wanted)]
        return sorted(found, key=lambda row: -row.at)[:limit]

    async def drafts(self) -> dict[str, str]:
        """Return what has been begun."""
        return dict(self.begun)

    async def keep_draft(self, conversation: str, text: str) -> None:
        """Keep what has been begun."""
        channel = self._id(conversation)
        self.begun.pop(channel, None)
        if text:
            self.begun[channel] = text

    async def receipts(self, conversation: str) -> View:
        """Return what the others have told."""
        return self.told.get(self._id(conversation), {"given": "off", "members": []})

    async def comparison(self, member: str) -> View:
        """Return what would be compared with a member on the list."""
        view = next((one for one in self.people if member in {one["name"], one["member_id"]}), None)
        if view is None:
            raise NotFoundError(f"nobody in the circle is called “{member}”")
        return {
            "member_id": view["member_id"],
            "name": view["shown"],
            "fingerprint": "5a" * 32,
            "digits": " ".join(f"{n:05}" for n in range(10_417, 99_999, 7_001))[:71],
            "words": [f"{word}{n}" for n in range(3) for word in ("lamp", "river", "oak", "bell")],
            "code": "CL1:NFVW4LSOMFWHI23GOFRHK4LTNZSXA5DJ",
        }

    async def mark_read(self, conversation: str, position: int) -> None:
        """Move the read marker forward."""
        channel = self._id(conversation)
        self.read[channel] = max(position, self.read.get(channel, -1))

    async def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        """Yield notices from now on."""
        queue: asyncio.Queue[FollowedNotice] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield Changed(what=FOLLOWING)
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    async def change_pin(self, old: str, new: str) -> None:
        """Take any PIN."""

    async def lock(self) -> None:
        """Note that it is locked."""
        self.is_locked = True

    def _did_of(self, name: str) -> bytes:
        devices = (one["devices"] for one in self.people if one["name"] == name)
        return bytes.fromhex(next(devices, ["00" * 32])[0])

    def _id(self, conversation: str) -> str:
        for channel, view in self.titles.items():
            if conversation in {channel, view["title"]}:
                return channel
        raise NotFoundError(f"there is no conversation called “{conversation}”")

    def _unread(self, channel: str) -> int:
        blocked = {did for view in self.people if view["blocked"] for did in view["devices"]}
        read = self.read.get(channel, -1)
        rows = self.rows[channel]
        return sum(
            not row.own and row.position > read and row.sender.hex() not in blocked for row in rows
        )
