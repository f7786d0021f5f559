"""Whoever has one address of IPv6 has 2^64: they count as one."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from cloister.relay.acquaintances import Acquaintances
from cloister.relay.door import Door, bind
from cloister.relay.networks import network_of
from cloister.relay.waiting import FirstCome


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_of_ipv6_the_network_counts(host: str, network: str) -> None:
    assert network_of(host) == network


def test_who_is_known_is_known_in_all_of_his_network() -> None:
    known = Acquaintances(lambda: 1.0)
    known.know("2001:db8:1:2::9")
    assert known.knows("2001:db8:1:2:ffff::1")
    assert not known.knows("2001:db8:1:3::9")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
def test_the_door_lets_nobody_know_more_than_the_network() -> None:
    async def story() -> None:
        came: list[str] = []
        somebody = asyncio.Event()

        async def take(connection: socket.socket, address: Any) -> None:
            came.append(address[0])
            connection.close()
            somebody.set()

        door = Door(bind("::1", 0), take, lambda: True, FirstCome())
        door.open()
        with socket.create_connection(("::1", door.port)) as one:
            one.send(b"x")
            async with asyncio.timeout(10):
                await somebody.wait()
        assert came == ["::"]
        door.shut()

    asyncio.run(story())
