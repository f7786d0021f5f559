"""Requests of a device to its home relay.

Every request starts with ``rid``, which the answer repeats; ``Seen`` has no answer.  Fields are
sent by position: new ones go to the end and need a default.  Lengths and ranges stand in the types
and are checked by the decoder, before anything else looks at a request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from cloister.limits import (
    MAX_KEY_PACKAGES,
    MAX_NEWCOMERS_PER_COMMIT,
    MAX_PARTS,
)
from cloister.wire.adopting import AdoptCircle, AdoptEntries, AskTickets
from cloister.wire.request import (
    MAX_HYBRID_SIGNATURE_BYTES,
    MAX_ORDER_BYTES,
    BoxItem,
    Code,
    Entry,
    Envelope,
    Hash,
    Index,
    Key,
    Kind,
    OptionalHash,
    Origin,
    Package,
    Part,
    Request,
    ShortId,
    Signature,
    Uint,
)


class Prove(Request, frozen=True, tag=1):
    """Prove the key of a channel's epoch, an inbox or a box (flows D5).  Answer: ``Proved``."""

    kind: Kind
    object_id: ShortId
    epoch: Uint
    signature: Signature


class Follow(Request, frozen=True, tag=2):
    """Send items of a proven object from ``from_n`` on, and go on sending.  Answer: ``Done``."""

    kind: Kind
    object_id: ShortId
    from_n: Uint


class Seen(Request, frozen=True, tag=3):
    """The device has stored items up to ``n``: credit for more.  ``rid`` is 0; no answer."""

    kind: Kind
    object_id: ShortId
    n: Uint


class Put(Request, frozen=True, tag=4):
    """Store an envelope under the current epoch (flows D4).  Answer: ``Done(n)``."""

    channel_id: ShortId
    epoch: Uint
    envelope_id: ShortId
    envelope: Envelope


