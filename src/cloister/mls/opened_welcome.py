"""A Welcome between opening and joining (RFC 9420 section 12.4.3.1).

The two are apart because the tree may come another way, sealed under a key that only who can
open the Welcome can derive.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from cloister.crypto.secret import Secret
from cloister.mls import key_schedule
from cloister.mls.errors import FOREIGN
from cloister.mls.extension import Extension
from cloister.mls.group import NO_PSKS, Group
from cloister.mls.group_context import GroupContext
from cloister.mls.joining import DecryptedWelcome, decrypt_welcome, join
from cloister.mls.key_package import KeyPackageSecrets
from cloister.mls.successor_check import Identity, credential_of


class OpenedWelcome(msgspec.Struct, frozen=True, eq=False):
    """A Welcome that decrypted. What it says is not authenticated before ``join`` returned."""

    opened: DecryptedWelcome

    @property
    def group_context(self) -> GroupContext:
        """The group context of the epoch to join."""
        return self.opened.group_info.group_context

    @property
    def group_info(self) -> bytes:
        """The encoded GroupInfo."""
        return self.opened.group_info.encode()

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions of the GroupInfo (not of the group context)."""
        return self.opened.group_info.extensions

    @property
    def group_id(self) -> bytes:
        """The group's id."""
        return self.group_context.group_id

    @property
    def epoch(self) -> int:
        """The epoch to join."""
        return self.group_context.epoch

    def export(self, label: str | bytes, context: bytes, length: int) -> Secret:
        """MLS-Exporter (8.5) of the epoch to join."""
        name = label.encode() if isinstance(label, str) else label
        return key_schedule.export(
            self.opened.suite, self.opened.secrets.exporter, name, context, length
        )

    def join(
        self,
        ratchet_tree: bytes | None,
        *,
        now: int | None,
        participating: Container[bytes] = frozenset(),
        identity: Identity = credential_of,
    ) -> Group:
        """Check everything and become a member (12.4.3.1).

        Args:
            ratchet_tree: the public tree, needed when the Welcome does not carry it.
            now: seconds since the epoch for our KeyPackage's lifetime; None does not check it.
            participating: the ids of the groups this client is in; a second one of the same id
                is refused.
            identity: what tells clients apart, for a group that continues another.

        The KeyPackage's secrets are deleted once the returned group is stored.
        Raises MLSError.
        """
        with FOREIGN:
            state, secret_tree = join(self.opened, ratchet_tree, now, participating, identity)
            return Group(state=state, secret_tree=secret_tree)


def open_welcome(
    welcome_message: bytes,
    secrets: KeyPackageSecrets,
    psks: Mapping[bytes, Secret] = NO_PSKS,
    *,
    resumption_psks: Mapping[tuple[bytes, int], Secret] | None = None,
    predecessor: Group | None = None,
) -> OpenedWelcome:
    """Decrypt a Welcome with the secrets of the KeyPackage it was made for.

    Args:
        welcome_message: an MLSMessage with a Welcome.
        psks: external pre-shared keys by psk_id.
        resumption_psks: resumption keys of other groups by (group id, epoch).
        predecessor: the group that was reinitialised or branched from, if the new one is to
            continue it. Without it such a Welcome is refused as Unsupported, and with it any
            that does not continue it.

    Raises MLSError, NotForUs when there is nothing in it for this KeyPackage.
    """
    with FOREIGN:
        return OpenedWelcome(
            decrypt_welcome(
                welcome_message,
                secrets,
                psks,
                resumption_psks or {},
                None if predecessor is None else predecessor.state,
            )
        )
