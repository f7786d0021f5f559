"""docs/spec/content.md: its examples are what the code computes, its numbers those of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cloister import limits
from cloister.client import binding, channels, duties, own_reading, state, welcomes
from cloister.client.content import (
    CONTENT_VERSION,
    COVER_BYTES,
    Content,
    ContentKind,
    Heads,
    chain_next,
    chain_start,
    decode_content,
)
from cloister.client.mail import open_inbox_item, seal_inbox_item
from cloister.client.records import ChannelKind, InboxItem
from cloister.client.safe_text import MAX_COMBINING_RUN, safe_text
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import DeviceId, InboxId, MemberId
from cloister.roster.device_card import DeviceCard

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/spec/content.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([0-9a-f]{12,}) \|$", PAGE, re.M))
SHOWN = re.findall(r'^\| `(".*")` \| `(".*")` \|$', PAGE, re.M)

HEADS = Heads(log_size=4, log_root=b"\x11" * 32, next_n=7, chain=b"\x22" * 32)
CONTENT = Content(
    version=CONTENT_VERSION,
    message_id=bytes(range(16)),
    counter=3,
    at=1_800_000_000,
    heads=HEADS,
    kind=ContentKind.TEXT,
    body=b"lead is confirmed",
)
CHECKPOINT, CONVERSATION = binding.group_extensions(
    "home.example/5d0c3a7b9e214f86",
    4,
    b"\x11" * 32,
    binding.ConversationInfo(
        kind=ChannelKind.CONVERSATION,
        title="Desk",
        changing=binding.Who.EVERYONE,
        posting=binding.Who.ADMINS,
        admins=(MemberId(b"\xaa" * 16),),
        lifetime_s=86_400,
    ),
)
BINDING = binding.bind_leaf(
    Ed25519Key(Secret(b"\x44" * 32)), DeviceId(b"\x55" * 32), b"\x66" * 32, b"\x77" * 32, 0
)
START = chain_start(b"\x33" * 48)
COMPUTED = {
    "Content": CONTENT.encode(),
    "chain, first of the epoch": START,
    "chain after item 5": chain_next(START, 5, b"envelope"),
    "0xF0C0 checkpoint": CHECKPOINT.data,
    "0xF0C1 device_binding": BINDING.data,
    "0xF0C2 log_key": binding.GroupLogKey(generation=1, key=b"\x88" * 32).encode(),
    "0xF0C3 conversation": CONVERSATION.data,
    "InboxItem before zeros": InboxItem(
        version=1, channel_id=b"\x99" * 16, welcome=b"Welcome"
    ).encode(),
    "body of cover": own_reading.seal(
        own_reading.Positions(positions=(own_reading.Position(channel_id=b"\x99" * 16, read_n=7),)),
        own_reading.reading_key(Secret(b"\xbb" * 32)),
        bytes(12),
        b"\x99" * 16,
        DeviceId(b"\x55" * 32),
    ),
}


def test_the_example_has_every_value() -> None:
    assert set(ROWS) == set(COMPUTED)


@pytest.mark.parametrize("name", COMPUTED)
def test_a_value_is_what_the_code_computes(name: str) -> None:
    assert ROWS[name] == COMPUTED[name].hex()


def test_the_content_decodes_to_what_the_page_says() -> None:
    decoded = decode_content(bytes.fromhex(ROWS["Content"]))
    assert (decoded.counter, decoded.heads.next_n, decoded.body) == (3, 7, b"lead is confirmed")


def test_the_examples_of_safe_text_are_real() -> None:
    assert len(SHOWN) == 5
    for given, shown in SHOWN:
        assert safe_text(ast.literal_eval(given)) == ast.literal_eval(shown)


def test_an_inbox_item_opens_in_its_own_inbox_and_has_a_size_of_envelopes() -> None:
    key = HpkeKey(Secret(b"\x44" * 32))
    card = DeviceCard(
        device_key=Ed25519Key(Secret(b"\x45" * 32)).public,
        hpke_key=key.public,
        inbox_id=InboxId(b"\x46" * 16),
        inbox_key=Ed25519Key(Secret(b"\x47" * 32)).public,
        bot=False,
    )
    sealed = seal_inbox_item(card, b"\x99" * 16, b"Welcome")
    assert len(sealed) in limits.ENVELOPE_SIZES
    item = open_inbox_item(key, card.inbox_id, sealed)
    assert item.encode().hex() == ROWS["InboxItem before zeros"]


def test_extension_types_kinds_and_numbers_are_those_of_the_code() -> None:
    for name, kind in (
        ("checkpoint", binding.CHECKPOINT),
        ("device_binding", binding.DEVICE_BINDING),
        ("log_key", binding.LOG_KEY),
        ("conversation", binding.CONVERSATION),
    ):
        assert f"| 0x{kind:04X} | {name} |" in PAGE
    for one in ContentKind:
        assert f"{one.name.lower()}({one.value})" in PAGE
    said = {
        f"at most {limits.MAX_TEXT_BYTES:,} bytes",
        f"newest {state.CHAIN_WINDOW} values",
        f"up to {channels.MAX_MISSING} lower ones",
        f"adds at most {duties.MAX_BATCH} devices",
        f"Up to {limits.MAX_TREE_IN_WELCOME} leaves",
        f"at most {welcomes.MAX_WAITING} wait",
        f"Position positions<V>; /* at most {own_reading.MAX_POSITIONS} */",
        f"a body of {COVER_BYTES} bytes",
        f"zeros up to {COVER_BYTES - 28} bytes",
        f"{binding.KEY_PACKAGE_LIFETIME_S // 86_400} days after",
    }
    assert {one for one in said if one not in PAGE} == set()
    assert MAX_COMBINING_RUN == 4
    assert "at most four in a row" in PAGE
