"""How MLS groups are tied to the roster log (flows 1 and 4.1: C1, C2).

Four private-use extensions.  The checkpoint sits in the GroupContext, so that two views of the
log are two epochs and nothing decrypts across them.  The device binding sits in every leaf: MLS
signs with a key of its own in each group, and the device key signs that key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final

from cloister import mls
from cloister.client.records import ChannelKind
from cloister.client.safe_text import safe_line
from cloister.codec import (
    DecodeError,
    Struct,
    enum8,
    fixed,
    layout,
    text,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.errors import BadSignature
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.errors import RemoteError, TrustError
from cloister.ids import DeviceId, MemberId
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.fields import DEVICE_ID, MEMBER_ID

SUITE: Final = mls.CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519
"""The only suite of the product: no fallback, changed only by a new group (notes-mls 8.31)."""

CHECKPOINT: Final = 0xF0C0
DEVICE_BINDING: Final = 0xF0C1
LOG_KEY: Final = 0xF0C2
CONVERSATION: Final = 0xF0C3
SUPPORTED_EXTENSIONS: Final = (CHECKPOINT, DEVICE_BINDING, LOG_KEY, CONVERSATION)
"""All in the private-use range of RFC 9420 17.3."""

BINDING_LABEL: Final = b"LeafBinding"
"""The device key signs other things too (entries, knocks): the label keeps them apart."""
LOG_KEY_LABEL: Final = "cloister log key v1"
"""MLS exporter label of the log key of the generation that a removal starts (flows 2)."""
KEY_PACKAGE_LIFETIME_S: Final = 80 * 86_400
MAX_ADMINS: Final = 64
"""Admins of a conversation, 1 KiB of every commit; where more should rule, everybody may."""
MIN_LIFETIME_S: Final = 60
MAX_LIFETIME_S: Final = 366 * 86_400
"""How long a text may be kept after it was read: long enough to read it to its end."""
CLOCK_MARGIN_S: Final = 86_400
"""A key package is valid from a day before it was made: clocks differ."""


class BindingError(RemoteError):
    """A leaf, checkpoint or GroupInfo does not fit the roster."""


class SplitView(TrustError):
    """Two devices were shown two histories of the circle's log."""


@layout
class Checkpoint(Struct):
    """GroupContext extension: the head of the log on which this epoch stands."""

    origin: str = text(256)
    size: int = uint64()
    root: bytes = fixed(32)


class Who(IntEnum):
    """Who may do something in a conversation."""

    EVERYONE = 1
    ADMINS = 2


@layout
class ConversationInfo(Struct):
    """GroupContext extension: what the group is and who may do what in it (``rights``).

    ``changing``: who brings members in, takes them out and gives the name; ``posting``: whose
    texts are shown.  ``admins`` ascend, each once.  That of the commons never changes.
    """

    kind: ChannelKind = enum8(ChannelKind)
    title: str = text(MAX_NAME_BYTES)
    changing: Who = enum8(Who)
    posting: Who = enum8(Who)
    admins: tuple[MemberId, ...] = vector(MEMBER_ID, max_items=MAX_ADMINS)
    lifetime_s: int = uint32()
    """How long a device keeps a text after it was read there; 0: for good (``lifetimes``)."""

    @property
    def shown_title(self) -> str:
        """What a member called it, safe to show and no longer than a title may be."""
        return safe_line(self.title).encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")


COMMONS_INFO: Final = ConversationInfo(
    kind=ChannelKind.COMMONS,
    title="",
    changing=Who.EVERYONE,
    posting=Who.EVERYONE,
    admins=(),
    lifetime_s=0,
)
"""Of every commons: its members are the circle's, and all of them talk there."""


@layout
class GroupLogKey(Struct):
    """GroupInfo extension: the newest log key, for newcomers of the commons."""

    generation: int = uint32()
    key: bytes = fixed(32)


@layout
class DeviceBinding(Struct):
    """Leaf extension: the device key's signature over the leaf's key; ``knock`` as in flows 3.7."""

    did: DeviceId = DEVICE_ID
    knock: int = uint64()
    signature: bytes = fixed(64)


@layout
class _BindingContent(Struct):
    circle_id: bytes = fixed(32)
    leaf_key: bytes = fixed(32)
    knock: int = uint64()


def bind_leaf(
    device_key: Ed25519Key, did: DeviceId, circle_id: bytes, leaf_key: bytes, knock: int
) -> mls.Extension:
    """Make the leaf extension for a leaf signature key of 32 bytes."""
    content = _BindingContent(circle_id=circle_id, leaf_key=leaf_key, knock=knock).encode()
    signature = device_key.sign(BINDING_LABEL, content)
    binding = DeviceBinding(did=did, knock=knock, signature=signature)
    return mls.Extension(extension_type=DEVICE_BINDING, data=binding.encode())


