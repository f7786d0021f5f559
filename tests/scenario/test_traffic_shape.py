"""What leaves a device has one of few sizes, whatever people are called and write (S7).

Every request of real cores is encoded as it goes over the wire, with its numbers at 0: in
MessagePack they are one to nine bytes long, as they are large.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import msgspec

from cloister.client.inputs import (
    ChangeConversation,
    OpenConversation,
    SendText,
    SetReceipts,
)
from cloister.limits import ENVELOPE_SIZES, MAX_TEXT_BYTES
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.commands import Commit, Put
from cloister.wire.frame import encode_message

SHORT, LONG = "Bo", "Wilhelmina Featherstonehaugh-Cholmondeley of Kirkcudbrightshire"
TITLES = ("D", "A desk whose name takes all the room that there is for one")
AROUND_PUT = len(encode_message(Put(0, bytes(16), 0, bytes(16), bytes(1024)))) - 1024

JOINING = ("Prove", "PutBox", "OpenInbox", "PublishKeyPackages", "Follow", "ReadLog", "ReadHead")
TALKING = ("Prove", "Put", "OpenChannel", "Follow", "PublishKeyPackages")
"""What a device asks whoever does the duties: those go to whom they fall, and a commit with two
Welcomes is longer than one with none."""

Sizes = dict[str, set[int]]


def plain(message: Any) -> Any:
    """The same message with its numbers at 0."""
    if isinstance(message, msgspec.Struct):
        fields = {one: plain(getattr(message, one)) for one in message.__struct_fields__}
        return msgspec.structs.replace(message, **fields)
    if isinstance(message, tuple):
        return tuple(plain(one) for one in message)
    return 0 if isinstance(message, int) else message


def watch(device: SimulatedDevice, requests: list[Any]) -> None:
    def note(request: Any) -> tuple[Any, ...]:
        requests.append(request)
        return (request,)

    device.hinder = note


def sizes_of(requests: list[Any], kinds: tuple[str, ...]) -> Sizes:
    sizes: Sizes = defaultdict(set)
    for request in requests:
        if type(request).__name__ in kinds:
            sizes[type(request).__name__].add(len(encode_message(plain(request))))
    return dict(sizes)


async def two_newcomers() -> tuple[SimulatedCircle, dict[str, list[Any]]]:
    circle = SimulatedCircle()
    founder = await circle.found("Ada")
    asked: dict[str, list[Any]] = {}
    add = circle.add

    def watched(name: str) -> SimulatedDevice:
        device = add(name)
        watch(device, asked.setdefault(name, []))
        return device

    vars(circle)["add"] = watched
    for name in (SHORT, LONG):
        await circle.admit(name, founder, [founder])
    watch(founder, asked.setdefault("Ada", []))
    return circle, asked


async def talk(
    circle: SimulatedCircle, asked: dict[str, list[Any]], title: str, texts: list[str]
) -> Sizes:
    """Open a conversation, talk, rename it; return the sizes of all that was asked meanwhile."""
    ada, short, _ = circle.devices
    for requests in asked.values():
        requests.clear()
    members = (SHORT, LONG)
    await circle.act(ada, OpenConversation(ref=circle.ref(), title=title, members=members))
    for text in texts:
        for device in circle.devices:
            device.feed(SendText(ref=circle.ref(), conversation=title, text=text))
        await circle.settle()
    await circle.act(short, SetReceipts(ref=circle.ref(), conversation=title, level=2))
    ada.feed(SendText(ref=circle.ref(), conversation=title, text=texts[0]))
    circle.now += 100
    await circle.settle()
    await circle.act(
        ada, ChangeConversation(ref=circle.ref(), conversation=title, title=title[:-1] + "x")
    )
    # The updates that newcomers make within ten minutes.
    circle.now += 700
    await circle.settle()
    return sizes_of([request for requests in asked.values() for request in requests], TALKING)


def test_sizes_tell_neither_names_nor_titles_nor_texts() -> None:
    async def story() -> None:
        circle, asked = await two_newcomers()
        joined = sizes_of(asked[SHORT], JOINING)
        assert set(joined) == set(JOINING)
        assert joined == sizes_of(asked[LONG], JOINING)
        first = await talk(circle, asked, TITLES[0], ["x", "y" * 2_000, "z" * 6_000])
        second = await talk(circle, asked, TITLES[1], ["w" * 250, "v" * 3_000, "u" * 12_000])
        assert first == second
        envelopes = {AROUND_PUT + size for size in ENVELOPE_SIZES}
        assert first["Put"] == {AROUND_PUT + size for size in ENVELOPE_SIZES[:3]} <= envelopes
        assert set(first) >= {"Put", "OpenChannel", "Prove"}

    asyncio.run(story())


def test_every_envelope_of_a_life_has_one_of_five_sizes() -> None:
    """Texts of every length, cover, receipts, commits and the Welcomes in them."""

    async def story() -> None:
        circle, asked = await two_newcomers()
        ada, short, _ = circle.devices
        await circle.act(
            ada, OpenConversation(ref=circle.ref(), title="Desk", members=(SHORT, LONG))
        )
        await circle.act(short, SetReceipts(ref=circle.ref(), conversation="Desk", level=1))
        lengths = [*range(1, 700, 23), *range(700, MAX_TEXT_BYTES, 997), MAX_TEXT_BYTES]
        for length in lengths:
            ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="x" * length))
        circle.now += 100
        await circle.settle()
        # The updates that newcomers make within ten minutes.
        circle.now += 700
        await circle.settle()
        requests = [request for some in asked.values() for request in some]
        puts = {len(one.envelope) for one in requests if isinstance(one, Put)}
        commits = [one for one in requests if isinstance(one, Commit)]
        mail = {len(given.item) for one in commits for given in one.deliveries}
        assert puts == set(ENVELOPE_SIZES[:3])
        assert {len(one.envelope) for one in commits} | mail <= set(ENVELOPE_SIZES)
        assert len(commits) >= 2
        assert mail

    asyncio.run(story())
