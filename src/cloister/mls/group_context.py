"""The group context: what all members agree on in an epoch (RFC 9420 section 8.1)."""

from __future__ import annotations

from cloister.codec import CachedStruct, layout, opaque, uint16, uint64, vector
from cloister.mls.extension import Extension
from cloister.mls.limits import MAX_EXTENSIONS


@layout
class GroupContext(CachedStruct):
    """struct { version; cipher_suite; group_id<V>; epoch; tree_hash<V>;
    confirmed_transcript_hash<V>; extensions<V>; } GroupContext"""

    version: int = uint16()
    cipher_suite: int = uint16()
    group_id: bytes = opaque()
    epoch: int = uint64()
    tree_hash: bytes = opaque()
    confirmed_transcript_hash: bytes = opaque()
    extensions: tuple[Extension, ...] = vector(Extension, max_items=MAX_EXTENSIONS)
