"""Clients of ts-mls in one other process, driven over a pipe (see peer.mjs)."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cloister.mls import Extension, Group, Lifetime
from unit.mls.members import CHECKPOINT

NOW = int(time.time())
# ts-mls compares the lifetimes of KeyPackages with the clock.
LIFETIME = Lifetime(not_before=NOW - 3600, not_after=NOW + 86_400)
# Longer than all tests of a module take together. A peer that hangs ends here.
PEER_LIFE_S = 120


class Refused(Exception):
    """The peer did not do it; the text is its error."""


class Peer:
    """The process. Clients in it are made by ``client``."""

    def __init__(self, folder: Path) -> None:
        """Start node with the packages in ``folder``."""
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", str(Path(__file__).with_name("peer.mjs")), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._end = threading.Timer(PEER_LIFE_S, self._process.kill)
        self._end.daemon = True
        self._end.start()
        self._clients = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # At the end of its input the process ends by itself.
        self._process.communicate(timeout=60)
        self._end.cancel()

    def ask(self, command: str, client: int, **arguments: object) -> Any:
        """Have one client do something. Raises Refused."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {"command": command, "client": client, **arguments}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the peer has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["ok"]

    def client(self, suite: str, identity: str = "peer") -> PeerClient:
        """A new client with a KeyPackage, in no group. ``suite`` is a name of peer.mjs."""
        self._clients += 1
        key_package = self.ask(
            "keyPackage",
            self._clients,
            suite=suite,
            identity=identity,
            notBefore=LIFETIME.not_before,
            notAfter=LIFETIME.not_after,
            supported=[CHECKPOINT],
        )
        return PeerClient(self, self._clients, suite, bytes.fromhex(key_package))


@dataclass(frozen=True)
class Made:
    """A commit, the Welcome for those it adds or b"", and the tree after it."""

    commit: bytes
    welcome: bytes
    tree: bytes


@dataclass(frozen=True)
class PeerState:
    """What is compared between members. ``exported`` has 20 bytes."""

    epoch: int
    authenticator: bytes
    tree: bytes
    exported: bytes
    active: bool