def device_of_leaf(leaf: mls.LeafNode) -> DeviceBinding:
    """Read the binding of a leaf, not yet verified.  Raises ``BindingError``."""
    data = find_extension(leaf.extensions, DEVICE_BINDING)
    if data is None:
        raise BindingError("a leaf names no device")
    try:
        binding = DeviceBinding.decode(data)
    except DecodeError as error:
        raise BindingError(f"a leaf's device binding is malformed: {error}") from None
    if mls.basic_credential(binding.did) != leaf.credential:
        raise BindingError("a leaf's credential is of another device than its binding")
    return binding


_DIDS_KEPT: Final = 256
_dids: dict[bytes, Mapping[int, DeviceId]] = {}


def dids_of(group: mls.Group) -> Mapping[int, DeviceId]:
    """Return leaf index -> did for every member of a group that has been checked.

    Kept for the groups used last: it is asked on every input, and a leaf never changes within an
    epoch, which its authenticator names.
    """
    key = group.epoch_authenticator
    known = _dids.get(key)
    if known is None:
        if len(_dids) >= _DIDS_KEPT:
            _dids.pop(next(iter(_dids)))
        known = {one.leaf_index: device_of_leaf(one.leaf).did for one in group.members()}
        _dids[key] = known
    return known


def check_leaf(leaf: mls.LeafNode, circle_id: bytes, device_key: bytes) -> None:
    """Verify a leaf against the device key that the roster has for its did.

    Raises ``BindingError``.
    """
    binding = device_of_leaf(leaf)
    content = _BindingContent(
        circle_id=circle_id, leaf_key=leaf.signature_key, knock=binding.knock
    ).encode()
    try:
        verify_ed25519(device_key, BINDING_LABEL, content, binding.signature)
    except BadSignature:
        raise BindingError("a leaf's key was not signed by its device") from None


def find_extension(extensions: Sequence[mls.Extension], kind: int) -> bytes | None:
    """Return the data of the extension of that type, or ``None``."""
    for extension in extensions:
        if extension.extension_type == kind:
            return extension.data
    return None


def checkpoint_of(extensions: Sequence[mls.Extension]) -> Checkpoint:
    """Read the checkpoint of a GroupContext.  Raises ``BindingError``."""
    data = find_extension(extensions, CHECKPOINT)
    if data is None:
        raise BindingError("the group carries no checkpoint")
    try:
        return Checkpoint.decode(data)
    except DecodeError as error:
        raise BindingError(f"the group's checkpoint is malformed: {error}") from None


def conversation_of(extensions: Sequence[mls.Extension]) -> ConversationInfo:
    """Read what the group is, one form for one meaning.  Raises ``BindingError``."""
    data = find_extension(extensions, CONVERSATION)
    if data is None:
        raise BindingError("the group does not say what it is")
    return _conversation(data)


@lru_cache(maxsize=256)  # asked on every input, of every group
def _conversation(data: bytes) -> ConversationInfo:
    try:
        info = ConversationInfo.decode(data)
    except DecodeError as error:
        raise BindingError(f"the group's description is malformed: {error}") from None
    if info.kind is ChannelKind.COMMONS and info != COMMONS_INFO:
        raise BindingError("the commons is described as something else")
    if info.lifetime_s and not MIN_LIFETIME_S <= info.lifetime_s <= MAX_LIFETIME_S:
        raise BindingError("the texts of a conversation are kept for too short or too long")
    if info.kind is ChannelKind.CONVERSATION and not info.admins:
        raise BindingError("a conversation has no admin")
    if info.admins != tuple(sorted(set(info.admins))):
        raise BindingError("the admins of a conversation are not in order, or twice")
    return info


def group_extensions(
    origin: str, size: int, root: bytes, info: ConversationInfo
) -> tuple[mls.Extension, ...]:
    """Make the extensions of a GroupContext, always these two in this order."""
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    return (
        mls.Extension(extension_type=CHECKPOINT, data=checkpoint.encode()),
        mls.Extension(extension_type=CONVERSATION, data=info.encode()),
    )


def key_package_lifetime(now: int) -> mls.Lifetime:
    """Lifetime of a leaf made now, s since the Unix epoch."""
    return mls.Lifetime(
        not_before=max(now - CLOCK_MARGIN_S, 0), not_after=now + KEY_PACKAGE_LIFETIME_S
    )
