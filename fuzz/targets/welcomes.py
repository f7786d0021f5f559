"""Welcomes of the attacker, opened so that what is inside can be changed and closed again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cloister.crypto.secret import Secret
from cloister.mls import (
    Group,
    GroupContext,
    KeyPackageSecrets,
    MLSError,
    StagedCommit,
    key_schedule,
    labels,
    open_welcome,
)
from cloister.mls.joining import DecryptedWelcome
from cloister.mls.message import MLSMessage
from cloister.mls.psk import psk_secret
from cloister.mls.successor import branch
from cloister.mls.update_path import HpkeCiphertext
from cloister.mls.welcome import EncryptedGroupSecrets, GroupInfo, Welcome, sign_group_info
from fuzz.targets.target import Finding
from fuzz.targets.world import PSKS, world
from unit.mls.members import CLASSICAL, ENTROPY, NOW, package


@dataclass(frozen=True)
class OwnWelcome:
    """A Welcome for somebody whose secrets are at hand.

    Attributes:
        message: as the relay has it.
        staged: the attacker's commit that it belongs to.
        mixed: the psk_secret that its keys follow from.
        predecessor: the group that the new one continues.
    """

    message: bytes
    staged: StagedCommit
    secrets: KeyPackageSecrets
    mixed: Secret
    predecessor: Group | None = None

    @property
    def opened(self) -> DecryptedWelcome:
        """What the joiner finds in it."""
        return open_welcome(self.message, self.secrets, PSKS, predecessor=self.predecessor).opened

    def sealed(self, group_info: bytes, group_secrets: bytes) -> bytes:
        """A Welcome with these plaintexts, encrypted as it has to be."""
        opened = self.opened
        suite = opened.suite
        joiner = opened.group_secrets.joiner_secret
        key, nonce = key_schedule.welcome_key_and_nonce(
            suite, key_schedule.welcome_secret(suite, joiner, self.mixed)
        )
        encrypted_group_info = suite.aead.seal(key, nonce, group_info, b"")
        kem_output, ciphertext = suite.encrypt_with_label(
            opened.package.init_key, labels.WELCOME, encrypted_group_info, group_secrets
        )
        entry = EncryptedGroupSecrets(
            new_member=opened.package.reference(suite),
            encrypted_group_secrets=HpkeCiphertext(kem_output=kem_output, ciphertext=ciphertext),
        )
        return MLSMessage(
            body=Welcome(
                cipher_suite=suite.code,
                secrets=(entry,),
                encrypted_group_info=encrypted_group_info,
            )
        ).encode()

    def signed(self, info: GroupInfo, context: GroupContext) -> bytes:
        """A GroupInfo signed by the attacker, with the confirmation tag of its context."""
        opened = self.opened
        suite = opened.suite
        joiner = opened.group_secrets.joiner_secret
        epoch, _ = key_schedule.epoch_secrets(suite, joiner, self.mixed, context.encode())
        return sign_group_info(
            suite,
            self.staged.next.state.signature_key,
            group_context=context,
            extensions=info.extensions,
            confirmation_tag=suite.mac(epoch.confirmation, context.confirmed_transcript_hash),
            signer=info.signer,
        ).encode()

    def join(self, message: bytes, tree: bytes | None = None) -> Group | None:
        """Join, or be refused; hold the engine to its promises."""
        try:
            opened = open_welcome(message, self.secrets, PSKS, predecessor=self.predecessor)
            group = opened.join(tree, now=NOW)
        except MLSError:
            return None
        state = group.encode()
        if Group.decode(state).encode() != state:
            raise Finding("the state after joining is not what is read back")
        return group


def _message_of(staged: StagedCommit) -> bytes:
    if staged.welcome is None:
        raise TypeError("a commit that adds has a Welcome")
    return staged.welcome


@cache
def to_newcomer() -> OwnWelcome:
    """The Welcome that adds the newcomer to the group."""
    here = world()
    return OwnWelcome(
        message=_message_of(here.welcoming),
        staged=here.welcoming,
        secrets=here.newcomer,
        mixed=psk_secret(here.victim.suite, ()),
    )


@cache
def to_branch() -> OwnWelcome:
    """The Welcome that takes the victim into a group that continues this one (section 11.3)."""
    here = world()
    # The same client by its credential, with keys of its own for the new group.
    secrets = package("member 1", CLASSICAL)
    staged = branch(here.attacker, b"aside", [secrets.key_package], now=NOW, entropy=ENTROPY)
    message = _message_of(staged)
    opened = open_welcome(message, secrets, PSKS, predecessor=here.victim).opened
    resumption = here.attacker.state.secrets.resumption
    mixed = psk_secret(opened.suite, [(name, resumption) for name in opened.group_secrets.psks])
    return OwnWelcome(message, staged, secrets, mixed, here.victim)
