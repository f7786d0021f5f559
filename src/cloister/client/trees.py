"""Ratchet trees of large groups: sealed, staged in parts, read by those who join (flows 4.4).

Up to ``MAX_TREE_IN_WELCOME`` leaves the tree travels inside the Welcome.  Beyond, the committer
stages it at the relay under the channel, sealed with a key that the new epoch exports; whoever
joins derives that key from the Welcome, reads the parts and checks the tree's hash.
"""

from __future__ import annotations

from typing import Final, Protocol

from cloister import mls
from cloister.client.binding import find_extension
from cloister.client.linking import on_common_refusal, prove_welcome
from cloister.client.state import Purpose, Work, with_item, without
from cloister.client.turn import Turn
from cloister.codec import DecodeError, Reader, encode_opaque
from cloister.crypto.aead import aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.errors import LocalError, RemoteError
from cloister.limits import MAX_PARTS, PART_BYTES
from cloister.wire.commands import ReadTree
from cloister.wire.events import Failed, Part

TREE_KEY_LABEL: Final = "cloister tree v1"
"""MLS exporter label of the key that seals the epoch's tree."""
_TREE_AAD: Final = b"Cloister 1.0 RatchetTree"
_NONCE_BYTES: Final = 12
_PADDED_TO: Final = 64 * 1024


class Exporting(Protocol):
    """A group, or an opened Welcome, of the epoch whose tree it is."""

    def export(self, label: str | bytes, context: bytes, length: int) -> Secret:
        """MLS-Exporter, RFC 9420 8.5."""
        ...


def seal_tree(epoch: Exporting, tree: bytes, entropy: Entropy) -> bytes:
    """Seal an exported ratchet tree, padded inside to a multiple of 64 KiB.

    Raises ``LocalError`` when it does not fit ``MAX_PARTS`` parts.
    """
    plain = encode_opaque(tree)
    plain += bytes(-len(plain) % _PADDED_TO)
    nonce = entropy.random(_NONCE_BYTES)
    sealed = nonce + aes256gcm_seal(_key(epoch), nonce, plain, _TREE_AAD)
    if len(sealed) > MAX_PARTS * PART_BYTES:
        raise LocalError("the group's ratchet tree is too large to be staged")
    return sealed


def open_tree(epoch: Exporting, sealed: bytes) -> bytes:
    """Open a sealed tree.  Raises ``DecryptError``, ``DecodeError``."""
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    if len(nonce) != _NONCE_BYTES:
        raise DecodeError("a sealed tree is cut off")
    reader = Reader(aes256gcm_open(_key(epoch), nonce, body, _TREE_AAD))
    tree = reader.opaque()
    if reader.raw(reader.remaining).strip(b"\0"):
        raise DecodeError("a sealed tree is not padded with zeros")
    return tree


def _key(epoch: Exporting) -> Secret:
    return epoch.export(TREE_KEY_LABEL, b"", 32)


class TreeNotYet(RemoteError):
    """The tree is still being read."""


def tree_for(turn: Turn, channel_id: bytes, opened: mls.OpenedWelcome) -> bytes | None:
    """Return the tree for a Welcome that does not carry it; ``None`` when it does.

    Raises ``TreeNotYet`` while parts are missing, ``DecryptError``, ``DecodeError``.
    """
    if find_extension(opened.extensions, mls.ExtensionType.RATCHET_TREE) is not None:
        return None
    if not prove_welcome(turn, opened, channel_id):
        raise TreeNotYet("the channel is not proved yet")
    parts = turn.session.tree_parts.get(channel_id, ())
    count = turn.session.tree_counts.get(channel_id, 1)
    if len(parts) < count:
        index = len(parts)
        turn.ask(
            Purpose(Work.READ_TREE, channel_id, index),
            lambda rid: ReadTree(rid=rid, channel_id=channel_id, index=index),
        )
        raise TreeNotYet("the tree is being read")
    return open_tree(opened, b"".join(parts))


def on_part(turn: Turn, purpose: Purpose, event: Part) -> None:
    """Take a part of the tree, in order."""
    parts = turn.session.tree_parts.get(purpose.subject, ())
    if purpose.number == len(parts) and event.count <= MAX_PARTS:
        turn.change_session(
            tree_parts=with_item(turn.session.tree_parts, purpose.subject, (*parts, event.part)),
            tree_counts=with_item(turn.session.tree_counts, purpose.subject, event.count),
        )


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Begin anew after a pause: another commit may have replaced the tree meanwhile."""
    if not on_common_refusal(turn, purpose, event):
        turn.change_session(tree_parts=without(turn.session.tree_parts, purpose.subject))
        turn.delay(purpose, 5)
