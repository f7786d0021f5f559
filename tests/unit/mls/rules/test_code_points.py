"""Values that no enumeration has, unknown versions, forms and proposals.

The one who sends them signs, tags and encrypts them like anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from cloister.codec import encode_opaque
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Malformed,
    join_externally,
    labels,
)
from cloister.mls.framing import ContentBody, FramedContent, Sender
from cloister.mls.joining import decrypt_welcome
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add, PreSharedKey, Proposal, Remove, Update
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import (
    ContentType,
    PskType,
    ResumptionPskUsage,
    SenderType,
)
from cloister.testing.forge import change_leaf, send, update_leaf
from cloister.testing.forge_commit import Forgery, Proposed, forge_commit
from cloister.testing.forge_framing import (
    Sealing,
    Signing,
    content_of,
    encrypt,
    publish,
    recoded,
)
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, add, group_of, package, welcome_of
from unit.mls.rules.verdict import accepts, joins, refuses, refuses_to_join, swapped

ALICE, BOB, CAROL = group_of(3, CLASSICAL)
NONCE = bytes(32)
EXTERNAL = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=NONCE)
RESUMPTION = PreSharedKeyId(
    psk_type=PskType.RESUMPTION,
    usage=ResumptionPskUsage.APPLICATION,
    psk_group_id=ALICE.group_id,
    psk_epoch=ALICE.epoch,
    psk_nonce=NONCE,
)
KEYS = {b"id": Secret(b"key")}
WITH_PSKS = Forgery(
    psks={EXTERNAL: KEYS[b"id"], RESUMPTION: ALICE.state.secrets.resumption}, with_path=False
)
REMOVE = Proposal(body=Remove(removed=2))
NEWCOMER = package("newcomer", CLASSICAL)


def only_the_lie_is_malformed(lie: bytes, honest: bytes, victim: Group = BOB) -> None:
    accepts(victim, honest, psks=KEYS)
    refuses(victim, lie, Malformed, psks=KEYS)


def in_a_commit(change: Callable[[bytes], bytes], *proposals: Proposed) -> None:
    """``change`` lies in the encoding of the Commit."""
    lie = forge_commit(ALICE, proposals, replace(WITH_PSKS, recode=change))
    only_the_lie_is_malformed(lie, forge_commit(ALICE, proposals, WITH_PSKS))


# -- enumerations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 5, 255])
def test_unknown_type_of_sender_MLS_006(code: int) -> None:
    body = Proposal(body=Add(key_package=NEWCOMER.parsed()))
    own = Signing(key=Ed25519Key(NEWCOMER.signature_key))

    def by(sender_type: SenderType) -> bytes:
        content = content_of(ALICE, body, sender=Sender(sender_type=sender_type))
        return publish(ALICE, content, signing=own)

    only_the_lie_is_malformed(by(cast(SenderType, code)), by(SenderType.NEW_MEMBER_PROPOSAL))


class Mislabelled(FramedContent):
    """A content of another type than its body has."""

    __slots__ = ()

    label = 0

    @property
    def content_type(self) -> ContentType:
        """The label, whatever it is."""
        return cast(ContentType, self.label)


def mislabelled(body: ContentBody, code: int) -> FramedContent:
    labelled = type("Labelled", (Mislabelled,), {"label": code, "__slots__": ()})
    honest = content_of(ALICE, body)
    return cast(
        FramedContent,
        labelled(
            group_id=honest.group_id,
            epoch=honest.epoch,
            sender=honest.sender,
            authenticated_data=b"",
            body=body,
        ),
    )


@pytest.mark.parametrize("code", [0, 4, 255])
def test_unknown_type_of_content_in_a_public_message_MLS_006(code: int) -> None:
    honest = publish(ALICE, mislabelled(REMOVE, ContentType.PROPOSAL))
    only_the_lie_is_malformed(publish(ALICE, mislabelled(REMOVE, code)), honest)


@pytest.mark.parametrize("code", [0, 4, 255])
def test_unknown_type_of_content_in_a_private_message_MLS_006(code: int) -> None:
    """The header, both ciphertexts and the signature have the unknown type alike."""
    honest = encrypt(ALICE, content_of(ALICE, b"text"))
    # The message object has only known types; its bytes are changed once it is sealed.
    known = Sealing(
        change_message=lambda message: replace(message, content_type=ContentType.APPLICATION)
    )
    lie = encrypt(ALICE, mislabelled(b"text", code), sealing=known)
    head = f"09{ALICE.group_id.hex()} {ALICE.epoch:016x}"
    lie = swapped(f"{head} 01", f"{head} {code:02x}")(lie)
    only_the_lie_is_malformed(lie, honest)


def with_source(secrets: KeyPackageSecrets, code: int) -> Proposal:
    """An Add of a KeyPackage whose signed leaf has this leaf_node_source and no lifetime."""
    honest = secrets.parsed()
    key = Ed25519Key(secrets.signature_key)
    leaf = change_leaf(honest.leaf_node, source=code, lifetime=None)
    content = leaf.encode()[:-1]
    signature = ALICE.suite.sign_with_label(key, labels.LEAF_NODE_TBS, content)
    unsigned = replace(
        honest,
        leaf_node=recoded(replace(leaf, signature=signature), content + encode_opaque(signature)),
        signature=b"",
    )
    signature = ALICE.suite.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed())
    return Proposal(body=Add(key_package=replace(unsigned, signature=signature)))


@pytest.mark.parametrize("code", [0, 4, 255])
def test_unknown_source_of_a_leaf_MLS_006(code: int) -> None:
    honest = Add(key_package=NEWCOMER.parsed())
    only_the_lie_is_malformed(
        forge_commit(ALICE, [with_source(NEWCOMER, code)]), forge_commit(ALICE, [honest])
    )
    update = update_leaf(ALICE)

    def proposed(leaf: LeafNode) -> bytes:
        return send(ALICE, Proposal(body=Update(leaf_node=leaf)))

    # An Update says nothing with its source but the source.
    strange = change_leaf(update, source=code).signed(
        ALICE.suite, ALICE.state.signature_key, ALICE.group_id, ALICE.own_leaf
    )
    only_the_lie_is_malformed(proposed(strange), proposed(update))


@pytest.mark.parametrize("code", [0, 3, 255])
def test_entry_that_is_neither_proposal_nor_reference_MLS_006(code: int) -> None:
    in_a_commit(lambda commit: commit[:1] + bytes([code]) + commit[2:], PreSharedKey(psk=EXTERNAL))


@pytest.mark.parametrize("code", [0, 3, 255])
@pytest.mark.parametrize("name", [EXTERNAL, RESUMPTION], ids=["external", "resumption"])
def test_unknown_type_of_pre_shared_key_MLS_006(name: PreSharedKeyId, code: int) -> None:
    known = int(name.psk_type)
    change = swapped(f"01 0004 {known:02x}", f"01 0004 {code:02x}")
    in_a_commit(change, PreSharedKey(psk=name))
    proposal = Proposal(body=PreSharedKey(psk=name))
    lie = proposal.encode()[:2] + bytes([code]) + proposal.encode()[3:]
    only_the_lie_is_malformed(send(ALICE, recoded(proposal, lie)), send(ALICE, proposal))


@pytest.mark.parametrize("code", [0, 4, 255])
def test_unknown_usage_of_a_resumption_key_MLS_006(code: int) -> None:
    in_a_commit(swapped("01 0004 02 01", f"01 0004 02 {code:02x}"), PreSharedKey(psk=RESUMPTION))


JOINER = package("joiner", CLASSICAL)
STAGED = add(ALICE, JOINER, tree_in_welcome=False)
OPENED = decrypt_welcome(welcome_of(STAGED), JOINER, {}, {}, None)


@pytest.mark.parametrize("code", [0, 3, 255])
def test_unknown_type_of_node_MLS_006(code: int) -> None:
    """A reader that takes an unknown node for a blank one finds the tree it was told of."""
    pieces = []
    for node in STAGED.next.state.tree.nodes:
        kind = 1 if isinstance(node, LeafNode) else 2
        pieces.append(b"\x00" if node is None else bytes([1, kind]) + node.encode())
    assert encode_opaque(b"".join(pieces)) == STAGED.ratchet_tree
    assert pieces.count(b"\x00") == 1
    pieces[pieces.index(b"\x00")] = bytes([1, code])
    welcome = as_message(forge_welcome(OPENED, STAGED.next, JOINER))
    lie = encode_opaque(b"".join(pieces))
    refuses_to_join(JOINER, welcome, Malformed, tree=lie)
    assert joins(JOINER, welcome, tree=STAGED.ratchet_tree).epoch == STAGED.next.epoch
    inside = Extension(extension_type=ExtensionType.RATCHET_TREE, data=lie)
    welcome = as_message(
        forge_welcome(OPENED, STAGED.next, JOINER, WelcomeForgery(extensions=[inside]))
    )
    refuses_to_join(JOINER, welcome, Malformed)


# -- version and form ------------------------------------------------------------------------------


def with_head(head: str) -> None:
    """Every kind of message with these four bytes, of which ``??`` stay."""

    def changed(message: bytes) -> bytes:
        new = [
            f"{old:02x}" if code == "??" else code
            for old, code in zip(message, head.split(), strict=False)
        ]
        return bytes.fromhex("".join(new)) + message[4:]

    for honest in (
        send(ALICE, b"text"),
        send(ALICE, REMOVE),
        send(ALICE, REMOVE, public=True),
        forge_commit(ALICE),
        forge_commit(ALICE, [], Forgery(public=True)),
    ):
        only_the_lie_is_malformed(changed(honest), honest)
    welcome = welcome_of(STAGED)
    refuses_to_join(JOINER, changed(welcome), Malformed, tree=STAGED.ratchet_tree)
    assert joins(JOINER, welcome, tree=STAGED.ratchet_tree).epoch == STAGED.next.epoch
    info = ALICE.group_info()
    with pytest.raises(Malformed):
        join_externally(changed(info), NEWCOMER, entropy=ENTROPY)
    assert join_externally(info, NEWCOMER, entropy=ENTROPY).next.epoch == ALICE.epoch + 1


@pytest.mark.parametrize("version", ["00 00", "00 02", "01 01", "ff ff"])
def test_message_of_another_version_MLS_007(version: str) -> None:
    with_head(f"{version} ?? ??")


@pytest.mark.parametrize("wire_format", ["00 00", "00 06", "0a 0a", "f0 01", "ff ff"])
def test_message_of_an_unknown_form_MLS_008(wire_format: str) -> None:
    with_head(f"?? ?? {wire_format}")


@pytest.mark.parametrize("code", ["0000", "0008", "0a0a", "f001", "ffff"])
def test_proposal_of_an_unknown_type_MLS_009(code: str) -> None:
    unknown = recoded(REMOVE, bytes.fromhex(f"{code} 00000002"))
    only_the_lie_is_malformed(send(ALICE, unknown), send(ALICE, REMOVE))
    for how in (Forgery(), Forgery(public=True)):
        only_the_lie_is_malformed(
            forge_commit(ALICE, [unknown], how), forge_commit(ALICE, [REMOVE], how)
        )
