"""A home relay with fronts: what the death of one of its processes, or a stuck device, does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloister.wire import commands, events
from integration.relay_world import CHANNEL, Circle, Device, Pair, Relay, envelope_id, pinned

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="children are found by /proc"),
]

ENVELOPE_BYTES = 64 * 1024
STALL = (
    "-c",
    """
import cloister.relay.listener as listener
listener.STALLED_SESSION_S, listener.SWEEP_S = 1, 0.2
from cloister.__main__ import main
main()
""",
)
"""A relay that cuts who takes nothing after a second instead of thirty."""


SILENCE = (
    "-c",
    """
import cloister.relay.processes.children as children
children.STALLED_SESSION_S = 3
from cloister.__main__ import main
main()
""",
)
"""A relay that ends a front that has said nothing for three seconds instead of thirty."""


def children_of(relay: Relay) -> list[int]:
    """The processes that a relay has started."""
    assert relay.process is not None
    place = Path(f"/proc/{relay.process.pid}/task/{relay.process.pid}/children")
    return [int(number) for number in place.read_text("ascii").split()]


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def rss_mib(number: int) -> int:
    status = Path(f"/proc/{number}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


async def until(said: str, true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, said
        await asyncio.sleep(0.02)


@pytest.fixture
def fronted(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(
        Relay(tmp_path / "home", "home", "HK", "North"),
        Relay(tmp_path / "entry", "entry", "PA", "South"),
    )
    made.home.peer(made.entry)
    made.entry.peer(made.home)
    made.home.program = STALL
    try:
        made.entry.begin()
        made.home.begin(CLOISTER__LIMITS__PROCESSES="2")
        made.entry.wait()
        made.home.wait()
        yield made
    finally:
        made.stop()


async def connect_to_both(pair: Pair) -> list[Device]:
    """Connect devices until each front holds one."""
    fronts, found = children_of(pair.home), []
    for _ in range(200):
        found.append(await Device.connect(pair, is_direct=True))
        if all(sockets_of(number) > idle for number, idle in zip(fronts, IDLE, strict=True)):
            return found
    raise AssertionError("one front has taken all connections")


IDLE: list[int] = []


def sockets_of(number: int) -> int:
    return sum(
        os.readlink(one).startswith("socket:") for one in Path(f"/proc/{number}/fd").iterdir()
    )


def test_a_killed_front_is_started_again_and_nothing_is_lost(fronted: Pair) -> None:
    home = fronted.home
    first = children_of(home)
    IDLE[:] = [sockets_of(number) for number in first]

    async def main() -> None:
        devices = await connect_to_both(fronted)
        circle = await Circle.found(devices[0], home.code)
        for device in devices:
            await circle.prove(device)
        sent: list[bytes] = []
        for device in devices:
            sent.append(envelope_id())
            await device.ask(commands.Put, circle.commons_id, 0, sent[-1], b"e" * 1024)
        os.kill(first[0], signal.SIGKILL)
        await until("no device noticed", lambda: any(one.gone.is_set() for one in devices))
        await until("the front is not back", lambda: home.status()["processes"] == 2)
        standing = [one for one in devices if not one.gone.is_set()]
        assert standing, "the other front's devices must not notice"
        for device in standing:
            await device.ask(commands.Ping)
        assert home.status()["connections"] == len(standing)
        back = await Device.connect(fronted)
        await circle.prove(back)
        await back.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        got = [(await back.next_of(events.Item)).envelope_id for _ in sent]
        assert got == sent

    asyncio.run(main())
    assert home.status()["processes_lost"] == 1
    assert b'"process-lost"' in home.log()
    assert len(set(children_of(home)) - set(first)) == 1


def test_fronts_end_with_their_home_and_the_port_is_free_again(fronted: Pair) -> None:
    home = fronted.home
    fronts = children_of(home)
    assert len(fronts) == 2

    async def main() -> None:
        # A service manager and a terminal signal all processes; only the home's main one listens.
        for number in fronts:
            os.kill(number, signal.SIGTERM)
            os.kill(number, signal.SIGINT)
        device = await Device.connect(fronted)
        circle = await Circle.found(device, home.code)
        home.stop(signal.SIGKILL)
        await asyncio.wait_for(device.gone.wait(), 60)
        home.start(CLOISTER__LIMITS__PROCESSES="2")
        again = await Device.connect(fronted)
        await circle.prove(again)

    asyncio.run(main())
    assert not any(is_running(number) for number in fronts)
    fronts = children_of(home)
    assert home.stop() == 0
    assert not any(is_running(number) for number in fronts)
    assert b'"process-lost"' not in home.log()


def test_a_stalled_reader_behind_a_front_is_cut_and_costs_no_more_than_its_window(
    fronted: Pair,
) -> None:
    home = fronted.home
    assert home.process is not None
    processes = [home.process.pid, *children_of(home)]

    async def main() -> None:
        writer = await Device.connect(fronted)
        circle = await Circle.found(writer, home.code)
        await circle.prove(writer)
        stalled = [await Device.connect(fronted, is_direct=True) for _ in range(20)]
        for one in stalled:
            await circle.prove(one)
            await one.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
            one.transport.underlying_transport.pause_reading()
        before = sum(map(rss_mib, processes))
        sent = [envelope_id() for _ in range(40)]
        for name in sent:
            await writer.ask(commands.Put, circle.commons_id, 0, name, bytes(ENVELOPE_BYTES))
        # 50 MiB were for the twenty; a window of each is 5 MiB, once here and once in the fronts.
        assert sum(map(rss_mib, processes)) - before < 30
        await until("they are not cut", lambda: home.status()["sessions_cut"] == len(stalled))
        for one in stalled:
            one.transport.underlying_transport.resume_reading()
            await asyncio.wait_for(one.gone.wait(), 60)
        back = await Device.connect(fronted)
        await circle.prove(back)
        await back.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        for n, name in enumerate(sent):
            item = await back.next_of(events.Item)
            assert item.envelope_id == name
            if n % 2:
                back.send(commands.Seen(0, CHANNEL, circle.commons_id, n))
        await writer.ask(commands.Ping)

    asyncio.run(main())


def test_a_full_home_refuses_by_all_its_fronts(tmp_path: Path) -> None:
    limits = {"CLOISTER__LIMITS__PROCESSES": "2", "CLOISTER__LIMITS__MAX_CONNECTIONS": "6"}
    home = Relay(tmp_path / "home", "home", "HK", "North")
    pair = Pair(home, home)
    home.start(**limits)
    try:

        async def main() -> None:
            held = [await Device.connect(pair, is_direct=True) for _ in range(6)]
            for _ in range(3):
                with pytest.raises(Exception, match=r"503|closed|disconnect"):
                    await Device.connect(pair, is_direct=True)
            assert home.status()["connections"] == 6
            await held[0].close()
            await until("no place is free", lambda: home.status()["connections"] == 5)
            await (await Device.connect(pair, is_direct=True)).ask(commands.Ping)

        asyncio.run(main())
    finally:
        home.stop(signal.SIGKILL)


def test_a_front_that_says_nothing_is_ended_and_started_again(tmp_path: Path) -> None:
    home = Relay(tmp_path / "home", "home", "HK", "North")
    home.program = SILENCE
    home.start(CLOISTER__LIMITS__PROCESSES="2")
    try:
        stopped = children_of(home)[0]
        os.kill(stopped, signal.SIGSTOP)

        async def main() -> None:
            await until("it was left alone", lambda: not is_running(stopped))
            await until("it is not back", lambda: home.status()["processes"] == 2)

        asyncio.run(main())
        assert home.stop() == 0
    finally:
        home.stop(signal.SIGKILL)


def test_a_home_whose_fronts_cannot_start_says_so_and_ends(tmp_path: Path) -> None:
    home = Relay(tmp_path / "home", "home", "HK", "North")
    home.place.tls_key_path.unlink()
    # The start refuses that; these look no further.
    home.program = (str(Path(__file__).parents[1] / "cli" / "relay_of_another.py"),)
    home.begin(CLOISTER__LIMITS__PROCESSES="2")
    assert home.process is not None
    assert home.process.wait(20) == 1
    assert b"ended as soon as it was started" in home.log()
    assert b"Traceback" not in home.log()


def dial(pair: Pair) -> socket.socket | None:
    """A TLS connection to the entry relay; None when it is refused."""
    card = pair.entry.card
    plain = socket.create_connection((card.host, card.port), 10)
    try:
        return pinned(card.tls_certificate).wrap_socket(plain, server_hostname=card.host)
    except (ssl.SSLError, ConnectionError):
        plain.close()
        return None


def test_an_address_has_its_connections_over_all_processes_of_an_entry(tmp_path: Path) -> None:
    pair = Pair(
        Relay(tmp_path / "home", "home", "HK", "North"),
        Relay(tmp_path / "entry", "entry", "PA", "South"),
    )
    pair.home.peer(pair.entry)
    pair.home.start()
    limits = {"PROCESSES": "2", "MAX_CONNECTIONS_PER_ADDRESS": "7"}
    pair.entry.start(**{f"CLOISTER__LIMITS__{name}": value for name, value in limits.items()})
    processes = children_of(pair.entry)
    try:

        async def main() -> None:
            for _ in range(3):
                held = [one for _ in range(30) if (one := await asyncio.to_thread(dial, pair))]
                assert len(held) == 7
                for one in held:
                    one.close()
                await until("places are kept", lambda: pair.entry.status()["connections"] == 0)
            # A relay of the list is reached at once by all of them, and through a new one.
            with pytest.raises(Exception, match="403"):
                await Device.connect(pair)
            pair.entry.peer(pair.home)
            held_devices = [await Device.connect(pair) for _ in range(7)]
            await until("tunnels are uncounted", lambda: pair.entry.status()["tunnels"] == 7)
            for number in processes:
                os.kill(number, signal.SIGKILL)
            for device in held_devices:
                await asyncio.wait_for(device.gone.wait(), 60)
            await until("they are not back", lambda: pair.entry.status()["processes"] == 2)
            assert pair.entry.status()["tunnels"] == 0
            again = [await Device.connect(pair) for _ in range(7)]
            await again[-1].ask(commands.Ping)

        asyncio.run(main())
        assert pair.entry.stop() == 0
    finally:
        pair.stop()
