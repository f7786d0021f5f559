"""The bots in `examples`, in a circle in one process."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloister import errors
from cloister.testing import Circle, circle

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # as Python does that is given one of them to run

if TYPE_CHECKING:
    import alert_bot
    import alert_webhook
    import echo_bot
else:
    alert_bot, alert_webhook, echo_bot = map(__import__, ("alert_bot", "alert_webhook", "echo_bot"))

TOKEN = "0123456789abcdef"


def test_the_echo_bot_answers_its_command_and_nothing_else() -> None:
    async def story() -> None:
        async with circle(2, bots=["Echo"]) as living:
            async with living.serving(echo_bot.bot, living["Echo"]):
                desk = await living["Ada"].conversation("Desk")
                await desk.send("echo not me")
                answer = await living.ask(living["Ben"], "!echo one  two")
                assert (answer.sender, answer.text) == ("Echo", "one  two")
                assert (await living.ask(living["Ada"], "!echo")).text == "(nothing)"
            assert [one.text for one in await desk.history() if one.is_from_bot] == [
                "one  two",
                "(nothing)",
            ]

    asyncio.run(story())


# --- alerts ---------------------------------------------------------------------------------------


class Duty:
    """The alert bot at work, and what it told its operator."""

    def __init__(self, living: Circle, every_s: float) -> None:
        self.living = living
        self.told: list[str] = []
        self.bot = alert_bot.AlertBot("Desk", every_s=every_s, say=self.told.append)
        self.ended = asyncio.Event()

    def add(self, text: str) -> None:
        self.bot.alerts.add(text)

    async def said(self, count: int) -> list[str]:
        """Wait for so many texts of the bot, and return them."""
        async with asyncio.timeout(10):
            while True:
                desk = await self.living["Ada"].conversation("Desk")
                texts = [one.text for one in await desk.history() if one.is_from_bot]
                if len(texts) >= count:
                    return texts
                await asyncio.sleep(0.01)


@asynccontextmanager
async def on_duty(every_s: float = 0.1) -> AsyncIterator[Duty]:
    async with circle(2, bots=["Alerts"]) as living:
        duty = Duty(living, every_s)
        running = asyncio.ensure_future(duty.bot.run(living["Alerts"], duty.ended))
        yield duty
        duty.ended.set()
        await asyncio.wait_for(running, 60)


def test_a_storm_is_one_text_and_the_first_alert_does_not_wait_for_it() -> None:
    async def story() -> None:
        async with on_duty(every_s=0.4) as duty:
            duty.add("disk full on db1")
            assert await duty.said(1) == ["#1 disk full on db1"]
            for number in range(500):
                duty.add(f"host {number % 30} is down")
            duty.add("  disk  full on\ndb1 ")
            _, storm = await duty.said(2)
            lines = storm.splitlines()
            assert lines[0] == "#2 host 0 is down (17 times)"
            assert len(lines) == alert_bot.MOST_SAID + 1
            assert lines[-1] == "and 11 more: !open"
            listed = await duty.living.ask(duty.living["Ada"], "!open 29")
            assert listed.text.splitlines() == [
                "#29 host 27 is down",
                "#30 host 28 is down",
                "#31 host 29 is down",
            ]
            assert len(await duty.said(3)) == 3
            assert duty.told == []

    asyncio.run(story())


def test_an_alert_is_acknowledged_by_name_in_its_conversation_only() -> None:
    async def story() -> None:
        async with on_duty() as duty:
            ada, ben = duty.living.people
            duty.add("disk full")
            duty.add("load high")
            await duty.said(1)
            answer = await duty.living.ask(ben, "!ack #1 7 x")
            assert answer.text.splitlines() == [
                "#1 acknowledged by Ben: disk full",
                "7: no open alert has this number (!open)",
                "x: no open alert has this number (!open)",
            ]
            assert (await duty.living.ask(ada, "!open")).text == "#2 load high"
            commons = await ada.conversation("commons")
            await commons.send("!ack 2")
            await commons.send("!open", wait_s=5)
            assert (await duty.living.ask(ada, "!open")).text == "#2 load high"
            assert not any(one.is_from_bot for one in await commons.history())

    asyncio.run(story())


def test_without_a_relay_one_text_waits_and_the_rest_is_gathered() -> None:
    async def story() -> None:
        async with on_duty() as duty:
            alerts = duty.living["Alerts"]
            await duty.living.cut(alerts)
            duty.add("first")
            async with asyncio.timeout(10):
                while not duty.told:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert duty.told == ["no relay in reach: queued"]
            for number in range(5):
                duty.add(f"later {number}")
                await asyncio.sleep(0.15)
            assert (await alerts.device.status())["queued"] == 1
            await duty.living.mend(alerts)
            first, rest = await duty.said(2)
            assert first == "#1 first"
            assert rest.splitlines() == [f"#{number + 2} later {number}" for number in range(5)]
            assert duty.told == ["no relay in reach: queued", "sent"]

    asyncio.run(story())


def test_at_the_end_everything_is_handed_to_the_device_even_offline() -> None:
    async def story() -> None:
        async with circle(2, bots=["Alerts"]) as living:
            duty = Duty(living, 0.1)
            await living.cut(living["Alerts"])
            running = asyncio.ensure_future(duty.bot.run(living["Alerts"], duty.ended))
            duty.add("first")
            await asyncio.sleep(0.3)
            duty.add("second")
            duty.ended.set()
            await asyncio.wait_for(running, 60)
            assert (await living["Alerts"].device.status())["queued"] == 2

    asyncio.run(story())


def test_what_is_remembered_is_bounded_and_that_is_said() -> None:
    async def story() -> None:
        alerts = alert_bot.Alerts()
        for number in range(alert_bot.MOST_OPEN + 5):
            alerts.add(f"{number} " + "x" * 1000)
        alerts.add(" \n")
        assert len(alerts.open) == alert_bot.MOST_OPEN
        assert all(len(text) <= alert_bot.MOST_CHARACTERS for text in alerts.open.values())
        assert alerts.take().splitlines()[-1] == "5 older ones are not remembered any more"
        assert alerts.take() == ""

    asyncio.run(story())


# --- the door -------------------------------------------------------------------------------------


def post(port: int, body: bytes, **headers: str) -> int:
    """Ask the door; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        connection.request("POST", "/", body, {k.replace("_", "-"): v for k, v in given.items()})
        answer = connection.getresponse()
        assert answer.read() == b""
        return answer.status
    finally:
        connection.close()


