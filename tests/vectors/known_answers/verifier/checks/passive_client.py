"""passive-client-*: join by a Welcome and follow the group's commits."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.framing import MLSMessage
from vectors.known_answers.verifier.joining import Psks, State, join
from vectors.known_answers.verifier.leaf import KeyPackage
from vectors.known_answers.verifier.passive import PassiveMember
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.welcome import Welcome


def check(case: dict[str, Any]) -> None:
    member = PassiveMember(_join(case))
    stated = bytes.fromhex(case["initial_epoch_authenticator"])
    equal(member.epoch_authenticator, stated, "initial_epoch_authenticator")
    for number, epoch in enumerate(case["epochs"]):
        try:
            for proposal in epoch["proposals"]:
                member.take_proposal(bytes.fromhex(proposal))
            member.take_commit(bytes.fromhex(epoch["commit"]))
            stated = bytes.fromhex(epoch["epoch_authenticator"])
            equal(member.epoch_authenticator, stated, "epoch_authenticator")
        except Failure as failure:
            raise Failure(f"epoch {number}: {failure}") from None


def _join(case: dict[str, Any]) -> State:
    package = decode(MLSMessage.read, bytes.fromhex(case["key_package"])).body
    welcome = decode(MLSMessage.read, bytes.fromhex(case["welcome"])).body
    if not isinstance(package, KeyPackage) or not isinstance(welcome, Welcome):
        raise Failure("a message is of the wrong kind")
    external = {
        bytes.fromhex(one["psk_id"]): bytes.fromhex(one["psk"]) for one in case["external_psks"]
    }
    tree = case["ratchet_tree"]
    private = {
        name: bytes.fromhex(case[f"{name}_priv"]) for name in ("init", "encryption", "signature")
    }
    return join(
        suite_of(case["cipher_suite"]),
        package,
        private,
        welcome,
        None if tree is None else bytes.fromhex(tree),
        Psks(external, {}),
    )