@dataclass(frozen=True)
class PeerClient:
    """One client of ts-mls. All messages are MLSMessages.

    Every method raises Refused when ts-mls throws.
    """

    peer: Peer
    number: int
    suite: str
    key_package: bytes

    def _ask(self, command: str, **arguments: object) -> Any:
        return self.peer.ask(command, self.number, **arguments)

    def _bytes(self, command: str, **arguments: object) -> bytes:
        return bytes.fromhex(self._ask(command, **arguments))

    def private_keys(self) -> dict[str, str]:
        """The private keys behind the KeyPackage, named as in the passive client files."""
        keys: dict[str, str] = self._ask("privateKeys")
        return keys

    def know_psk(self, psk_id: bytes, psk: bytes) -> None:
        """Learn an external pre-shared key."""
        self._ask("knowPsk", id=psk_id.hex(), psk=psk.hex())

    def create(self, group_id: bytes) -> None:
        """Create a group."""
        self._ask("create", groupId=group_id.hex())

    def join(self, welcome: bytes | None, tree: bytes = b"") -> None:
        """Join by a Welcome."""
        assert welcome
        self._ask("join", welcome=welcome.hex(), tree=tree.hex())

    def commit(
        self,
        *,
        adds: tuple[bytes, ...] = (),
        removes: tuple[int, ...] = (),
        psks: tuple[bytes, ...] = (),
        resumption_epochs: tuple[int, ...] = (),
        extensions: tuple[Extension, ...] = (),
        as_public: bool = False,
        tree_in_welcome: bool = True,
        authenticated_data: bytes = b"",
    ) -> Made:
        """Commit these and every proposal received or made, and go to the new epoch."""
        made = self._ask(
            "commit",
            adds=[one.hex() for one in adds],
            removes=removes,
            psks=[one.hex() for one in psks],
            resumptionEpochs=resumption_epochs,
            extensions=[(one.extension_type, one.data.hex()) for one in extensions],
            asPublic=as_public,
            withTree=tree_in_welcome,
            authenticatedData=authenticated_data.hex(),
        )
        return Made(*(bytes.fromhex(made[name]) for name in ("commit", "welcome", "tree")))

    def propose_add(self, key_package: bytes, *, as_public: bool = False) -> bytes:
        """Propose to add a client."""
        return self._bytes("propose", adds=[key_package.hex()], asPublic=as_public)

    def propose_remove(self, leaf: int, *, as_public: bool = False) -> bytes:
        """Propose to remove a member."""
        return self._bytes("propose", removes=[leaf], asPublic=as_public)

    def propose_psk(self, psk_id: bytes, *, as_public: bool = False) -> bytes:
        """Propose to mix in an external pre-shared key."""
        return self._bytes("propose", psks=[psk_id.hex()], asPublic=as_public)

    def encrypt(self, text: bytes, authenticated_data: bytes = b"") -> bytes:
        """Encrypt an application message."""
        return self._bytes("encrypt", text=text.hex(), authenticatedData=authenticated_data.hex())

    def process(self, message: bytes) -> bytes:
        """Process a message: the plaintext of an application message, else b""."""
        return self._bytes("process", data=message.hex())

    def extensions(self) -> tuple[Extension, ...]:
        """The extensions of the group context; of the RFC's own the type is a name there."""
        return tuple(
            Extension(extension_type=kind, data=bytes.fromhex(data))
            for kind, data in self._ask("extensions")
        )

    def state(self) -> PeerState:
        """What is compared."""
        state = self._ask("state", label="label", context=b"context".hex(), length=20)
        return PeerState(
            epoch=state["epoch"],
            authenticator=bytes.fromhex(state["authenticator"]),
            tree=bytes.fromhex(state["tree"]),
            exported=bytes.fromhex(state["exported"]),
            active=state["active"],
        )

    def agrees_with(self, group: Group) -> bool:
        """Whether the peer has our epoch, authenticator, tree and exported secrets."""
        return self.state() == PeerState(
            epoch=group.epoch,
            authenticator=group.epoch_authenticator,
            tree=group.ratchet_tree(),
            exported=group.export("label", b"context", 20).expose(),
            active=True,
        )

    def group_info(self, *, with_tree: bool = True) -> bytes:
        """The GroupInfo that lets others join from outside."""
        return self._bytes("groupInfo", withTree=with_tree)

    def join_externally(
        self, group_info: bytes, tree: bytes = b"", *, resync: bool = False
    ) -> bytes:
        """Join by an external commit; ``resync`` removes our former leaf. The commit."""
        return self._bytes(
            "joinExternally", groupInfo=group_info.hex(), tree=tree.hex(), resync=resync
        )

    def propose_self(self, group_info: bytes) -> bytes:
        """Propose, from outside, to be added."""
        return self._bytes("proposeSelf", groupInfo=group_info.hex())

    def reinit(self, group_id: bytes) -> bytes:
        """Commit that the group is to be made anew under another id. The commit."""
        return self._bytes("reinit", groupId=group_id.hex())

    def create_after_reinit(
        self, old: PeerClient, group_id: bytes, adds: tuple[bytes, ...]
    ) -> tuple[bytes, bytes]:
        """Make the new group after a ReInit. The Welcome, and the tree it does not carry."""
        return self._create_after("createAfterReinit", old, group_id, adds)

    def create_branch(
        self, old: PeerClient, group_id: bytes, adds: tuple[bytes, ...]
    ) -> tuple[bytes, bytes]:
        """Branch a group off the old one. The Welcome, and the tree it does not carry."""
        return self._create_after("branch", old, group_id, adds)

    def _create_after(
        self, command: str, old: PeerClient, group_id: bytes, adds: tuple[bytes, ...]
    ) -> tuple[bytes, bytes]:
        made = self._ask(
            command,
            old=old.number,
            groupId=group_id.hex(),
            adds=[one.hex() for one in adds],
        )
        return bytes.fromhex(made["welcome"]), bytes.fromhex(made["tree"])

    def join_after_reinit(self, old: PeerClient, welcome: bytes, tree: bytes = b"") -> None:
        """Join the new group after a ReInit."""
        self._join_after("joinAfterReinit", old, welcome, tree)

    def join_branch(self, old: PeerClient, welcome: bytes, tree: bytes = b"") -> None:
        """Join a group branched off the old one."""
        self._join_after("joinBranch", old, welcome, tree)

    def _join_after(self, command: str, old: PeerClient, welcome: bytes, tree: bytes) -> None:
        self._ask(command, old=old.number, welcome=welcome.hex(), tree=tree.hex())
