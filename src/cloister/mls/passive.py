"""Following a group as a passive client: the check other implementations can run against this one.

The form is that of passive-client-*.json of mlswg/mls-implementations: a client is added by a
Welcome and follows the commits; its epoch authenticators must be those of the file. Binary
values are hexadecimal, MLS structures as MLSMessage (a bare KeyPackage is understood too).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum

import msgspec

from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.errors import CloisterError
from cloister.mls.errors import Malformed, MLSError, Unsupported
from cloister.mls.group import Group
from cloister.mls.key_package import KeyPackage, KeyPackageSecrets
from cloister.mls.message import MLSMessage
from cloister.mls.opened_welcome import open_welcome
from cloister.mls.operations import Operations
from cloister.mls.received import CommitReceived, ProposalReceived
from cloister.mls.suite import suite_of


class ExternalPsk(msgspec.Struct, frozen=True):
    """A pre-shared key the client knows."""

    psk_id: str
    psk: str


class PassiveEpoch(msgspec.Struct, frozen=True):
    """Proposals, then the commit that ends the epoch; the authenticator is the next epoch's."""

    commit: str
    epoch_authenticator: str
    proposals: list[str] = []


class PassiveCase(msgspec.Struct, frozen=True):
    """One client's story."""

    cipher_suite: int
    key_package: str
    signature_priv: str
    encryption_priv: str
    init_priv: str
    welcome: str
    initial_epoch_authenticator: str
    external_psks: list[ExternalPsk] = []
    ratchet_tree: str | None = None
    epochs: list[PassiveEpoch] = []


class Verdict(Enum):
    """How a case ended."""

    PASSED = "ok"
    FAILED = "FAILED"
    UNSUPPORTED = "unsupported"


class PassiveResult(msgspec.Struct, frozen=True):
    """The verdict on one case, with the number of epochs followed and the reason."""

    index: int
    cipher_suite: int
    verdict: Verdict
    epochs: int
    reason: str = ""


class Disagreement(MLSError):
    """The file's values are not ours."""


def decode_cases(data: bytes) -> list[PassiveCase]:
    """The cases of a file. Raises Malformed."""
    try:
        return msgspec.json.decode(data, type=list[PassiveCase])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not a list of passive client cases: {error}") from None


def run_cases(cases: list[PassiveCase]) -> Iterator[PassiveResult]:
    """Run each case; what a case does wrong, or we, ends that case only."""
    for index, case in enumerate(cases):
        yield run_case(index, case)


def run_case(index: int, case: PassiveCase) -> PassiveResult:
    """Run one case."""
    followed = 0
    try:
        group = join_case(case)
        psks = _psks(case)
        for epoch in case.epochs:
            group = follow(group, epoch, psks)
            followed += 1
    except Unsupported as error:
        return PassiveResult(index, case.cipher_suite, Verdict.UNSUPPORTED, followed, str(error))
    except CloisterError as error:
        reason = f"{type(error).__name__}: {error}"
        return PassiveResult(index, case.cipher_suite, Verdict.FAILED, followed, reason)
    return PassiveResult(index, case.cipher_suite, Verdict.PASSED, followed)


def join_case(case: PassiveCase) -> Group:
    """Check that the private keys fit, join, and compare the first epoch authenticator."""
    suite_of(case.cipher_suite)
    secrets = _secrets(case)
    opened = open_welcome(unhex(case.welcome), secrets, _psks(case))
    tree = None if case.ratchet_tree is None else unhex(case.ratchet_tree)
    group = opened.join(tree, now=None)
    _compare(group, case.initial_epoch_authenticator)
    return group


def follow(group: Group, epoch: PassiveEpoch, psks: Mapping[bytes, Secret]) -> Group:
    """Take in the proposals and the commit, and compare the next epoch authenticator."""
    for proposal in epoch.proposals:
        received = group.process(unhex(proposal), now=None, psks=psks, allow=Operations.ALL)
        if not isinstance(received, ProposalReceived):
            raise Disagreement("a message among the proposals is no proposal")
        group = received.next
    committed = group.process(unhex(epoch.commit), now=None, psks=psks, allow=Operations.ALL)
    if not isinstance(committed, CommitReceived):
        raise Disagreement("the commit is no commit")
    if committed.next is None:
        raise Disagreement("the commit removes this client")
    _compare(committed.next, epoch.epoch_authenticator)
    return committed.next


def _compare(group: Group, expected: str) -> None:
    if group.epoch_authenticator != unhex(expected):
        raise Disagreement(f"epoch authenticator of epoch {group.epoch} differs")


def _psks(case: PassiveCase) -> dict[bytes, Secret]:
    return {unhex(one.psk_id): Secret(unhex(one.psk)) for one in case.external_psks}


def _secrets(case: PassiveCase) -> KeyPackageSecrets:
    return secrets_of(
        unhex(case.key_package),
        init_priv=unhex(case.init_priv),
        encryption_priv=unhex(case.encryption_priv),
        signature_priv=unhex(case.signature_priv),
    )


def secrets_of(
    key_package: bytes, *, init_priv: bytes, encryption_priv: bytes, signature_priv: bytes
) -> KeyPackageSecrets:
    """The secrets of a KeyPackage made elsewhere, once it is seen that the keys fit.

    Args:
        key_package: an MLSMessage, or the bare structure.
        signature_priv: for Ed25519 the 32-byte seed, perhaps with the public key behind it.

    Raises Disagreement, Unsupported, DecodeError.
    """
    package = _key_package(key_package)
    suite = suite_of(package.cipher_suite)
    secrets = KeyPackageSecrets(
        key_package=package.encode(),
        init_key=Secret(init_priv),
        encryption_key=Secret(encryption_priv),
        signature_key=suite.signature_seed(signature_priv),
    )
    for public, private in (
        (package.init_key, secrets.init_key),
        (package.leaf_node.encryption_key, secrets.encryption_key),
    ):
        if HpkePrivateKey(suite.kem, private).public != public:
            raise Disagreement("a private key does not fit the KeyPackage")
    if suite.signature_key(secrets.signature_key).public != package.leaf_node.signature_key:
        raise Disagreement("the signature key does not fit the KeyPackage")
    return secrets


def _key_package(data: bytes) -> KeyPackage:
    # The wire format of a KeyPackage begins 0001 0005; a bare one 0001 and its suite.
    if data[:4] == b"\x00\x01\x00\x05":
        body = MLSMessage.decode(data).body
        if isinstance(body, KeyPackage):
            return body
    return KeyPackage.decode(data)


def unhex(text: str) -> bytes:
    """Binary from hexadecimal. Raises Malformed."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed("not hexadecimal") from None


def result_line(result: PassiveResult) -> str:
    """One line about a case."""
    line = (
        f"case {result.index}: {result.verdict.value}, "
        f"suite 0x{result.cipher_suite:04x}, {result.epochs} epochs"
    )
    return f"{line} ({result.reason})" if result.reason else line


def summary_line(results: list[PassiveResult]) -> str:
    """The counts of all cases."""
    counts = dict.fromkeys(Verdict, 0)
    for result in results:
        counts[result.verdict] += 1
    return (
        f"{len(results)} cases: {counts[Verdict.PASSED]} ok, "
        f"{counts[Verdict.FAILED]} failed, {counts[Verdict.UNSUPPORTED]} unsupported"
    )


def result_json(result: PassiveResult) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "case": result.index,
            "cipher_suite": result.cipher_suite,
            "verdict": result.verdict.name.lower(),
            "epochs": result.epochs,
            "reason": result.reason,
        }
    )
