"""Founders and joiners of groups that continue others, for the tests of what they get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloister.crypto.secret import Secret
from cloister.mls import (
    Extension,
    Group,
    KeyPackageSecrets,
    StagedCommit,
    basic_credential,
    open_welcome,
)
from cloister.mls.successor_check import Identity, credential_of
from cloister.mls.suite import suite_of
from unit.mls.members import CHECKPOINT, ENTROPY, NO_PSKS, NOW, package, welcome_of

PARAMETER = Extension(extension_type=CHECKPOINT, data=b"of the new group")


def alone(
    group_id: bytes, suite: int, *, name: str = "member 0", extensions: Sequence[Extension] = ()
) -> Group:
    """A founder before anybody is added."""
    return Group.create(
        suite,
        group_id,
        signature_seed=suite_of(suite).generate_signature_seed(ENTROPY),
        credential=basic_credential(name.encode()),
        supported_extensions=(CHECKPOINT,),
        group_extensions=extensions,
        entropy=ENTROPY,
    )


def packages_of(suite: int, *names: str) -> dict[str, KeyPackageSecrets]:
    """A KeyPackage of each of these clients."""
    return {name: package(name, suite) for name in names}


def joins(
    welcome: StagedCommit | bytes,
    secrets: KeyPackageSecrets,
    predecessor: Group | None,
    *,
    tree: bytes | None = None,
    identity: Identity = credential_of,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> Group:
    """Open a Welcome with the old group at hand, and join."""
    message = welcome if isinstance(welcome, bytes) else welcome_of(welcome)
    opened = open_welcome(message, secrets, psks, predecessor=predecessor)
    return opened.join(tree, now=NOW, identity=identity)
