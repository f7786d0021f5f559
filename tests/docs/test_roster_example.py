"""docs/spec/roster.md and invitation.md: their examples are what the code computes."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId, InboxId, MemberId
from cloister.roster.content import (
    Acquaintance,
    Approve,
    Invite,
    InviteKind,
    Leave,
    RemovalKind,
    Remove,
    Role,
    Tick,
    Vouch,
)
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import Entry, SealedContent, SealedType, open_sealed, seal_entry
from cloister.roster.genesis import commons_commitment_of
from cloister.roster.invitation import (
    InvitationCode,
    InvitationSeed,
    parse_invitation,
    parse_typed_seed,
    typed_seed,
)
from cloister.roster.join_request import fingerprint, make_join_request
from cloister.roster.log_keys import (
    log_key_commitment,
    make_log_key,
    next_log_key,
    unwrap_previous,
)
from cloister.roster.policy import default_policy

ROOT = Path(__file__).resolve().parents[2]
ROSTER = (ROOT / "docs/spec/roster.md").read_text(encoding="utf-8")
INVITATION = (ROOT / "docs/spec/invitation.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| `?([^|`]+)`? \|$", re.MULTILINE)


class Counting:
    """Entropy for examples: the bytes 00, 01, 02 and so on, from 00 again at each call."""

    def random(self, n: int) -> bytes:
        """The first ``n`` of them."""
        return bytes(index % 256 for index in range(n))


def repeated(byte: int, length: int = 32) -> bytes:
    """``length`` equal bytes."""
    return bytes([byte]) * length


DEVICE_KEY = Ed25519Key(Secret(repeated(0x01)))
CARD = DeviceCard(
    device_key=DEVICE_KEY.public,
    hpke_key=HpkeKey(Secret(repeated(0x02))).public,
    inbox_id=InboxId(repeated(0x03, 16)),
    inbox_key=Ed25519Key(Secret(repeated(0x04))).public,
    bot=False,
)
CIRCLE_ID = CircleId(repeated(0x05))
ROOT_HASH = repeated(0x06)
LOG_KEY = Secret(repeated(0x07))
EXPORTED = Secret(repeated(0x08))
NEXT_KEY = next_log_key(1, EXPORTED, LOG_KEY)
SEED = InvitationSeed(Secret(repeated(0x09, 16)))
REQUEST = make_join_request(
    circle_id=CIRCLE_ID,
    inv_key=SEED.inv_key,
    member_id=MemberId(repeated(0x0A, 16)),
    device=CARD,
    device_key=DEVICE_KEY,
    name="Ada",
    seen_size=7,
    seen_root=ROOT_HASH,
)
INVITE = Invite(
    inv_key=SEED.inv_key.public,
    box_id=SEED.box_id,
    box_seed=SEED.box_key.seed.expose(),
    invite_hpke_seed=repeated(0x0B),
    kind=InviteKind.MEMBER,
    role=Role.MEMBER,
    expires=1_800_604_800,
    subject=None,
)
LOG_KEY_CONTENT = make_log_key(1, exported=EXPORTED, previous=LOG_KEY, entropy=Counting())
VOUCH = Vouch(request_hash=REQUEST.request_hash, how=Acquaintance.MET)
ENTRY = seal_entry(
    SealedType.VOUCH,
    VOUCH.encode(),
    author=CARD.did,
    device_key=DEVICE_KEY,
    circle_id=CIRCLE_ID,
    seq=7,
    root=ROOT_HASH,
    ts=1_800_000_000,
    generation=0,
    log_key=LOG_KEY,
    entropy=Counting(),
)
SEALED = open_sealed(Entry.decode(ENTRY), LOG_KEY)
CODE = InvitationCode(
    circle_id=CIRCLE_ID,
    size=7,
    root=ROOT_HASH,
    seed=SEED,
    expires=1_800_604_800,
    entry_host="entry.example",
    entry_port=443,
    home_host="home.example",
    home_port=8443,
)

IN_ROSTER = {
    "SHA-256 of the device card": sha256(CARD.encode()).hex(),
    "did": CARD.did.hex(),
    "default policy": default_policy().encode().hex(),
    "commons commitment": commons_commitment_of(ChannelId(repeated(0x0C, 16))).hex(),
    "commitment of LK_0": log_key_commitment(LOG_KEY).hex(),
    "LK_1": NEXT_KEY.expose().hex(),
    "content, log_key": LOG_KEY_CONTENT.encode().hex(),
    "content, invite": INVITE.encode().hex(),
    "content, vouch": VOUCH.encode().hex(),
    "content, remove": Remove(
        kind=RemovalKind.DEPARTURE, since=0, member_id=MemberId(repeated(0x0A, 16)), reason="gone"
    )
    .encode()
    .hex(),
    "content, approve": Approve(entry_hash=sha256(ENTRY)).encode().hex(),
    "content, leave": Leave().encode().hex() or "(no bytes)",
    "content, tick": Tick().encode().hex() or "(no bytes)",
    "header": Entry.decode(ENTRY).header.encode().hex(),
    "signature": SEALED.signature.hex(),
    "sealed content": SealedContent.encode(SEALED).hex(),
    "entry": ENTRY.hex(),
    "entry hash": sha256(ENTRY).hex(),
}
IN_INVITATION = {
    "box id": SEED.box_id.hex(),
    "box key, private": SEED.box_key.seed.expose().hex(),
    "box key, public": SEED.box_key.public.hex(),
    "inv key, public": SEED.inv_key.public.hex(),
    "letter key": SEED.letter_key.expose().hex(),
    "invite id": SEED.invite_id.hex(),
    "typed seed": typed_seed(SEED),
    "code": CODE.to_text(),
    "SHA-256 of the request": sha256(REQUEST.encode()).hex(),
    "inv signature": REQUEST.inv_signature.hex(),
    "device signature": REQUEST.device_signature.hex(),
    "request hash": REQUEST.request_hash.hex(),
    "fingerprint": fingerprint(REQUEST),
}


def example_of(page: str) -> dict[str, str]:
    """The table of the worked example."""
    return dict(ROW.findall(page.split("Worked example\n")[1]))


def test_roster_page_shows_these_bytes() -> None:
    assert example_of(ROSTER) == {"value": "bytes", "---": "---"} | IN_ROSTER


def test_invitation_page_shows_these_bytes() -> None:
    assert example_of(INVITATION) == {"value": "bytes or text", "---": "---"} | IN_INVITATION


def test_example_reads_back() -> None:
    assert SEALED.type == SealedType.VOUCH
    assert Vouch.decode(SEALED.content) == VOUCH
    assert unwrap_previous(LOG_KEY_CONTENT, NEXT_KEY) == LOG_KEY
    assert parse_invitation(CODE.to_text(), now=1_800_000_000) == CODE
    assert parse_typed_seed(typed_seed(SEED)).seed == SEED.seed
