"""Live against ts-mls (npm), an independent implementation: what each makes, the other accepts.

Vectors show that we understand others; only another implementation shows that others understand
us. Set CLOISTER_TS_MLS to a folder in which this was run:

    npm install --legacy-peer-deps ts-mls@1.6.4 @noble/curves@2.0.1 @noble/ciphers@2.1.1 \\
        @noble/hashes@2.0.1
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    ApplicationReceived,
    CommitReceived,
    Group,
    KeyPackageSecrets,
    Lifetime,
    ProposalReceived,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.message import MLSMessage
from unit.mls.members import CLASSICAL, ENTROPY, agree

TS_MLS = os.environ.get("CLOISTER_TS_MLS", "")
NODE = shutil.which("node")
NOW = int(time.time())
LIFETIME = Lifetime(not_before=NOW - 3600, not_after=NOW + 86_400)

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not (NODE and (Path(TS_MLS) / "node_modules" / "ts-mls").is_dir()),
        reason="needs node, and CLOISTER_TS_MLS naming a folder with ts-mls installed",
    ),
]


@dataclass
class Peer:
    """A ts-mls client in another process."""

    process: subprocess.Popen[str]

    def ask(self, command: str, **arguments: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "ok" in answer, answer
        return answer["ok"]

    def key_package(self) -> str:
        package: str = self.ask(
            "keyPackage",
            identity="peer",
            notBefore=LIFETIME.not_before,
            notAfter=LIFETIME.not_after,
        )
        return package

    def agrees_with(self, group: Group) -> bool:
        state = self.ask("state")
        return bool(
            state["epoch"] == group.epoch
            and state["authenticator"] == group.epoch_authenticator.hex()
            and state["exported"] == group.export("label", b"context", 20).expose().hex()
        )


@pytest.fixture
def peer() -> Iterator[Peer]:
    script = Path(__file__).with_name("peer.mjs")
    process = subprocess.Popen(
        [NODE or "node", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield Peer(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=10)


def package(name: str) -> KeyPackageSecrets:
    return make_key_package(
        CLASSICAL,
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(name.encode()),
        lifetime=LIFETIME,
        entropy=ENTROPY,
    )


def as_message(secrets: KeyPackageSecrets) -> str:
    return MLSMessage(body=secrets.parsed()).encode().hex()


def from_message(text: str) -> bytes:
    return MLSMessage.decode(bytes.fromhex(text)).body.encode()


def commits(group: Group, message: str) -> Group:
    received = group.process(bytes.fromhex(message), now=NOW)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    return received.next


def commit(group: Group, **what: Any) -> Any:
    return group.commit(now=NOW, entropy=ENTROPY, **what)


def talk(peer: Peer, group: Group) -> Group:
    """A text each way."""
    message, group = group.encrypt(b"to the peer", pad_to=(256, 1024), entropy=ENTROPY)
    assert bytes.fromhex(peer.ask("process", data=message.hex())) == b"to the peer"
    answer = peer.ask("encrypt", text=b"to us".hex())
    received = group.process(bytes.fromhex(answer), now=NOW)
    assert isinstance(received, ApplicationReceived)
    assert received.plaintext == b"to us"
    return received.next


def test_peer_joins_our_group_and_follows_and_leads(peer: Peer) -> None:
    group = Group.create(
        CLASSICAL,
        b"ours",
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"we"),
        entropy=ENTROPY,
    )
    second = package("second")
    staged = commit(group, adds=[second.key_package, from_message(peer.key_package())])
    peer.ask("join", welcome=staged.welcome.hex())
    others = [staged.next, open_welcome(staged.welcome, second).join(None, now=NOW)]
    assert agree(others)
    assert peer.agrees_with(others[0])
    for number in range(3):
        staged = commit(others[0])  # an update
        peer.ask("process", data=staged.message.hex())
        others = [staged.next, commits(others[1], staged.message.hex())]
        made = peer.ask("commit", adds=[], removes=[], asPublic=number % 2 == 1)["commit"]
        others = [commits(one, made) for one in others]
        assert agree(others)
        assert peer.agrees_with(others[0])
        others[0] = talk(peer, others[0])
        others[1] = Group.decode(others[1].encode())
    third = package("third")
    made = peer.ask("commit", adds=[as_message(third)], removes=[1], asPublic=False)
    removed = others[1].process(bytes.fromhex(made["commit"]), now=NOW)
    assert isinstance(removed, CommitReceived)
    assert removed.removed_self
    group = commits(others[0], made["commit"])
    joined = open_welcome(bytes.fromhex(made["welcome"]), third).join(None, now=NOW)
    assert agree([group, joined])
    assert peer.agrees_with(joined)
    staged = commit(joined, removes=[0], adds=[package("fourth").key_package])
    peer.ask("process", data=staged.message.hex())
    assert peer.agrees_with(staged.next)


def test_we_join_the_peers_group_and_lead(peer: Peer) -> None:
    peer.key_package()
    peer.ask("create", groupId=b"theirs".hex())
    secrets = package("we")
    made = peer.ask("commit", adds=[as_message(secrets)], removes=[], asPublic=False)
    group = open_welcome(bytes.fromhex(made["welcome"]), secrets).join(None, now=NOW)
    assert peer.agrees_with(group)
    group = talk(peer, group)
    for count in (1, 3, 2):
        staged = commit(group, adds=[package(f"{count} {n}").key_package for n in range(count)])
        peer.ask("process", data=staged.message.hex())
        group = staged.next
        assert peer.agrees_with(group)
        made = peer.ask("commit", adds=[], removes=[2], asPublic=False)
        group = commits(group, made["commit"])
        assert peer.agrees_with(group)
    talk(peer, group)


@pytest.mark.parametrize("as_public", [False, True])
def test_peers_proposals_are_committed_by_reference(peer: Peer, as_public: bool) -> None:
    peer.key_package()
    peer.ask("create", groupId=b"theirs".hex())
    secrets = package("we")
    made = peer.ask("commit", adds=[as_message(secrets)], removes=[], asPublic=False)
    group = open_welcome(bytes.fromhex(made["welcome"]), secrets).join(None, now=NOW)
    newcomer = package("newcomer")
    proposal = peer.ask("propose", adds=[as_message(newcomer)], removes=[], asPublic=as_public)
    received = group.process(bytes.fromhex(proposal), now=NOW)
    assert isinstance(received, ProposalReceived)
    made = peer.ask("commit", adds=[], removes=[], asPublic=as_public)
    group = commits(received.next, made["commit"])
    assert peer.agrees_with(group)
    assert group.members()[2].leaf.credential.data == b"newcomer"
    assert open_welcome(bytes.fromhex(made["welcome"]), newcomer).join(None, now=NOW).epoch == 2
