"""Record what ts-mls makes, so that it can be followed without node.

Writes `recorded/*.json` in the form of passive-client-*.json of mlswg/mls-implementations, with
three fields more in each epoch: `message`, an application message of the committer, `plaintext`,
and `exported`, the peer's MLS-Exporter("label", "context", 20). Every group, key and message in it
was made by ts-mls. test_recorded.py follows them, and so does `python -m cloister.mls passive`.

When the story below changes, record it anew:

    cd tests && ../.venv/bin/python -m interop.mls.record
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interop.mls.install import Installation
from interop.mls.ours import PSK, PSK_ID
from interop.mls.peer import Made, Peer, PeerClient
from interop.mls.suites import SUITES

FOLDER = Path(__file__).with_name("recorded")
# A path of X-Wing keys has some four kilobytes a node, so that story is shorter.
EPOCHS = {"X25519-AES128": 7, "X25519-ChaCha20": 7, "X-Wing as shipped": 2, "X-Wing labelled": 4}


class Story:
    """A group of ts-mls clients, one of which is the passive client."""

    def __init__(self, peer: Peer, suite: str) -> None:
        """Make the group and add the passive client to it, in the third leaf."""
        self._peer = peer
        self._suite = suite
        self.founder, other, self.passive = self._newcomer(), self._newcomer(), self._newcomer()
        self.founder.create(b"recorded")
        made = self.founder.commit(
            adds=(other.key_package, self.passive.key_package), psks=(PSK_ID,)
        )
        self.members = [self.founder, other, self.passive]
        for member in self.members[1:]:
            member.join(made.welcome)
        self.case = {
            "cipher_suite": SUITES[suite],
            "external_psks": [{"psk_id": PSK_ID.hex(), "psk": PSK.hex()}],
            "key_package": self.passive.key_package.hex(),
            **self.passive.private_keys(),
            "welcome": made.welcome.hex(),
            "ratchet_tree": None,
            "initial_epoch_authenticator": self.passive.state().authenticator.hex(),
        }

    def _newcomer(self) -> PeerClient:
        client = self._peer.client(self._suite)
        client.know_psk(PSK_ID, PSK)
        return client

    def epochs(self) -> Iterator[dict[str, Any]]:
        """One epoch after the other, each ended by what is made here."""
        founder, other = self.members[:2]
        yield self._epoch(other, other.commit())

        fourth = self._newcomer()
        proposals = [
            self._to_all(founder, founder.propose_add(fourth.key_package, as_public=True)),
            self._to_all(other, other.propose_psk(PSK_ID)),
        ]
        made = founder.commit()
        fourth.join(made.welcome)
        yield self._epoch(founder, made, proposals)
        self.members.append(fourth)

        made = fourth.commit(removes=(1,))
        self.members.remove(other)
        yield self._epoch(fourth, made)

        # No path: a pre-shared key alone needs none.
        yield self._epoch(founder, founder.commit(psks=(PSK_ID,), as_public=True))

        fifth = self._newcomer()
        made = founder.commit(adds=(fifth.key_package,), as_public=True)
        fifth.join(made.welcome)
        yield self._epoch(founder, made)
        self.members.append(fifth)

        proposals = [self._to_all(fifth, fifth.propose_remove(3))]
        self.members.remove(fourth)
        yield self._epoch(founder, founder.commit(as_public=True), proposals)

        outsider = self._newcomer()
        message = outsider.join_externally(founder.group_info())
        self.members.append(outsider)
        yield self._epoch(outsider, Made(message, welcome=b"", tree=b""))

    def _to_all(self, sender: PeerClient, message: bytes) -> str:
        for member in self.members:
            if member is not sender:
                member.process(message)
        return message.hex()

    def _epoch(
        self, committer: PeerClient, made: Made, proposals: list[str] | None = None
    ) -> dict[str, Any]:
        commit = self._to_all(committer, made.commit)
        state = self.passive.state()
        if any(member.state() != state for member in self.members):
            raise SystemExit("the peers do not agree")
        plaintext = f"epoch {state.epoch}".encode()
        return {
            "proposals": proposals or [],
            "commit": commit,
            "epoch_authenticator": state.authenticator.hex(),
            "message": self._to_all(committer, committer.encrypt(plaintext)),
            "plaintext": plaintext.hex(),
            "exported": state.exported.hex(),
        }


def main() -> None:
    """Record every suite anew."""
    FOLDER.mkdir(exist_ok=True)
    with Peer(Installation().folder) as peer:
        for suite, count in EPOCHS.items():
            story = Story(peer, suite)
            epochs = [epoch for epoch, _ in zip(story.epochs(), range(count), strict=False)]
            cases = [{**story.case, "epochs": epochs}]
            name = suite.lower().replace(" ", "-") + ".json"
            (FOLDER / name).write_text(json.dumps(cases, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