class Delivery(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One Welcome that travels with a commit: bytes, or the hash of a staged object."""

    inbox_id: ShortId
    item: Envelope = b""
    staged: OptionalHash = b""


class Commit(Request, frozen=True, tag=5):
    """End an epoch (flows 4.2).  Compare-and-swap on ``epoch``; one record.  Answer: ``Done(n)``.

    ``next_key`` is pk of epoch + 1 and ``proof`` a proof by its private part for epoch + 1; the
    session has proved ``epoch`` itself before.  ``staged`` names the object when it was staged.
    """

    channel_id: ShortId
    epoch: Uint
    envelope_id: ShortId
    envelope: Envelope
    next_key: Key
    proof: Signature
    deliveries: Annotated[
        tuple[Delivery, ...], msgspec.Meta(max_length=MAX_NEWCOMERS_PER_COMMIT)
    ] = ()
    staged: OptionalHash = b""
    tree: OptionalHash = b""
    """Hash of the staged, encrypted ratchet tree of epoch + 1; empty when it is in the Welcome."""


class Stage(Request, frozen=True, tag=6):
    """Park part ``index`` of ``count`` of an object under its hash for an hour (flows 4.4)."""

    kind: Kind
    object_id: ShortId
    object_hash: Hash
    index: Index
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)]
    part: Part


class ReadPart(Request, frozen=True, tag=7):
    """Read part ``index`` of the large item ``n``; index from 0.  Answer: ``Part``."""

    kind: Kind
    object_id: ShortId
    n: Uint
    index: Index


class ReadTree(Request, frozen=True, tag=8):
    """Read part ``index`` of the ratchet tree of the channel's proven epoch.  Answer: ``Part``."""

    channel_id: ShortId
    index: Index


class Begin(Request, frozen=True, tag=9):
    """Bind an activation code to a setup key; learn the origin (flows 3.1).  Answer: ``Begun``."""

    code: Code
    setup_key: Key
    signature: Signature
    relays: Annotated[tuple[Key, ...], msgspec.Meta(max_length=3)] = ()
    """Ids of the relays at which the founder's device will enrol: tickets for these."""


class OpenCircle(Request, frozen=True, tag=10):
    """Found a circle: genesis, commons and the founder's inbox in one transaction; idempotent."""

    code: Code
    setup_key: Key
    signature: Signature
    genesis: Entry
    commons_id: ShortId
    commons_key: Key
    inbox_id: ShortId
    inbox_key: Key


class OpenChannel(Request, frozen=True, tag=11):
    """Open a conversation's channel under the proven commons: with its key of epoch 0, or, at a
    new home, with the key of the epoch it is in and the index where it goes on."""

    commons_id: ShortId
    channel_id: ShortId
    channel_key: Key
    epoch: Uint = 0
    first_n: Uint = 0


class OpenInbox(Request, frozen=True, tag=12):
    """Open a newcomer's inbox, under the proven box; one inbox a box."""

    box_id: ShortId
    inbox_id: ShortId
    inbox_key: Key


class OpenBox(Request, frozen=True, tag=13):
    """Open the box of an invitation until ``expires`` (s), under the proven commons, and reserve a
    seat as long.  Answer: ``Opened`` with tickets for the box's key; the same again, other
    tickets: ``NO_SEAT`` when every seat of the account is taken."""

    commons_id: ShortId
    box_id: ShortId
    box_key: Key
    expires: Uint


class PutBox(Request, frozen=True, tag=14):
    """Put an item into a proven box; equal bytes are stored once.  Answer: ``Done(n)``."""

    box_id: ShortId
    item: BoxItem


class PublishKeyPackages(Request, frozen=True, tag=15):
    """Add key packages to the pool of a proven inbox.  Answer: ``Done(size of the pool)``."""

    inbox_id: ShortId
    packages: Annotated[tuple[Package, ...], msgspec.Meta(max_length=MAX_KEY_PACKAGES)]


class TakeKeyPackage(Request, frozen=True, tag=16):
    """Take a key package of an inbox, for good, under the proven commons.  Answer: ``Package``."""

    commons_id: ShortId
    inbox_id: ShortId


class Append(Request, frozen=True, tag=17):
    """Append an entry at ``expected`` (flows 2).  Sealed: under the proven commons; readable: on
    its own signatures.  Answer: ``Done(seq)``, or ``MOVED`` with the size."""

    origin: Origin
    expected: Uint
    entry: Entry


class ReadLog(Request, frozen=True, tag=18):
    """Read entries from ``from_seq``, as far as the proof allows.  Answer: ``Entries``."""

    origin: Origin
    from_seq: Uint


class ReadHead(Request, frozen=True, tag=19):
    """Read the newest checkpoint, all signatures, under the commons or a box.  Answer: ``Head``."""

    origin: Origin


class ReadProof(Request, frozen=True, tag=20):
    """Read a consistency proof of two sizes, under the commons or a box.  Answer: ``Proof``."""

    origin: Origin
    old_size: Uint
    new_size: Uint


class FollowLog(Request, frozen=True, tag=21):
    """Push new entries and checkpoints from ``from_seq`` on (``Logged``, ``Head`` with rid 0)."""

    origin: Origin
    from_seq: Uint


class Ping(Request, frozen=True, tag=22):
    """Keep the connection, learn that it works.  Answer: ``Done(relay's time, s)``."""


class Enrol(Request, frozen=True, tag=23):
    """Put a share's keys under a fresh handle (flows 5.1).  Answer: ``Enrolled``.

    ``ticket`` is an encoded ticket of the home; ``signature`` is by the ticket's key
    (``auth.EnrolContent``).  The same ticket with the same keys again gets the same answer."""

    ticket: Annotated[bytes, msgspec.Meta(min_length=1, max_length=4096)]
    unlock_key: Key
    confirm_key: Key
    owner_key: Key
    bind: Hash
    signature: Signature


class Evaluate(Request, frozen=True, tag=24):
    """Evaluate the OPRF of a share at one blinded element.  Answer: ``Evaluated``.

    A try is used up durably before anything is evaluated.  ``signature`` is by the unlock key
    (``auth.ShareContent``, act EVALUATE, with the blinded element)."""

    handle: ShortId
    generation: Uint
    blinded: Key
    signature: Signature


class Confirm(Request, frozen=True, tag=25):
    """The vault opened: give the tries back.  Answer: ``Done(tries left)``.

    ``signature`` is by the confirm key, which only the open vault has (act CONFIRM)."""

    handle: ShortId
    generation: Uint
    signature: Signature


class NextGeneration(Request, frozen=True, tag=26):
    """Make the scalar of ``generation``, one above the newest; the one before stays, until it is
    dropped.  Answer: ``Done(generation)``.  ``signature`` is by the confirm key (act NEXT)."""

    handle: ShortId
    generation: Uint
    signature: Signature


class DropGeneration(Request, frozen=True, tag=27):
    """Destroy the scalars before ``generation``.  Answer: ``Done``.  ``signature`` is by the
    confirm key (act DROP)."""

    handle: ShortId
    generation: Uint
    signature: Signature


class Order(Request, frozen=True, tag=28):
    """Lock shares on receipt: an encoded ``SignedLock`` of a steward or the owner (flows 5.2).
    Answer: ``Done(number of shares of this relay that are locked by it)``."""

    order: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ORDER_BYTES)]


class ReadErasure(Request, frozen=True, tag=29):
    """How far an erase of a handle has come.  Answer: ``Erasure``."""

    handle: ShortId
    order_hash: Hash


class EnrolAgain(Request, frozen=True, tag=35):
    """Put a share's keys back under the handle of a receipt of this relay, which was restored from
    a backup of before the enrolment.  Answer: ``Done``; the share has no scalar then, until
    ``NextGeneration`` makes one.

    ``receipt`` is the encoded ``ShareReceipt``; the two signatures are by its unlock key, which
    lies beside the vault, and its owner key, which only open vaults of the member have (act
    ENROL_AGAIN).  The same again gets the same answer."""

    receipt: Annotated[bytes, msgspec.Meta(min_length=1, max_length=4096)]
    confirm_key: Key
    unlock_signature: Signature
    owner_signature: Signature


class ReadSeats(Request, frozen=True, tag=30):
    """Read the terms of the circle's seats, under the proven commons.  Answer: ``Seats``."""

    commons_id: ShortId


class ProveSteward(Request, frozen=True, tag=31):
    """Prove a steward's key: opens the whole log of the circle for reading and following, and
    nothing else (flows 2).  For a commons that nobody honest can prove.  Answer: ``Done``.

    ``signature`` is an encoded ``HybridSignature`` (``auth.StewardContent``)."""

    origin: Origin
    key_id: Key
    signature: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_HYBRID_SIGNATURE_BYTES)]


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
    | Enrol
    | Evaluate
    | Confirm
    | NextGeneration
    | DropGeneration
    | Order
    | ReadErasure
    | EnrolAgain
    | ReadSeats
    | ProveSteward
    | AdoptEntries
    | AdoptCircle
    | AskTickets
)
