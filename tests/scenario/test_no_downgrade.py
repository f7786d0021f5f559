"""There is one cipher suite, and nobody can talk a device into another (S9).

What a device publishes is of that suite, so no Welcome of another fits; and what it is given to
add others by is refused in any other, before anything else is looked at.
"""

from __future__ import annotations

import asyncio

import pytest

from cloister import mls
from cloister.client.binding import SUITE
from cloister.client.checking import PackageError, check_package, roster_of
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.commands import AnyRequest, PublishKeyPackages

OTHERS = [int(one) for one in mls.CipherSuite if one != SUITE] + [0, 0x0A0A, 0xFFFF]


async def founder_and_packages() -> tuple[SimulatedDevice, SimulatedDevice, list[bytes], int]:
    """A founder, somebody who has come in, and what that device has published."""
    circle, packages = SimulatedCircle(), list[bytes]()
    founder = await circle.found("Ada")
    add = circle.add

    def watched(name: str) -> SimulatedDevice:
        device = add(name)

        def note(request: AnyRequest) -> tuple[AnyRequest, ...]:
            if isinstance(request, PublishKeyPackages):
                packages.extend(request.packages)
            return (request,)

        device.hinder = note
        return device

    vars(circle)["add"] = watched
    other = await circle.admit("Ben", founder, [founder])
    return founder, other, packages, circle.now


@pytest.fixture(scope="module")
def published() -> tuple[SimulatedDevice, SimulatedDevice, list[bytes], int]:
    return asyncio.run(founder_and_packages())


def test_what_a_device_publishes_is_of_the_one_suite(
    published: tuple[SimulatedDevice, SimulatedDevice, list[bytes], int],
) -> None:
    _, _, packages, _ = published
    assert packages
    assert {mls.KeyPackage.decode(one).cipher_suite for one in packages} == {SUITE}


@pytest.mark.parametrize("suite", OTHERS)
def test_nobody_is_added_by_a_key_package_of_another_suite(
    published: tuple[SimulatedDevice, SimulatedDevice, list[bytes], int], suite: int
) -> None:
    founder, other, packages, now = published
    roster = roster_of(founder.core.state)
    identity = other.core.state.identity
    assert identity is not None
    record = next(one for one in roster.devices.values() if one.card.inbox_id == identity.inbox_id)
    check_package(packages[0], record, roster.circle_id, now)
    version, rest = packages[0][:2], packages[0][4:]
    assert packages[0][2:4] == int(SUITE).to_bytes(2, "big")
    changed = version + suite.to_bytes(2, "big") + rest
    with pytest.raises(PackageError, match="another cipher suite"):
        check_package(changed, record, roster.circle_id, now)
