"""The texts of a conversation: painted lines, two hundred messages at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message as Posted

from cloister.client.effects import Message, MessageKind, MessageState, Since
from cloister.client.told import told_of
from cloister.tui import words
from cloister.tui.folding import folded_block, is_folded
from cloister.tui.layout import message_block
from cloister.tui.lines import Line
from cloister.tui.widgets.painted import Painted
from cloister.values import replace


class MessageLog(Painted):
    """Blocks of lines, one for each message, in order of position."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "turn(-1)", show=False),
        Binding("down", "turn(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "turn(-1000000)", show=False),
        Binding("end", "turn(1000000)", show=False),
    ]

    class Older(Posted):
        """The beginning of what is loaded is in sight: more may be wanted."""

    class AtEnd(Posted):
        """The last line has come in sight: all of it can be read."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.messages: list[Message] = []
        self._blocks: list[list[Line]] = []
        self._is_connected = True
        self.is_at_end = True
        self._goal: int | None = None
        """Position of the message to have in sight, until this is laid out."""
        self._owed = 0
        """Lines by which somebody has scrolled who was quicker than the laying out."""
        self.blocked: frozenset[bytes] = frozenset()
        self.read_to: int | None = None
        """Position up to which all was read when it was opened; nothing: all of it was."""
        self._receipts: dict[str, object] = {}
        self.placeholder = ""
        """What stands there while there are no messages."""

    def show(self, messages: Sequence[Message], heard: Sequence[Message] = ()) -> None:
        """Show these messages and no others, the last of them in sight; ``heard``: what was heard
        of while they were on their way."""
        self.messages = list(messages)
        self.is_at_end = True
        self._blocks = []
        self.relay()
        self.to_end()
        for message in heard:
            self.take(message)

    def put_before(self, older: Sequence[Message]) -> None:
        """Put older messages above; what is in sight stays there."""
        before = len(self.lines)
        self.messages[:0] = older
        self._blocks = []
        at = round(self.scroll_offset.y)
        self.relay()
        self.scroll_to(y=at + len(self.lines) - before, animate=False, force=True)

    def holds(self, message_id: bytes) -> bool:
        """Tell whether a message is loaded."""
        return any(one.message_id == message_id for one in self.messages)

    def show_position(self, position: int) -> None:
        """Have the first line of a message in sight, two lines from the top."""
        if len(self._blocks) != len(self.messages):
            self._goal, self.is_at_end = position, False  # once there is a width
            return
        above = sum(
            len(block)
            for one, block in zip(self.messages, self._blocks, strict=True)
            if one.position < position
        )
        last = max(len(self.lines) - self.size.height, 0)
        at = min(max(above - 2, 0), last)
        self.is_at_end = at >= last
        self.scroll_to(y=at, animate=False, force=True, immediate=True)

    def take(self, message: Message) -> None:
        """Add a message, or show what has become of one.

        What has become of it is said without what was said of it since: that stays."""
        for number in range(len(self.messages) - 1, -1, -1):
            known = self.messages[number]
            if known.message_id == message.message_id:
                if message.since == Since() != known.since:
                    message = replace(message, since=known.since, text=known.text)
                self.messages[number] = message
                self._renew(number)
                return
        place = len(self.messages)
        while place and self.messages[place - 1].position > message.position:
            place -= 1
        self.messages.insert(place, message)
        self._blocks.insert(place, [])
        self._renew(place)

    def fold(self, blocked: frozenset[bytes]) -> None:
        """Say whose texts are folded away: those of devices with these dids."""
        if blocked != self.blocked:
            self.blocked = blocked
            self._blocks = []
            self.relay()

    def tell(self, receipts: dict[str, object]) -> None:
        """Say what the others have of one's own texts, by their receipts."""
        if receipts == self._receipts:
            return
        own = [number for number, one in enumerate(self.messages) if one.own]
        before = [self._state_of(self.messages[number]) for number in own]
        self._receipts = receipts
        changed = [
            number
            for number, state in zip(own, before, strict=True)
            if self._state_of(self.messages[number]) != state
        ]
        if changed:
            self._remake(changed)
            self.relay()

    def _state_of(self, message: Message) -> str:
        if message.own and message.state is MessageState.SENT and message.kind is MessageKind.TEXT:
            told = told_of(self._receipts, message.n) if self._receipts else None
            if told is not None:
                return words.told_words(told)
        return words.state_of(message, is_connected=self._is_connected)

    def _first_new(self) -> int:
        """Return which message is the first of others that lies behind what was read, or -1."""
        return next(filter(self._is_new, range(len(self.messages))), -1)

    def _is_new(self, number: int) -> bool:
        message = self.messages[number]
        is_text = message.kind is MessageKind.TEXT and not message.own
        return self.read_to is not None and is_text and message.position > self.read_to

    def connected(self, is_connected: bool) -> None:
        """Say whether the relay is in reach: what is queued is called accordingly."""
        if is_connected is not self._is_connected:
            self._is_connected = is_connected
            self._blocks = []
            self.relay()

    def _renew(self, number: int) -> None:
        """Lay one message out anew."""
        if is_folded(self.messages[number], self.blocked):
            self._blocks = []  # the first of a row counts the others
        else:
            self._remake([number])
        self.relay()
        if self.is_at_end:
            self.to_end()

    def _remake(self, numbers: Sequence[int]) -> None:
        """Make the blocks of some messages anew, and of the next, whose names depend on them."""
        if self.size.width <= 0 or len(self._blocks) != len(self.messages):
            self._blocks = []
            return
        room, first_new = self.room, self._first_new()
        for place in sorted({place for number in numbers for place in (number, number + 1)}):
            if place < len(self.messages):
                self._blocks[place] = self._block(place, room, first_new)

    def _block(self, number: int, room: int, first_new: int) -> list[Line]:
        folded = folded_block(self.messages, number, self.blocked, room)
        if folded is not None:
            return folded
        before = self.messages[number - 1] if number else None
        return message_block(
            self.messages[number],
            before,
            room,
            state_of=self._state_of,
            is_first_new=number == first_new,
        )

    def lay_out(self) -> None:
        """Put the blocks together; make them where there are none for this width."""
        if len(self._blocks) != len(self.messages):
            room, first_new = self.room, self._first_new()
            self._blocks = [
                self._block(number, room, first_new) for number in range(len(self.messages))
            ]
        self.lines = [line for block in self._blocks for line in block]
        if not self.lines:
            self.lines = [((self.placeholder, "dim"),)]

    def on_resize(self, event: object) -> None:
        """Fit into another height, too."""
        self.fit()

    def fit(self) -> None:
        """Break lines anew, and keep the end in sight if it was."""
        if self.size.width != self._laid_out_for:
            self._blocks = []
        super().fit()
        if self._goal is not None:
            goal, self._goal = self._goal, None
            self.show_position(goal)
        if self.is_at_end:
            self.to_end()
        if self._owed and self.size.height > 0:
            owed, self._owed = self._owed, 0
            self.action_turn(owed)

    def to_end(self) -> None:
        """Have the last line in sight."""
        self.is_at_end = True
        self.virtual_size = Size(self.size.width, max(len(self.lines), 1))
        self.scroll_to(
            y=max(len(self.lines) - self.size.height, 0), animate=False, force=True, immediate=True
        )

    def action_turn(self, by: int) -> None:
        """Scroll by lines."""
        if self.size.height <= 0:
            self._owed += by
            return
        last = max(len(self.lines) - self.size.height, 0)
        at = min(max(round(self.scroll_offset.y) + by, 0), last)
        self._note_end(at >= last)
        self.scroll_to(y=at, animate=False, force=True, immediate=True)
        if at == 0:
            self.post_message(self.Older())

    def action_page(self, by: int) -> None:
        """Scroll by a window, less one line."""
        self.action_turn(by * max(self.size.height - 1, 1))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the wheel: the end is left by scrolling up, and found again at the bottom."""
        super().watch_scroll_y(old_value, new_value)
        if self.lines:
            self._note_end(round(new_value) >= len(self.lines) - self.size.height)

    def _note_end(self, is_at_end: bool) -> None:
        if is_at_end and not self.is_at_end:
            self.post_message(self.AtEnd())
        self.is_at_end = is_at_end
