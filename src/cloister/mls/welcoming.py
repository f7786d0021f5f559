"""What a member tells those who join: GroupInfo and Welcome (RFC 9420 sections 12.4.1, 12.4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls import key_schedule, tree_math
from cloister.mls.epoch import EpochState
from cloister.mls.errors import Misuse
from cloister.mls.extension import Extension, ExternalPub
from cloister.mls.key_package import KeyPackage
from cloister.mls.message import MLSMessage
from cloister.mls.next_epoch import Derived
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import ExtensionType
from cloister.mls.update_path import PathSecrets
from cloister.mls.welcome import GroupInfo, make_welcome, sign_group_info


def make_group_info(
    state: EpochState, extensions: Sequence[Extension], *, with_tree: bool, with_external_pub: bool
) -> GroupInfo:
    """A GroupInfo of this epoch, signed by us.

    Args:
        with_tree: whether it carries the ratchet tree.
        with_external_pub: whether it carries the key that an external commit needs.
    """
    carried = list(extensions)
    if with_external_pub:
        public = key_schedule.external_public_key(state.suite, state.secrets)
        carried.append(
            Extension(
                extension_type=ExtensionType.EXTERNAL_PUB,
                data=ExternalPub(external_pub=public).encode(),
            )
        )
    if with_tree:
        carried.append(
            Extension(extension_type=ExtensionType.RATCHET_TREE, data=state.tree.encode())
        )
    return sign_group_info(
        state.suite,
        state.signature_key,
        group_context=state.context,
        extensions=carried,
        confirmation_tag=state.confirmation_tag,
        signer=state.own_leaf,
    )


def welcome_joiners(
    derived: Derived,
    joiners: Sequence[tuple[KeyPackage, LeafIndex]],
    drawn: PathSecrets,
    psks: Sequence[PreSharedKeyId],
    *,
    group_info_extensions: Sequence[Extension],
    with_tree: bool,
) -> bytes:
    """One Welcome, an MLSMessage, for all that a commit of ours has added."""
    state = derived.state
    welcome = make_welcome(
        state.suite,
        group_info=make_group_info(
            state, group_info_extensions, with_tree=with_tree, with_external_pub=False
        ),
        welcome_secret=derived.welcome_secret,
        joiner_secret=derived.joiner_secret,
        joiners=[
            (package, _path_secret_for(leaf, state.own_leaf, drawn)) for package, leaf in joiners
        ],
        psks=psks,
    )
    return MLSMessage(body=welcome).encode()


def _path_secret_for(joiner: LeafIndex, committer: LeafIndex, drawn: PathSecrets) -> Secret:
    """The path secret of the lowest node above both; it is in the filtered path, for the joiner
    is below its copath child."""
    ancestor = tree_math.common_ancestor(tree_math.node_of(joiner), tree_math.node_of(committer))
    for (node, _), path_secret in zip(drawn.path, drawn.secrets, strict=True):
        if node == ancestor:
            return path_secret
    raise Misuse("the path does not reach a joiner")
