"""X.509 credentials whose certificates are no list, in a group that knows such credentials."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import Extension, ExtensionType, Group, KeyPackageSecrets, Malformed
from cloister.mls.credential import Credential
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add, GroupContextExtensions, Proposal, Update
from cloister.mls.registry import CredentialType
from cloister.testing.forge import change_leaf, resigned_package, send, update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, add, founder, join, package
from unit.mls.rules.verdict import accepts, refuses

CHAIN = "02 aabb 01 cc"
BROKEN = [
    pytest.param("02 aabb 02 cc", id="the last one cut short"),
    pytest.param("02 aabb 01 cc 05", id="one that is only a length"),
    pytest.param("4002 aabb 01 cc", id="a length in a longer form"),
    pytest.param("c000000000000002 aabb 01 cc", id="a length with the prefix 11"),
    pytest.param("30 82 01 0a", id="no list at all"),
]


def certified(chain: str) -> Credential:
    return Credential(credential_type=CredentialType.X509, data=bytes.fromhex(chain))


def with_credential(secrets: KeyPackageSecrets, credential: Credential | None = None) -> KeyPackage:
    """The KeyPackage of somebody who supports both types of credential, and may have either."""

    def able(leaf: LeafNode) -> LeafNode:
        both = replace(leaf.capabilities, credentials=(CredentialType.BASIC, CredentialType.X509))
        return change_leaf(leaf, capabilities=both, credential=credential or leaf.credential)

    return resigned_package(secrets, leaf=able)


def group_that_knows_certificates() -> tuple[Group, Group]:
    """Two members; the founder, who knows no certificates, has left."""
    packages = [
        replace(secrets, key_package=with_credential(secrets).encode())
        for secrets in (package("one", CLASSICAL), package("two", CLASSICAL))
    ]
    staged = add(founder(CLASSICAL), *packages)
    one, two = (join(staged, secrets) for secrets in packages)
    leaving = one.commit(removes=[0], now=NOW, entropy=ENTROPY)
    return leaving.next, accepts(two, leaving.message)


ALICE, BOB = group_that_knows_certificates()
NEWCOMER = package("newcomer", CLASSICAL)


def only_the_lie_is_malformed(message: Callable[[Credential], bytes], chain: str) -> None:
    accepts(BOB, message(certified(CHAIN)))
    refuses(BOB, message(certified(chain)), Malformed)


@pytest.mark.parametrize("chain", BROKEN)
def test_malformed_certificates_of_who_is_added_MLS_012(chain: str) -> None:
    def adding(credential: Credential) -> bytes:
        return forge_commit(ALICE, [Add(key_package=with_credential(NEWCOMER, credential))])

    only_the_lie_is_malformed(adding, chain)


@pytest.mark.parametrize("chain", BROKEN)
def test_malformed_certificates_of_a_committer_MLS_012(chain: str) -> None:
    def committing(credential: Credential) -> bytes:
        how = Forgery(change_leaf=lambda leaf: change_leaf(leaf, credential=credential))
        return forge_commit(ALICE, [], how)

    only_the_lie_is_malformed(committing, chain)


def test_malformed_certificates_in_an_update_MLS_012() -> None:
    def updating(credential: Credential) -> bytes:
        leaf = update_leaf(ALICE, credential=credential)
        return send(ALICE, Proposal(body=Update(leaf_node=leaf)))

    only_the_lie_is_malformed(updating, "02 aabb 02 cc")


@pytest.mark.parametrize("chain", BROKEN)
def test_malformed_certificates_of_an_external_sender_MLS_012(chain: str) -> None:
    def naming(credential: Credential) -> bytes:
        outside = ExternalSender(signature_key=bytes(32), credential=credential)
        extension = Extension(
            extension_type=ExtensionType.EXTERNAL_SENDERS,
            data=ExternalSenders(senders=(outside,)).encode(),
        )
        return forge_commit(ALICE, [GroupContextExtensions(extensions=(extension,))])

    only_the_lie_is_malformed(naming, chain)
