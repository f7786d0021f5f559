"""Welcomes: as they come over the wire, and what a member who adds somebody could put into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from cloister.codec import EncodeError
from cloister.errors import RemoteError
from cloister.mls import (
    Group,
    GroupContext,
    MLSError,
    join_externally,
    key_schedule,
    labels,
    open_welcome,
)
from cloister.mls.joining import DecryptedWelcome
from cloister.mls.message import MLSMessage
from cloister.mls.psk import psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ProtocolVersion, WireFormat
from cloister.mls.update_path import HpkeCiphertext
from cloister.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    Welcome,
    sign_group_info,
)
from fuzz.targets.edits import edited, example_scripts
from fuzz.targets.target import Finding, Target, decoded
from fuzz.targets.world import PSKS, world
from unit.mls.members import ENTROPY, NOW


@cache
def honest() -> DecryptedWelcome:
    """The welcome of the newcomer, opened."""
    return open_welcome(welcome_message(), world().newcomer, PSKS).opened


def welcome_message() -> bytes:
    """The Welcome as the relay has it."""
    message = world().welcoming.welcome
    if message is None:
        raise TypeError("a commit that adds has a Welcome")
    return message


def _join(message: bytes, tree: bytes | None = None) -> Group | None:
    try:
        group = open_welcome(message, world().newcomer, PSKS).join(tree, now=NOW)
    except MLSError:
        return None
    state = group.encode()
    if Group.decode(state).encode() != state:
        raise Finding("the state after joining is not what is read back")
    return group


def join_wire(script: bytes) -> None:
    """Change a Welcome as the relay could."""
    message = edited(script, [welcome_message()])
    if _join(message) is not None and message != welcome_message():
        # The relay can drop others' secrets from a Welcome, and put junk beside ours.
        ours = honest().package.reference(honest().suite)
        body = MLSMessage.decode(message).body
        if not isinstance(body, Welcome) or ours not in {one.new_member for one in body.secrets}:
            raise Finding("a Welcome was joined that is not for us")


# -- below the encryption -----------------------------------------------------------------------


def _sealed(group_info: bytes, group_secrets: bytes) -> bytes:
    """A Welcome with these plaintexts, encrypted as it has to be."""
    opened = honest()
    suite = opened.suite
    joiner = opened.group_secrets.joiner_secret
    mixed = psk_secret(suite, ())
    key, nonce = key_schedule.welcome_key_and_nonce(
        suite, key_schedule.welcome_secret(suite, joiner, mixed)
    )
    encrypted_group_info = suite.aead.seal(key, nonce, group_info, b"")
    kem_output, ciphertext = suite.encrypt_with_label(
        opened.package.init_key, labels.WELCOME, encrypted_group_info, group_secrets
    )
    secrets = EncryptedGroupSecrets(
        new_member=opened.package.reference(suite),
        encrypted_group_secrets=HpkeCiphertext(kem_output=kem_output, ciphertext=ciphertext),
    )
    return MLSMessage(
        body=Welcome(
            cipher_suite=suite.code, secrets=(secrets,), encrypted_group_info=encrypted_group_info
        )
    ).encode()


def join_secrets(script: bytes) -> None:
    """Change the GroupSecrets, and encrypt them to the newcomer."""
    secrets = honest().group_secrets.encode()
    _join(_sealed(honest().group_info.encode(), edited(script, [secrets])))


def _signed(info: GroupInfo, context: GroupContext) -> bytes:
    """A GroupInfo signed by the attacker, with the confirmation tag of its context."""
    opened = honest()
    suite = opened.suite
    epoch, _ = key_schedule.epoch_secrets(
        suite,
        opened.group_secrets.joiner_secret,
        psk_secret(suite, ()),
        context.encode(),
    )
    return sign_group_info(
        suite,
        world().attacker.state.signature_key,
        group_context=context,
        extensions=info.extensions,
        confirmation_tag=suite.mac(epoch.confirmation, context.confirmed_transcript_hash),
        signer=info.signer,
    ).encode()


def join_info(script: bytes) -> None:
    """Change the GroupInfo; where it is still one, sign it and put the right tag."""
    data = edited(script, [honest().group_info.encode()])
    try:
        info = GroupInfo.decode(data)
        data = _signed(info, info.group_context)
    except (RemoteError, EncodeError):
        pass
    _join(_sealed(data, honest().group_secrets.encode()))


@cache
def published() -> bytes:
    """The GroupInfo that a newcomer needs who adds itself."""
    message = MLSMessage.decode(world().attacker.group_info()).body
    if not isinstance(message, GroupInfo):
        raise TypeError("a group publishes a GroupInfo")
    return message.encode()


def join_externally_from(script: bytes) -> None:
    """Change a published GroupInfo; where it is still one, sign it, and join from it."""
    data = edited(script, [published()])
    info = decoded(GroupInfo.decode, data)
    if info is not None:
        attacker = world().attacker
        data = sign_group_info(
            attacker.suite,
            attacker.state.signature_key,
            group_context=info.group_context,
            extensions=info.extensions,
            confirmation_tag=info.confirmation_tag,
            signer=info.signer,
        ).encode()
    head = ProtocolVersion.MLS10.to_bytes(2, "big") + WireFormat.GROUP_INFO.to_bytes(2, "big")
    try:
        made = join_externally(head + data, world().newcomer, entropy=ENTROPY)
    except MLSError:
        return
    state = made.next.encode()
    if Group.decode(state).encode() != state:
        raise Finding("the state after an external commit is not what is read back")


@cache
def tree() -> bytes:
    """The ratchet tree of the newcomer's epoch."""
    return world().welcoming.ratchet_tree


def join_tree(script: bytes) -> None:
    """Change the tree; where it is still one, give the group context its hash, and sign that."""
    data = edited(script, [tree()])
    info = replace(honest().group_info, extensions=())
    context = info.group_context
    try:
        tree_hash = RatchetTree.decode(honest().suite, data).tree_hash()
        context = replace(context, tree_hash=tree_hash)
    except RemoteError:
        pass
    _join(_sealed(_signed(info, context), honest().group_secrets.encode()), data)


def group_secrets() -> bytes:
    """The newcomer's GroupSecrets, as the attacker made them."""
    return honest().group_secrets.encode()


def group_info() -> bytes:
    """The GroupInfo, as the attacker signed it."""
    return honest().group_info.encode()


def _target(name: str, run: Callable[[bytes], None], base: Callable[[], bytes]) -> Target:
    def seeds() -> Sequence[bytes]:
        return example_scripts([base()])

    return Target(name, run, seeds, max_bytes=128, is_script=True)


JOINING = (
    _target("join-wire", join_wire, welcome_message),
    _target("join-secrets", join_secrets, group_secrets),
    _target("join-info", join_info, group_info),
    _target("join-tree", join_tree, tree),
    _target("join-externally", join_externally_from, published),
)
