"""Messages to a member: as they come over the wire, and below what protects them.

An attacker who is a member encrypts and signs whatever he likes. So most of these change a
structure first and protect it with his keys then; bytes changed on the wire never get that far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from cloister.crypto.signature import Ed25519Key
from cloister.mls import Group, MLSError
from cloister.mls.commit import Commit
from cloister.mls.framing import Sender, encode_body
from cloister.mls.message import MLSMessage
from cloister.mls.operations import Operations
from cloister.mls.private_message import (
    REUSE_GUARD_LENGTH,
    PrivateMessage,
    sender_data_key,
)
from cloister.mls.proposal import (
    Proposal,
    Update,
)
from cloister.mls.received import Received
from cloister.mls.registry import ContentType, SenderType
from cloister.testing.forge import send, update_leaf
from fuzz.targets.decoders import proposals, proposed
from fuzz.targets.edits import choose, edited, example_scripts
from fuzz.targets.target import Finding, Target
from fuzz.targets.world import OUTSIDE, PSKS, world
from unit.mls.members import ENTROPY, NOW

CONTENT_TYPES = (ContentType.APPLICATION, ContentType.PROPOSAL, ContentType.COMMIT)


def process(message: bytes) -> Received | None:
    """Let the victim process a message, and hold it to its promises."""
    here = world()
    try:
        received = here.victim.process(message, now=NOW, psks=PSKS, allow=Operations.ALL)
    except MLSError:
        received = None
    if here.victim.encode() != here.victim_state:
        raise Finding("processing a message changed the group it was given to")
    if received is not None and received.next is not None:
        state = received.next.encode()
        if Group.decode(state).encode() != state:
            raise Finding("the state after a message is not what is read back")
    return received


def _raw(kind: type[Commit | Proposal], encoding: bytes) -> Commit | Proposal:
    """A structure that says it has this encoding, whatever that is."""
    value = object.__new__(kind)
    object.__setattr__(value, "_encoded", encoding)
    return value


# -- on the wire ----------------------------------------------------------------------------


@cache
def wire_messages() -> tuple[bytes, ...]:
    """A message of each kind to the victim."""
    here = world()
    text, _ = here.attacker.encrypt(b"text", entropy=ENTROPY)
    commit = here.opened(here.updating).content.body
    return (
        here.updating.message,
        text,
        send(here.attacker, commit, public=True, tag=bytes(32)),
        *(send(here.attacker, one) for one in proposals()[:2]),
        *(send(here.attacker, one, public=True) for one in proposals()[:2]),
        here.welcoming.welcome or b"",
    )


def process_wire(script: bytes) -> None:
    """Change a message as the relay could."""
    process(edited(script, wire_messages()))


# -- below encryption and signature -----------------------------------------------------------


@cache
def commits() -> tuple[bytes, ...]:
    """Commit structures of the attacker: everything at once, an update, one without a path."""
    here = world()
    without_path = here.attacker.commit(external_psks=PSKS, now=NOW, entropy=ENTROPY)
    entries = Commit.decode(here.commit(without_path)).proposals
    return (
        here.commit(here.full),
        here.commit(here.updating),
        Commit(proposals=entries, path=None).encode(),
    )


def process_commit(script: bytes, *, public: bool) -> None:
    """Change a Commit and sign it. Its confirmation tag, checked last, is wrong."""
    body = _raw(Commit, edited(script, commits()))
    message = send(world().attacker, body, tag=bytes(32), public=public)
    if process(message) is not None:
        raise Finding("a commit with a wrong confirmation tag was accepted")


@cache
def encoded_proposals() -> tuple[bytes, ...]:
    """A proposal of each type."""
    update = Proposal(body=Update(leaf_node=update_leaf(world().attacker)))
    return tuple(one.encode() for one in (*proposals(), update))


def process_proposal(script: bytes) -> None:
    """Change a Proposal and sign it: what is accepted waits for a commit."""
    process(send(world().attacker, _raw(Proposal, edited(script, encoded_proposals()))))


def process_external_proposal(script: bytes) -> None:
    """Change a Proposal of somebody outside: a sender the group knows, or who wants to be added."""
    body = _raw(Proposal, edited(script, encoded_proposals()))
    is_known = bool(script) and script[0] < 0x80
    sender_type = SenderType.EXTERNAL if is_known else SenderType.NEW_MEMBER_PROPOSAL
    key = OUTSIDE if is_known else Ed25519Key(proposed().signature_key)
    sender = Sender(sender_type=sender_type)
    process(send(world().attacker, body, public=True, sender=sender, key=key))


@cache
def plaintexts() -> tuple[bytes, ...]:
    """What is inside a PrivateMessage, for each content type: content, signature, padding."""
    here = world()
    signature = b"\x40\x40" + bytes(64)
    return (
        encode_body(b"text") + signature + bytes(8),
        encoded_proposals()[2] + signature + bytes(8),
        commits()[1] + signature + b"\x20" + bytes(32),
        encode_body(here.newcomer.key_package) + signature,
    )


def process_plaintext(script: bytes) -> None:
    """Change the plaintext of a PrivateMessage, padding and signature included, and encrypt it."""
    plaintext = edited(script, plaintexts())
    content_type = CONTENT_TYPES[choose(script, len(plaintexts())) % 3]
    process(sealed(world().attacker, content_type, plaintext))


def sealed(group: Group, content_type: ContentType, plaintext: bytes) -> bytes:
    """Any plaintext as a PrivateMessage of this member (RFC 9420 sections 6.3.1, 6.3.2)."""
    suite = group.suite
    key, _ = group.secret_tree.take_next(
        group.own_leaf, is_application=content_type is ContentType.APPLICATION
    )

    def message(encrypted_sender_data: bytes, ciphertext: bytes) -> PrivateMessage:
        return PrivateMessage(
            group_id=group.group_id,
            epoch=group.epoch,
            content_type=content_type,
            authenticated_data=b"",
            encrypted_sender_data=encrypted_sender_data,
            ciphertext=ciphertext,
        )

    # A reuse guard of zeros leaves the nonce as it is.
    aad = message(b"", b"").content_aad()
    ciphertext = suite.aead.seal(key.key, key.nonce.expose(), plaintext, aad)
    sender = group.own_leaf.to_bytes(4, "big") + key.generation.to_bytes(4, "big")
    data_key, data_nonce = sender_data_key(suite, group.state.secrets.sender_data, ciphertext)
    # SenderDataAAD is PrivateContentAAD without the authenticated data, here one zero.
    sender_data = suite.aead.seal(
        data_key, data_nonce, sender + bytes(REUSE_GUARD_LENGTH), aad[:-1]
    )
    return MLSMessage(body=message(sender_data, ciphertext)).encode()


def target_of(
    name: str, run: Callable[[bytes], None], bases: Callable[[], Sequence[bytes]]
) -> Target:
    return Target(name, run, lambda: example_scripts(bases()), max_bytes=128, is_script=True)


PROCESSING = (
    target_of("process-wire", process_wire, wire_messages),
    target_of("process-commit", partial(process_commit, public=False), commits),
    target_of("process-public-commit", partial(process_commit, public=True), commits),
    target_of("process-proposal", process_proposal, encoded_proposals),
    target_of("process-external-proposal", process_external_proposal, encoded_proposals),
    target_of("process-plaintext", process_plaintext, plaintexts),
)