def test_the_door_takes_alerts_from_who_knows_the_token() -> None:
    got: list[str] = []
    with alert_webhook.listen(0, TOKEN, got.append) as port:
        assert post(port, b"disk full\nload high\n") == 202
        given = {
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "RelayDown", "instance": "pa"},
                    "annotations": {"summary": "no answer"},
                },
                {"status": "resolved", "labels": {"alertname": "DiskFull"}, "annotations": None},
                "nonsense",
                {},
            ]
        }
        body = json.dumps(given).encode()
        assert post(port, body, Content_Type="application/json; charset=utf-8") == 202
        assert got == [
            "disk full",
            "load high",
            "firing RelayDown pa no answer",
            "resolved DiskFull",
            "firing alert",
        ]
        got.clear()
        assert post(port, b"x", Authorization="Bearer wrong") == 401
        assert post(port, b"x", Authorization="Bearer \xe9") == 401
        assert post(port, b"x" * (alert_webhook.MOST_BYTES + 1)) == 413
        assert post(port, b"\xff") == 400
        for wrong in (b"{", b"[]", b'{"alerts": 1}'):
            assert post(port, wrong, Content_Type="application/json") == 400
        assert post(port, b"x", Content_Length="one") == 411
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().status == 501
        connection.close()
        assert got == []
        with pytest.raises(errors.LocalError), alert_webhook.listen(port, TOKEN, got.append):
            pass


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [(b"short", 0o600, "shorter"), (TOKEN.encode(), 0o640, "others"), (b"\xff", 0o600, "read")],
)
def test_a_token_that_is_no_secret_is_refused(
    tmp_path: Path, content: bytes, mode: int, word: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(errors.UsageError, match=word):
        alert_webhook.read_token(path)
    with pytest.raises(errors.UsageError):
        alert_webhook.read_token(tmp_path / "nothing")


@pytest.mark.parametrize(
    "arguments",
    [["Desk", "--listen", "1"], ["Desk", "--token-file", "x"], ["Desk", "--every", "0"], []],
)
def test_wrong_usage_is_status_2(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["alert_bot.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        alert_bot.main()
    assert ended.value.code == 2


def test_a_closed_vault_is_status_7(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["alert_bot.py", "Desk", "--profile", str(tmp_path)])
    assert alert_bot.main() == 7
