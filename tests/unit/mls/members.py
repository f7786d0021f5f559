"""Members of a test group: makers, joiners, and delivery to everybody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from cloister.crypto.secret import Secret
from cloister.mls import (
    ApplicationReceived,
    CipherSuite,
    CommitReceived,
    Extension,
    Group,
    KeyPackageSecrets,
    Lifetime,
    ProposalReceived,
    StagedCommit,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.suite import suite_of

NO_PSKS: Mapping[bytes, Secret] = {}
PRODUCT = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519
CLASSICAL = CipherSuite.X25519_AES128GCM_SHA256_ED25519
NOW = 1_800_000_000
LIFETIME = Lifetime(not_before=NOW - 1000, not_after=NOW + 1000)
CHECKPOINT = 0xF100  # an extension type of the application's own


class SeededEntropy:
    """Repeatable randomness; every call gives other bytes.

    ``place``: seed and count of calls. Who must be repeatable by himself takes a seed of his own,
    and puts back what was there.
    """

    def __init__(self, seed: str = "cloister") -> None:
        self.place = (seed.encode(), 0)

    def random(self, n: int) -> bytes:
        seed, count = self.place
        self.place = (seed, count + 1)
        return hashlib.shake_256(seed + (count + 1).to_bytes(8, "big")).digest(n)


ENTROPY = SeededEntropy()


def package(
    name: str,
    suite: int = PRODUCT,
    *,
    lifetime: Lifetime = LIFETIME,
    signature_seed: Secret | None = None,
    supported: Sequence[int] = (CHECKPOINT,),
) -> KeyPackageSecrets:
    return make_key_package(
        suite,
        signature_seed=signature_seed or suite_of(suite).generate_signature_seed(ENTROPY),
        credential=basic_credential(name.encode()),
        lifetime=lifetime,
        supported_extensions=supported,
        entropy=ENTROPY,
    )


def founder(suite: int = PRODUCT, *, extensions: Sequence[Extension] = ()) -> Group:
    return Group.create(
        suite,
        b"the group",
        signature_seed=suite_of(suite).generate_signature_seed(ENTROPY),
        credential=basic_credential(b"member 0"),
        supported_extensions=(CHECKPOINT,),
        group_extensions=extensions,
        entropy=ENTROPY,
    )


def add(group: Group, *packages: KeyPackageSecrets, tree_in_welcome: bool = True) -> StagedCommit:
    return group.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=tree_in_welcome,
        now=NOW,
        entropy=ENTROPY,
    )


def welcome_of(staged: StagedCommit) -> bytes:
    assert staged.welcome is not None
    return staged.welcome


def join(
    staged: StagedCommit, secrets: KeyPackageSecrets, psks: Mapping[bytes, Secret] = NO_PSKS
) -> Group:
    return open_welcome(welcome_of(staged), secrets, psks).join(None, now=NOW)


def group_of(size: int, suite: int = PRODUCT) -> list[Group]:
    """A group whose first member added all others in one commit, in leaf order."""
    packages = [package(f"member {n}", suite) for n in range(1, size)]
    staged = add(founder(suite), *packages)
    return [staged.next, *(join(staged, one) for one in packages)]


def update(group: Group) -> StagedCommit:
    return group.commit(now=NOW, entropy=ENTROPY)


def take_commit(group: Group, message: bytes) -> Group:
    received = group.process(message, now=NOW)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    return received.next


def take_text(group: Group, message: bytes) -> tuple[bytes, Group]:
    received = group.process(message, now=NOW)
    assert isinstance(received, ApplicationReceived)
    return received.plaintext, received.next


def take_proposal(group: Group, message: bytes) -> tuple[bytes, Group]:
    received = group.process(message, now=NOW)
    assert isinstance(received, ProposalReceived)
    return received.reference, received.next


def settle(groups: Sequence[Group], committer: int, staged: StagedCommit) -> list[Group]:
    """Deliver a commit to all: the committer merges, the others process."""
    return [
        staged.next if n == committer else take_commit(group, staged.message)
        for n, group in enumerate(groups)
    ]


def agree(groups: Sequence[Group]) -> bool:
    """Whether all are in one epoch with one authenticator and one tree."""
    views = {(g.epoch, g.epoch_authenticator, g.ratchet_tree()) for g in groups}
    return len(views) == 1
