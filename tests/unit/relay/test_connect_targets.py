"""Where an entry relay leads: to what stands on its list, whatever else a request names."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.entry import Counted, Proxy, parse_connect
from cloister.relay.folder import Folder
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.peers import Peers
from cloister.relay.settings import Role
from counts import examples

SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "5f00::/16", "fc00::/7"),
    *("fe80::/10", "ff00::/8"),
]
"""The special-purpose ranges of IANA, and multicast."""


def relay(folder: Path, role: Role, host: str, port: int) -> Folder:
    made = Folder(folder)
    made.init(
        role=role,
        host=host,
        port=port,
        jurisdiction="HK" if role == "home" else "PA",
        operator=f"Operator of {host}",
        name=None,
        now=int(time.time()),
        entropy=SystemEntropy(),
    )
    return made


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    folder = tmp_path_factory.mktemp("relays")
    entry = relay(folder / "entry", "entry", "198.51.100.9", 443)
    entry.add_peer(relay(folder / "named", "home", "home.example", 8443).card_path)
    entry.add_peer(relay(folder / "numbered", "home", "203.0.113.7", 8443).card_path)
    # A list may name an entry too: nobody is led there.
    entry.add_peer(relay(folder / "other", "entry", "203.0.113.8", 8443).card_path)
    return Proxy(
        Peers(entry, Log(lambda: 0, io.StringIO())),
        Counted(Metrics(), 10, 10),
        unlock={("198.51.100.9", 7443): ("127.0.0.1", 7443)},
        tls=entry.server_context(),
        handshake_s=1.0,
    )


def led_to(proxy: Proxy, authority: str) -> tuple[str, int] | None:
    target = parse_connect(f"CONNECT {authority} HTTP/1.1".encode())
    return None if target is None else proxy.place_of(target)


def test_the_list_is_led_to_as_the_operator_wrote_it(proxy: Proxy) -> None:
    assert led_to(proxy, "Home.EXAMPLE:8443") == ("home.example", 8443)
    assert led_to(proxy, "203.0.113.7:8443") == ("203.0.113.7", 8443)
    assert led_to(proxy, "198.51.100.9:7443") == ("127.0.0.1", 7443)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(SPECIAL), st.integers(0, 2**128), st.sampled_from([22, 443, 7443, 8443]))
def test_no_special_address_is_reachable(proxy: Proxy, span: str, at: int, port: int) -> None:
    network = ipaddress.ip_network(span)
    address = network[at % network.num_addresses]
    shown = str(address) if address.version == 4 else f"[{address}]"
    listed = {("203.0.113.7", 8443), ("198.51.100.9", 7443)}
    assert (led_to(proxy, f"{shown}:{port}") is not None) == ((str(address), port) in listed)


@pytest.mark.parametrize(
    "authority",
    [
        *("203.0.113.7:443", "203.0.113.8:8443", "198.51.100.9:443", "127.0.0.1:7443"),
        *(
            "home.example.:8443",
            "home.example:443",
            "evil.home.example:8443",
            "home.example:08443x",
        ),
        *("3405803783:8443", "0xcb007107:8443", "0313.0.0161.07:8443", "203.0.28935:8443"),
        *("[::ffff:203.0.113.7]:8443", "user@203.0.113.7:8443", "203.0.113.7%00:8443"),
        *("localhost:7443", "[::1]:7443", "home\u3002example:8443"),
    ],
)
def test_another_way_to_write_it_is_another_target(proxy: Proxy, authority: str) -> None:
    assert led_to(proxy, authority) is None


def test_a_name_that_a_request_brings_is_never_looked_up(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing can be rebound: there is no answer of a name server to change."""

    async def main() -> list[str]:
        asked: list[str] = []

        async def resolve(host: str, *_: object, **__: object) -> list[object]:
            asked.append(host)
            return []

        def resolve_at_once(host: str, *_: object, **__: object) -> list[object]:
            asked.append(host)
            return []

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        monkeypatch.setattr("socket.getaddrinfo", resolve_at_once)
        for name in ("rebind.example", "home.example.attacker.example", "localhost"):
            assert led_to(proxy, f"{name}:8443") is None
        return asked

    assert asyncio.run(main()) == []
