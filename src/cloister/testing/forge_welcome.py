"""Welcomes of a dishonest adder: whatever they say, signed by him and encrypted to the joiner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloister.codec import encode_opaque
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import Extension, Group, KeyPackageSecrets, PreSharedKeyId, labels
from cloister.mls.group_context import GroupContext
from cloister.mls.joining import DecryptedWelcome
from cloister.mls.key_schedule import epoch_secrets, welcome_key_and_nonce, welcome_secret
from cloister.mls.message import MLSMessage
from cloister.mls.psk import psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.update_path import HpkeCiphertext
from cloister.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    PathSecret,
    Welcome,
    sign_group_info,
)
from cloister.testing.forge_framing import recoded
from cloister.values import replace


@dataclass(frozen=True, kw_only=True)
class WelcomeForgery:
    """How a forged Welcome differs from an honest one.

    Attributes:
        signer: who signs the GroupInfo, the adder unless it says otherwise.
        signer_index: whom the GroupInfo names as its signer.
        key: what the GroupInfo is signed with, the signer's key unless it says otherwise.
        tree: the tree whose hash the group context carries.
        change_context: lies in the group context before anything is derived from it or signed.
        recode_info: changes the encoding of the GroupInfo before it is signed.
        change_info: lies after the signature was made.
        recode_secrets: changes the encoding of the GroupSecrets before they are encrypted.
    """

    signer: Group | None = None
    signer_index: int | None = None
    key: SignatureKey | None = None
    tree: RatchetTree | None = None
    extensions: Sequence[Extension] = ()
    context_extensions: Sequence[Extension] | None = None
    epoch: int | None = None
    psks: Sequence[tuple[PreSharedKeyId, Secret]] = ()
    confirmation_tag: bytes | None = None
    change_context: Callable[[GroupContext], GroupContext] = lambda context: context
    recode_info: Callable[[bytes], bytes] = lambda encoding: encoding
    change_info: Callable[[GroupInfo], GroupInfo] = lambda info: info
    change_secrets: Callable[[GroupSecrets], GroupSecrets] = lambda secrets: secrets
    recode_secrets: Callable[[bytes], bytes] = lambda encoding: encoding


HONEST = WelcomeForgery()


def forge_welcome(
    opened: DecryptedWelcome, adder: Group, joiner: KeyPackageSecrets, how: WelcomeForgery = HONEST
) -> Welcome:
    """A Welcome made again from what its receiver can see of an honest one, with changes.

    Args:
        opened: the honest Welcome, opened.
        adder: who made it, in the epoch it leads to.
        joiner: the KeyPackage it is for.
    """
    suite = opened.suite
    context = opened.group_info.group_context
    if how.tree is not None:
        context = replace(context, tree_hash=how.tree.tree_hash())
    if how.context_extensions is not None:
        context = replace(context, extensions=tuple(how.context_extensions))
    if how.epoch is not None:
        context = replace(context, epoch=how.epoch)
    context = how.change_context(context)
    joiner_secret = opened.group_secrets.joiner_secret
    mixed = psk_secret(suite, how.psks)
    epoch, _ = epoch_secrets(suite, joiner_secret, mixed, context.encode())
    tag = suite.mac(epoch.confirmation, context.confirmed_transcript_hash)
    signer = how.signer or adder
    info = sign_group_info(
        suite,
        how.key or signer.state.signature_key,
        group_context=context,
        extensions=how.extensions,
        confirmation_tag=tag if how.confirmation_tag is None else how.confirmation_tag,
        signer=signer.own_leaf if how.signer_index is None else how.signer_index,
    )
    info = how.change_info(_recoded_info(info, signer, how))
    key, nonce = welcome_key_and_nonce(suite, welcome_secret(suite, joiner_secret, mixed))
    sealed_info = suite.aead.seal(key, nonce, info.encode(), b"")
    secrets = how.change_secrets(
        replace(opened.group_secrets, psks=tuple(name for name, _ in how.psks))
    )
    package = joiner.parsed()
    kem_output, ciphertext = suite.encrypt_with_label(
        package.init_key, labels.WELCOME, sealed_info, how.recode_secrets(secrets.encode())
    )
    entry = EncryptedGroupSecrets(
        new_member=package.reference(suite),
        encrypted_group_secrets=HpkeCiphertext(kem_output=kem_output, ciphertext=ciphertext),
    )
    return Welcome(cipher_suite=suite.code, secrets=(entry,), encrypted_group_info=sealed_info)


def with_path_secret(secret: Secret | None) -> Callable[[GroupSecrets], GroupSecrets]:
    """Sends a joiner this path secret, or none, as after a commit without a path."""
    path_secret = None if secret is None else PathSecret(path_secret=secret)
    return lambda secrets: replace(secrets, path_secret=path_secret)


def _recoded_info(info: GroupInfo, signer: Group, how: WelcomeForgery) -> GroupInfo:
    encoding = how.recode_info(info.to_be_signed())
    key = how.key or signer.state.signature_key
    signature = signer.suite.sign_with_label(key, labels.GROUP_INFO_TBS, encoding)
    return recoded(replace(info, signature=signature), encoding + encode_opaque(signature))


def as_message(welcome: Welcome) -> bytes:
    """The MLSMessage of a Welcome."""
    return MLSMessage(body=welcome).encode()
