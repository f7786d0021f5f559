"""One person of the demo: a device's agent, asked through its socket as the commands do.

The agent may be killed at any moment.  An act whose answer was lost is repeated only after a look
at the views has shown that it was not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.inputs import Act
from cloister.demo.children import Child, DemoFailed
from cloister.device.agent_client import RemoteDevice
from cloister.device.agent_protocol import AgentProtocolError
from cloister.device.errors import DeviceClosed
from cloister.device.facade import View
from cloister.errors import CloisterError

LOOK_AGAIN_S: Final = 0.05
LOOK_WHILE_ACTING_S: Final = 0.5
"""An answer may be lost and the act done all the same."""
REST_S: Final = 0.2
STEP_S: Final = 90.0
"""The longest a step may take, restarts included."""
MOST_ROWS: Final = 1_000_000

T = TypeVar("T")


class Person:
    """A device and what it has to be asked in this story."""

    def __init__(self, number: int, name: str, device: RemoteDevice, child: Child) -> None:
        self.number = number
        self.name = name
        self.device = device
        self.child = child
        self._seen: dict[str, list[Message]] = {}

    async def until(
        self,
        what: str,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[object]] | None = None,
        *,
        within_s: float = STEP_S,
    ) -> T:
        """Return what ``look`` finds; until it finds something, do ``act`` and look again.

        Raises ``DemoFailed`` with the last error when that takes too long.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        last: CloisterError | None = None
        acting: asyncio.Future[object] | None = None
        resting_until = 0.0
        try:
            while True:
                try:
                    found = await look()
                    if found is not None:
                        return found
                    if acting is not None and acting.done():
                        finished, acting = acting, None
                        # Its effect may need a moment to be seen; a refusal, more to heal.
                        resting_until = loop.time() + REST_S
                        finished.result()
                    elif act is not None and acting is None and loop.time() >= resting_until:
                        acting = asyncio.ensure_future(act())
                except CloisterError as error:
                    last = error
                if self.child.life.failed is not None:
                    raise self.child.life.failed
                if loop.time() > deadline:
                    reason = f": {last}" if last is not None else ""
                    raise DemoFailed(f"{what} did not happen within {within_s:.0f} s{reason}")
                if acting is None:
                    await asyncio.sleep(LOOK_AGAIN_S)
                else:
                    await asyncio.wait({acting}, timeout=LOOK_WHILE_ACTING_S)
        finally:
            if acting is not None:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)

    async def act(self, act: Act) -> str:
        """Do an act once, with as long as a step may take."""
        return await self.device.act(act, STEP_S)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask something that has an answer, again after every restart."""

        async def answer() -> tuple[T] | None:
            return (await question(),)

        return (await self.until(f"an answer of {self.child.name}", answer))[0]

    async def conversation(self, title: str) -> View | None:
        """Return a conversation by its title."""
        views = await self.device.conversations()
        return next((view for view in views if view["title"] == title), None)

    async def member(self, member_id: str) -> View | None:
        """Return a member by id."""
        return next(
            (view for view in await self.device.members() if view["member_id"] == member_id), None
        )

    # --- texts --------------------------------------------------------------------------------

    async def say(self, title: str, text: str, count: int, *, wait_s: float) -> None:
        """Queue a text as this person's number ``count`` (from 1) in a conversation, once.

        Returns when it is acknowledged, or after ``wait_s``: then it is in the vault and will be.
        """

        async def said() -> bool | None:
            own = [row for row in await self.rows(title, afresh=True) if row.own]
            return True if len(own) >= count else None

        async def sending() -> None:
            await self.device.send(title, text, wait_s)

        try:
            await sending()
        except (DeviceClosed, AgentProtocolError):
            await self.until(f"a text of {self.child.name}", said, sending)
        except CloisterError as error:
            if error.exit_code != 1:
                raise
            # The agent was ending in good order when it was asked.
            await self.until(f"a text of {self.child.name}", said, sending)

    async def rows(self, title: str, *, afresh: bool = False) -> list[Message]:
        """Return the texts of a conversation in this device's order.

        Rows known from before are not asked for again unless ``afresh``: their position never
        changes, their state does.
        """
        known = [] if afresh else self._seen.setdefault(title, [])
        while True:
            after = known[-1].position if known else 0
            new = await self.device.history(title, limit=1000, after=after)
            known.extend(row for row in new if row.kind is MessageKind.TEXT)
            if len(new) < 1000:
                self._seen[title] = known
                return known

    async def wait_for_texts(self, title: str, count: int, *, within_s: float = STEP_S) -> None:
        """Wait until this device shows ``count`` texts and its own are acknowledged."""

        async def complete() -> bool | None:
            if len(await self.rows(title)) < count:
                return None
            rows = await self.rows(title, afresh=True)
            failed = next((row for row in rows if row.state is MessageState.FAILED), None)
            if failed is not None:
                raise DemoFailed(f"{self.name}: a text was refused: {failed.reason}")
            return True if all(row.state is not MessageState.QUEUED for row in rows) else None

        await self.until(f"{count} texts at {self.child.name}", complete, within_s=within_s)
