"""Joining: from Welcomes as they come over the wire, from what a member who adds somebody could put
into them, and from a published GroupInfo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from cloister.codec import EncodeError
from cloister.errors import RemoteError
from cloister.mls import Group, MLSError, join_externally
from cloister.mls.message import MLSMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ProtocolVersion, WireFormat
from cloister.mls.welcome import GroupInfo, Welcome, sign_group_info
from cloister.values import replace
from fuzz.targets.edits import choose, edited, example_scripts
from fuzz.targets.target import Finding, Target, decoded
from fuzz.targets.welcomes import OwnWelcome, to_branch, to_newcomer
from fuzz.targets.world import world
from unit.mls.members import ENTROPY


def welcome_message() -> bytes:
    """The Welcome as the relay has it."""
    return to_newcomer().message


def join_wire(script: bytes) -> None:
    """Change a Welcome as the relay could."""
    own = to_newcomer()
    message = edited(script, [own.message])
    if own.join(message) is not None and message != own.message:
        # The relay can drop others' secrets from a Welcome, and put junk beside ours.
        body = MLSMessage.decode(message).body
        if not isinstance(body, Welcome) or own.secrets.reference not in {
            one.new_member for one in body.secrets
        }:
            raise Finding("a Welcome was joined that is not for us")


# -- below the encryption -----------------------------------------------------------------------


@cache
def group_secrets() -> bytes:
    """The newcomer's GroupSecrets, as the attacker made them."""
    return to_newcomer().opened.group_secrets.encode()


@cache
def group_infos() -> tuple[bytes, bytes]:
    """The GroupInfo as the attacker signed it, and without the tree, which is the most of it."""
    info = to_newcomer().opened.group_info
    return info.encode(), replace(info, extensions=()).encode()


def join_secrets(script: bytes) -> None:
    """Change the GroupSecrets, and encrypt them to the newcomer."""
    own = to_newcomer()
    own.join(own.sealed(group_infos()[0], edited(script, [group_secrets()])))


def _signed_where_it_can_be(own: OwnWelcome, data: bytes) -> bytes:
    """Sign a changed GroupInfo and put the right tag, where it is still one."""
    try:
        info = GroupInfo.decode(data)
        return own.signed(info, info.group_context)
    except (RemoteError, EncodeError):
        return data


def join_info(script: bytes) -> None:
    """Change the GroupInfo, sign it and put the right tag."""
    own = to_newcomer()
    data = _signed_where_it_can_be(own, edited(script, group_infos()))
    own.join(own.sealed(data, group_secrets()), own.staged.ratchet_tree)


@cache
def tree() -> bytes:
    """The ratchet tree of the newcomer's epoch."""
    return world().welcoming.ratchet_tree


def join_tree(script: bytes) -> None:
    """Change the tree; where it is still one, give the group context its hash, and sign that."""
    own = to_newcomer()
    opened = own.opened
    data = edited(script, [tree()])
    info = replace(opened.group_info, extensions=())
    context = info.group_context
    changed = decoded(lambda encoded: RatchetTree.decode(opened.suite, encoded), data)
    if changed is not None:
        context = replace(context, tree_hash=changed.tree_hash())
    own.join(own.sealed(own.signed(info, context), group_secrets()), data)


@cache
def branched() -> tuple[bytes, bytes]:
    """GroupInfo and GroupSecrets of a group that continues the victim's."""
    opened = to_branch().opened
    info = replace(opened.group_info, extensions=())
    return to_branch().signed(info, info.group_context), opened.group_secrets.encode()


def join_branch(script: bytes) -> None:
    """Change GroupInfo or GroupSecrets of such a group; the victim is who joins."""
    own = to_branch()
    info, secrets = branched()
    data = edited(script, branched())
    if choose(script, 2) == 0:
        sealed = own.sealed(_signed_where_it_can_be(own, data), secrets)
    else:
        sealed = own.sealed(info, data)
    own.join(sealed, own.staged.ratchet_tree)


# -- without a Welcome ----------------------------------------------------------------------------


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


def _target(
    name: str, run: Callable[[bytes], None], bases: Callable[[], Sequence[bytes]]
) -> Target:
    return Target(name, run, lambda: example_scripts(bases()), max_bytes=128, is_script=True)


JOINING = (
    _target("join-wire", join_wire, lambda: [welcome_message()]),
    _target("join-secrets", join_secrets, lambda: [group_secrets()]),
    _target("join-info", join_info, group_infos),
    _target("join-tree", join_tree, lambda: [tree()]),
    _target("join-branch", join_branch, branched),
    _target("join-externally", join_externally_from, lambda: [published()]),
)
