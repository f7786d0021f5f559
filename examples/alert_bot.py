"""Brings on-call alerts into a conversation: lines of standard input, or POST requests on loopback.

    journalctl -f -p err -o cat | python examples/alert_bot.py "On call"
    python examples/alert_bot.py "On call" --listen 9099 --token-file token

The first alert is said at once, what comes within the next seconds in one text.  `!ack 12` in the
conversation acknowledges, `!open` lists what nobody has acknowledged.  Let it join as a bot
(`cloister join --bot`) and keep `cloister agent run` running for its profile.

Exit status: 0 everything was handed to the device ("queued" is said, if no relay is in reach);
4 with --wait, when the relay did not confirm in time; else what the error means, as of `cloister`.
"""

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from alert_webhook import listen, read_token

from cloister import Bot, Client, Context, Conversation, errors

EVERY_S = 5.0
MOST_SAID = 20
"""Alerts in one text; the rest is counted and listed by `!open`."""
MOST_OPEN = 1000
"""Alerts that are remembered; beyond it the oldest is forgotten, and that is said."""
MOST_CHARACTERS = 300
"""Of one alert."""


class Alerts:
    """What waits to be said, and what nobody has acknowledged.  In memory only."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._waiting: dict[int, int] = {}
        """Number -> how often it came since the last text."""
        self._last = 0
        self._forgotten = 0
        self.came = asyncio.Event()

    def add(self, text: str) -> None:
        """Take an alert; the same one again only counts."""
        text = " ".join(text.split())[:MOST_CHARACTERS]
        if not text:
            return
        number = self._numbers.get(text)
        if number is None:
            self._last += 1
            number = self._last
            self.open[number] = text
            self._numbers[text] = number
            if len(self.open) > MOST_OPEN:
                self._forgotten += 1
                self.acknowledge(next(iter(self.open)))
        self._waiting[number] = self._waiting.get(number, 0) + 1
        self.came.set()

    def acknowledge(self, number: int) -> str | None:
        """Close an alert; return it, or ``None`` when it is not open."""
        text = self.open.pop(number, None)
        if text is not None:
            del self._numbers[text]
            self._waiting.pop(number, None)
        return text

    def take(self) -> str:
        """Return one text for everything that waits; nothing waits any more then."""
        waiting, self._waiting = self._waiting, {}
        forgotten, self._forgotten = self._forgotten, 0
        self.came.clear()
        lines = [
            f"#{number} {self.open[number]}" + (f" ({times} times)" if times > 1 else "")
            for number, times in list(waiting.items())[:MOST_SAID]
        ]
        if len(waiting) > MOST_SAID:
            lines.append(f"and {len(waiting) - MOST_SAID} more: !open")
        if forgotten:
            lines.append(f"{forgotten} older ones are not remembered any more")
        return "\n".join(lines)

    def listed(self, start: int = 1) -> str:
        """Return open alerts from a number on."""
        numbers = [number for number in self.open if number >= start]
        lines = [f"#{number} {self.open[number]}" for number in numbers[:MOST_SAID]]
        if len(numbers) > MOST_SAID:
            lines.append(f"and {len(numbers) - MOST_SAID} more: !open {numbers[MOST_SAID]}")
        return "\n".join(lines) or "nothing is open"


class AlertBot:
    """Says alerts in one conversation, and takes acknowledgements there and nowhere else."""

    def __init__(self, title: str, *, every_s: float = EVERY_S, say: Callable[[str], None]) -> None:
        """``say`` tells the operator; alerts themselves are for the conversation."""
        self.alerts = Alerts()
        self.bot = Bot()
        self._title = title
        self._every_s = every_s
        self._say = say
        self._is_queued = False
        self.bot.command("ack")(self._acknowledge)
        self.bot.command("open")(self._list)

    async def run(self, client: Client, ended: asyncio.Event) -> None:
        """Serve until there will be no more alerts and all are said."""
        conversation = await client.conversation(self._title)
        serving = asyncio.create_task(self.bot.serve(client))
        saying = asyncio.create_task(self._say_all(conversation, ended))
        try:
            await asyncio.wait({serving, saying}, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, saying):
                if task.done():
                    task.result()
        finally:
            for task in (serving, saying):
                task.cancel()
            await asyncio.gather(serving, saying, return_exceptions=True)

    async def _say_all(self, conversation: Conversation, ended: asyncio.Event) -> None:
        ending = asyncio.ensure_future(ended.wait())
        try:
            while True:
                coming = asyncio.ensure_future(self.alerts.came.wait())
                await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
                coming.cancel()
                if text := self.alerts.take():
                    self._tell(await conversation.send(text, wait_s=self._every_s))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(ending), self._every_s)
                elif ended.is_set():
                    return
                # One text at a time waits on the device; what comes meanwhile is in the next.
                while self._is_queued and not ended.is_set():
                    status = await conversation.client.device.status()
                    if not status["queued"]:
                        self._tell("sent")
                    else:
                        await asyncio.sleep(self._every_s / 5)
        finally:
            ending.cancel()

    def _tell(self, state: str) -> None:
        if self._is_queued != (state == "queued"):
            self._is_queued = not self._is_queued
            self._say("no relay in reach: queued" if self._is_queued else "sent")

    def _is_here(self, context: Context) -> bool:
        return context.conversation.title == self._title

    async def _acknowledge(self, context: Context) -> None:
        if not self._is_here(context) or context.message.is_from_bot:
            return
        lines = []
        for word in context.arguments[:MOST_SAID] or ["?"]:
            number = word.removeprefix("#")
            text = self.alerts.acknowledge(int(number)) if number.isdecimal() else None
            known = f"#{number} acknowledged by {context.sender}: {text}"
            lines.append(known if text else f"{word}: no open alert has this number (!open)")
        await context.reply("\n".join(lines))

    async def _list(self, context: Context) -> None:
        if self._is_here(context):
            start = context.arguments[0].removeprefix("#") if context.arguments else "1"
            await context.reply(self.alerts.listed(int(start) if start.isdecimal() else 1))


def read_lines(add: Callable[[str], None], end: Callable[[], None]) -> None:
    """Hand on every line of standard input; a long one in pieces."""
    while line := sys.stdin.buffer.readline(16 * MOST_CHARACTERS):
        add(line.decode("utf-8", "replace"))
    end()


async def serve(asked: argparse.Namespace) -> int:
    """Do what was asked; return the exit status."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    bot = AlertBot(asked.conversation, every_s=asked.every, say=tell)

    def add(text: str) -> None:
        loop.call_soon_threadsafe(bot.alerts.add, text)

    # Told to stop, it still says what has come.
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with Client.open(asked.profile, wait_s=asked.within) as client:
        await client.conversation(asked.conversation, wait_s=asked.within)
        if asked.listen is None:
            end = lambda: loop.call_soon_threadsafe(ended.set)  # noqa: E731
            threading.Thread(target=read_lines, args=(add, end), daemon=True).start()
            await bot.run(client, ended)
        else:
            with listen(asked.listen, read_token(asked.token_file), add) as port:
                tell(f"listening on 127.0.0.1:{port}")
                await bot.run(client, ended)
        if asked.wait and not await _all_sent(client, asked.wait):
            tell("the relay has not confirmed everything: it is queued")
            return errors.NetworkError.exit_code
    return 0


async def _all_sent(client: Client, wait_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while (await client.device.status())["queued"]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            return True
    return False


def tell(word: str) -> None:
    """Say something to the operator."""
    print(f"alert_bot: {word}", file=sys.stderr, flush=True)


def main() -> int:
    """Read the arguments; return the exit status."""
    parser = argparse.ArgumentParser(description="Bring alerts into a conversation.")
    parser.add_argument("conversation", help="its title")
    parser.add_argument("--profile", default="default", help="name or folder of the bot's profile")
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds from text to text")
    parser.add_argument("--wait", type=float, default=0, help="seconds for the relay to confirm")
    parser.add_argument(
        "--within", type=float, default=0, help="seconds for agent and conversation to be there"
    )
    parser.add_argument("--listen", type=int, metavar="PORT", help="take POST requests instead")
    parser.add_argument("--token-file", type=Path, help="what a request has to know")
    asked = parser.parse_args()
    if (asked.listen is None) != (asked.token_file is None):
        parser.error("--listen and --token-file belong together")
    if asked.every <= 0:
        parser.error("--every is more than 0")
    try:
        return asyncio.run(serve(asked))
    except errors.CloisterError as error:
        tell(f"{error}" + (f" ({error.hint})" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
