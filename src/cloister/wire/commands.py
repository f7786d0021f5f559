"""Requests of a device to its home relay.

Every request starts with ``rid``, which the answer repeats; ``Seen`` has no answer.  Fields are
sent by position: new ones go to the end and need a default.  Ids are bytes of the lengths in
``cloister.ids``; a relay checks lengths before anything else.
"""

from __future__ import annotations

import msgspec


class Request(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="t"
):
    """Base of all requests."""

    rid: int


class Prove(Request, tag=1):
    """Prove the key of a channel's epoch, an inbox or a box (flows D5).  Answer: ``Proved``."""

    kind: int
    object_id: bytes
    epoch: int
    signature: bytes


class Follow(Request, tag=2):
    """Send items of a proven object from ``from_n`` on, and go on sending.  Answer: ``Done``."""

    kind: int
    object_id: bytes
    from_n: int


class Seen(Request, tag=3):
    """The device has stored items up to ``n``: credit for more.  ``rid`` is 0; no answer."""

    kind: int
    object_id: bytes
    n: int


class Put(Request, tag=4):
    """Store an envelope under the current epoch (flows D4).  Answer: ``Done(n)``."""

    channel_id: bytes
    epoch: int
    envelope_id: bytes
    envelope: bytes


class Delivery(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One Welcome that travels with a commit: bytes, or the hash of a staged object."""

    inbox_id: bytes
    item: bytes = b""
    staged: bytes = b""


class Commit(Request, tag=5):
    """End an epoch (flows 4.2).  Compare-and-swap on ``epoch``; one record.  Answer: ``Done(n)``.

    ``next_key`` is pk of epoch + 1 and ``proof`` a proof by its private part for epoch + 1; the
    session has proved ``epoch`` itself before.  ``staged`` names the object when it was staged.
    """

    channel_id: bytes
    epoch: int
    envelope_id: bytes
    envelope: bytes
    next_key: bytes
    proof: bytes
    deliveries: tuple[Delivery, ...] = ()
    staged: bytes = b""
    tree: bytes = b""
    """Hash of the staged, encrypted ratchet tree of epoch + 1; empty when it is in the Welcome."""


class Stage(Request, tag=6):
    """Park part ``index`` of ``count`` of an object under its hash for an hour (flows 4.4)."""

    kind: int
    object_id: bytes
    object_hash: bytes
    index: int
    count: int
    part: bytes


class ReadPart(Request, tag=7):
    """Read part ``index`` of the large item ``n``; index from 0.  Answer: ``Part``."""

    kind: int
    object_id: bytes
    n: int
    index: int


class ReadTree(Request, tag=8):
    """Read part ``index`` of the ratchet tree of the channel's current epoch.  Answer: ``Part``."""

    channel_id: bytes
    index: int


class Begin(Request, tag=9):
    """Bind an activation code to a setup key and learn the origin (flows 3.1).  Answer: ``Begun``."""

    code: bytes
    setup_key: bytes
    signature: bytes


class OpenCircle(Request, tag=10):
    """Found a circle: genesis, commons and the founder's inbox in one transaction; idempotent."""

    code: bytes
    setup_key: bytes
    signature: bytes
    genesis: bytes
    commons_id: bytes
    commons_key: bytes
    inbox_id: bytes
    inbox_key: bytes


class OpenChannel(Request, tag=11):
    """Open a conversation's channel with its key of epoch 0, under the proven commons."""

    commons_id: bytes
    channel_id: bytes
    channel_key: bytes


class OpenInbox(Request, tag=12):
    """Open a newcomer's inbox, under the proven box; one inbox a box."""

    box_id: bytes
    inbox_id: bytes
    inbox_key: bytes


class OpenBox(Request, tag=13):
    """Open the box of an invitation until ``expires`` (s), under the proven commons."""

    commons_id: bytes
    box_id: bytes
    box_key: bytes
    expires: int


class PutBox(Request, tag=14):
    """Put an item into a proven box; equal bytes are stored once.  Answer: ``Done(n)``."""

    box_id: bytes
    item: bytes


class PublishKeyPackages(Request, tag=15):
    """Add key packages to the pool of a proven inbox.  Answer: ``Done(size of the pool)``."""

    inbox_id: bytes
    packages: tuple[bytes, ...]


class TakeKeyPackage(Request, tag=16):
    """Take one key package of an inbox, for good, under the proven commons.  Answer: ``Package``."""

    commons_id: bytes
    inbox_id: bytes


class Append(Request, tag=17):
    """Append an entry at ``expected`` (flows 2).  Sealed: under the proven commons; readable: on
    its own signatures.  Answer: ``Done(seq)``, or ``MOVED`` with the size."""

    origin: str
    expected: int
    entry: bytes


class ReadLog(Request, tag=18):
    """Read entries from ``from_seq``, as far as the proof allows.  Answer: ``Entries``."""

    origin: str
    from_seq: int


class ReadHead(Request, tag=19):
    """Read the newest checkpoint with its signatures, under the commons or a box.  Answer: ``Head``."""

    origin: str


class ReadProof(Request, tag=20):
    """Read a consistency proof between two sizes, under the commons or a box.  Answer: ``Proof``."""

    origin: str
    old_size: int
    new_size: int


class FollowLog(Request, tag=21):
    """Push new entries and checkpoints from ``from_seq`` on (``Logged``, ``Head`` with rid 0)."""

    origin: str
    from_seq: int


class Ping(Request, tag=22):
    """Keep the connection, learn that it works.  Answer: ``Done(relay's time, s)``."""


AnyRequest = (
    Prove
    | Follow
    | Seen
    | Put
    | Commit
    | Stage
    | ReadPart
    | ReadTree
    | Begin
    | OpenCircle
    | OpenChannel
    | OpenInbox
    | OpenBox
    | PutBox
    | PublishKeyPackages
    | TakeKeyPackage
    | Append
    | ReadLog
    | ReadHead
    | ReadProof
    | FollowLog
    | Ping
)
