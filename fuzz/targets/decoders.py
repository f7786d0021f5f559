"""A target for every decoder of MLS structures: bytes as they come from the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial

from cloister.codec import Struct, encode_opaque
from cloister.mls import (
    Capabilities,
    GroupContext,
    KeyPackage,
    KeyPackageSecrets,
    open_welcome,
)
from cloister.mls.commit import Commit
from cloister.mls.credential import Credential
from cloister.mls.extension import (
    Extension,
    ExternalPub,
    ExternalSender,
    ExternalSenders,
    RequiredCapabilities,
)
from cloister.mls.framing import AuthenticatedContent, ContentBody
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.suite import suite_of
from cloister.mls.update_path import UpdatePath
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome
from cloister.testing.forge import send
from fuzz.targets.target import Target, check_encoding, decoded
from fuzz.targets.world import world
from unit.mls.members import CLASSICAL, ENTROPY, add, founder, group_of, package, update, welcome_of

NONCE = bytes(32)


def _try(decode: Callable[[bytes], Struct | RatchetTree], data: bytes) -> None:
    value = decoded(decode, data)
    if value is not None:
        check_encoding(value, data)


def _tree(data: bytes) -> RatchetTree:
    return RatchetTree.decode(suite_of(CLASSICAL), data)


def psk_ids() -> list[PreSharedKeyId]:
    """One of each form."""
    return [
        PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"psk", psk_nonce=NONCE),
        PreSharedKeyId(
            psk_type=PskType.RESUMPTION,
            usage=ResumptionPskUsage.APPLICATION,
            psk_group_id=b"the group",
            psk_epoch=5,
            psk_nonce=NONCE,
        ),
    ]


@cache
def proposed() -> KeyPackageSecrets:
    """Whoever is to be added by the proposals."""
    return package("proposed", CLASSICAL)


def proposals() -> list[Proposal]:
    """One of each type."""
    made = proposed().parsed()
    bodies: list[ProposalBody] = [
        Add(key_package=made),
        Update(leaf_node=made.leaf_node),
        Remove(removed=2),
        *(PreSharedKey(psk=one) for one in psk_ids()),
        ReInit(group_id=b"next", version=1, cipher_suite=1, extensions=()),
        ExternalInit(kem_output=bytes(32)),
        GroupContextExtensions(extensions=(Extension(extension_type=0xF100, data=b"x"),)),
    ]
    return [Proposal(body=body) for body in bodies]


def _messages() -> list[bytes]:
    here = world()
    text, _ = here.attacker.encrypt(b"text", entropy=ENTROPY)
    small = add(founder(CLASSICAL), package("second", CLASSICAL))
    bodies: list[ContentBody] = [*proposals()[:4], b"text"]
    public = [send(here.attacker, body, public=True) for body in bodies]
    commit = here.opened(here.updating).content.body
    return [
        text,
        welcome_of(small),
        *public,
        send(here.attacker, commit, public=True, tag=bytes(32)),
    ]


def _group_infos() -> list[bytes]:
    secrets = package("joiner", CLASSICAL)
    return [
        open_welcome(welcome_of(add(founder(CLASSICAL), secrets, tree_in_welcome=inside)), secrets)
        .group_info
        for inside in (True, False)
    ]  # fmt: skip


def _trees() -> list[bytes]:
    pair = group_of(2, CLASSICAL)
    settled = update(pair[0]).next
    groups = founder(CLASSICAL), settled, group_of(3, CLASSICAL)[0]
    return [group.ratchet_tree() for group in groups]


def _group_secrets() -> list[bytes]:
    joiner_secret = encode_opaque(bytes(32))
    path_secret = b"\x01" + encode_opaque(bytes(32))
    psks = encode_opaque(b"".join(one.encode() for one in psk_ids()))
    return [joiner_secret + b"\x00\x00", joiner_secret + path_secret + psks]


def _commits() -> list[bytes]:
    here = world()
    return [here.commit(here.updating), here.commit(here.full), b"\x04\x02\x02ab\x00"]


def _path() -> UpdatePath:
    path = Commit.decode(world().commit(world().updating)).path
    if path is None:
        raise TypeError("an update has a path")
    return path


def _leaf() -> LeafNode:
    return package("leaf", CLASSICAL).parsed().leaf_node


def _senders() -> list[bytes]:
    sender = ExternalSender(signature_key=bytes(32), credential=_leaf().credential)
    return [ExternalSenders(senders=(sender,)).encode()]


def _requirements() -> list[bytes]:
    needs = RequiredCapabilities(
        extension_types=(0xF100,), proposal_types=(), credential_types=(1, 2)
    )
    return [needs.encode()]


X509 = bytes.fromhex("0002 06 02 6162 01 63 00")


def _of(structure: type[Struct], make_seeds: Callable[[], Iterable[bytes]]) -> Target:
    return Target(structure.__name__, partial(_try, structure.decode), make_seeds)


DECODERS = (
    _of(MLSMessage, _messages),
    _of(KeyPackage, lambda: [package("seed", CLASSICAL).key_package]),
    _of(LeafNode, lambda: [_leaf().encode(), _path().leaf_node.encode()]),
    _of(Credential, lambda: [_leaf().credential.encode(), X509]),
    _of(Capabilities, lambda: [_leaf().capabilities.encode()]),
    _of(GroupContext, lambda: [world().victim.group_context.encode()]),
    _of(GroupInfo, _group_infos),
    _of(GroupSecrets, _group_secrets),
    _of(Welcome, lambda: [one[4:] for one in _messages()[1:2]]),
    _of(Commit, _commits),
    _of(Proposal, lambda: [one.encode() for one in proposals()]),
    _of(UpdatePath, lambda: [_path().encode()]),
    _of(AuthenticatedContent, lambda: [world().opened(world().updating).encode()]),
    _of(PreSharedKeyId, lambda: [one.encode() for one in psk_ids()]),
    _of(RequiredCapabilities, _requirements),
    _of(ExternalSenders, _senders),
    _of(ExternalPub, lambda: [ExternalPub(external_pub=bytes(32)).encode()]),
    _of(KeyPackageSecrets, lambda: [package("seed", CLASSICAL).encode()]),
    Target("RatchetTree", partial(_try, _tree), _trees),
)
