"""The engine by itself: `python -m cloister.mls`.

A group's state is one file, written anew before a message leaves or a plaintext is shown. The
files hold private keys in the clear: this is a tool for interoperability, not a messenger.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.errors import CloisterError, LocalError
from cloister.mls.credential import basic_credential
from cloister.mls.group import Group
from cloister.mls.key_package import KeyPackage, KeyPackageSecrets, make_key_package
from cloister.mls.leaf_node import Lifetime
from cloister.mls.message import MLSMessage
from cloister.mls.opened_welcome import open_welcome
from cloister.mls.passive import (
    Verdict,
    decode_cases,
    result_json,
    result_line,
    run_cases,
    secrets_of,
    summary_line,
    unhex,
)
from cloister.mls.received import ApplicationReceived, CommitReceived, ProposalReceived
from cloister.mls.registry import CipherSuite
from cloister.mls.suite import suite_of

ENTROPY = SystemEntropy()
THIRTY_DAYS_S = 30 * 24 * 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all went well, 1 when something was refused."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return command(parsed)
    except CloisterError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cloister.mls", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    passive = commands.add_parser("passive", help="run passive-client-*.json files")
    passive.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    passive.add_argument("--json", action="store_true", help="one JSON object per case")
    passive.set_defaults(run=_passive)

    package = commands.add_parser("key-package", help="make a KeyPackage and its secrets")
    package.add_argument("--identity", required=True)
    package.add_argument("--suite", type=_code, default=_DEFAULT_SUITE, help=_SUITE_HELP)
    package.add_argument("--secrets", required=True, type=Path, help="where to write the secrets")
    package.add_argument("--out", required=True, type=Path, help="where to write the MLSMessage")
    package.set_defaults(run=_key_package)

    create = commands.add_parser("create", help="create a group")
    create.add_argument("--identity", required=True)
    create.add_argument("--group-id", required=True, help="hexadecimal")
    create.add_argument("--suite", type=_code, default=_DEFAULT_SUITE, help=_SUITE_HELP)
    create.add_argument("--state", required=True, type=Path)
    create.set_defaults(run=_create)

    join = commands.add_parser("join", help="join from a Welcome")
    join.add_argument("--secrets", type=Path, help="as written by key-package; deleted then")
    join.add_argument("--key-package", type=Path, help="a KeyPackage made elsewhere, with")
    for name in ("--init-priv", "--encryption-priv", "--signature-priv"):
        join.add_argument(name, default="", metavar="HEX", help="its private key")
    join.add_argument("--welcome", required=True, type=Path)
    join.add_argument("--tree", type=Path, help="the ratchet tree, if it is not in the Welcome")
    join.add_argument("--psk", action="append", default=[], metavar="ID=KEY", help="hexadecimal")
    join.add_argument("--state", required=True, type=Path)
    join.set_defaults(run=_join)

    process = commands.add_parser("process", help="process messages in order")
    process.add_argument("--state", required=True, type=Path)
    process.add_argument("--psk", action="append", default=[], metavar="ID=KEY", help="hexadecimal")
    for command in (join, process):
        command.add_argument("--ignore-lifetimes", action="store_true", help="for old material")
    process.add_argument("messages", nargs="+", type=Path)
    process.set_defaults(run=_process)

    commit = commands.add_parser("commit", help="add, remove, or just renew our keys")
    commit.add_argument("--state", required=True, type=Path)
    commit.add_argument("--add", action="append", default=[], type=Path, help="a KeyPackage")
    commit.add_argument("--remove", action="append", default=[], type=int, help="a leaf index")
    commit.add_argument("--out", required=True, type=Path, help="where to write the commit")
    commit.add_argument("--welcome", type=Path, help="where to write the Welcome")
    commit.add_argument("--tree", type=Path, help="write the tree there, not into the Welcome")
    commit.set_defaults(run=_commit)

    encrypt = commands.add_parser("encrypt", help="encrypt standard input")
    encrypt.add_argument("--state", required=True, type=Path)
    encrypt.add_argument("--out", required=True, type=Path)
    encrypt.set_defaults(run=_encrypt)

    export = commands.add_parser("export", help="derive a secret (MLS-Exporter)")
    export.add_argument("--state", required=True, type=Path)
    export.add_argument("--label", required=True)
    export.add_argument("--context", default="", help="hexadecimal")
    export.add_argument("--length", type=int, default=32)
    export.set_defaults(run=_export)

    show = commands.add_parser("show", help="epoch, authenticator and members")
    show.add_argument("--state", required=True, type=Path)
    show.set_defaults(run=_show)
    return parser


_DEFAULT_SUITE = int(CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519)
_SUITE_HELP = "code point, 0xF002 unless given"


def _code(text: str) -> int:
    return int(text, 0)


def _store(path: Path, data: bytes) -> None:
    """Write a secret file completely or not at all, readable by its owner only."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _load(path: Path) -> Group:
    return Group.decode(path.read_bytes())


def _now() -> int:
    return int(time.time())


def _lifetime() -> Lifetime:
    # An hour back for clocks that are slow.
    return Lifetime(not_before=_now() - 3600, not_after=_now() + THIRTY_DAYS_S)


def _psks(pairs: Sequence[str]) -> dict[bytes, Secret]:
    split = [pair.partition("=") for pair in pairs]
    return {unhex(name): Secret(unhex(value)) for name, _, value in split}


def _passive(parsed: argparse.Namespace) -> int:
    failed = False
    for path in parsed.files:
        results = []
        for result in run_cases(decode_cases(path.read_bytes())):
            results.append(result)
            print(result_json(result) if parsed.json else result_line(result))
        print(f"{path.name}: {summary_line(results)}", file=sys.stderr if parsed.json else None)
        failed |= any(result.verdict is Verdict.FAILED for result in results)
    return 1 if failed else 0


def _key_package(parsed: argparse.Namespace) -> int:
    secrets = make_key_package(
        parsed.suite,
        signature_seed=suite_of(parsed.suite).generate_signature_seed(ENTROPY),
        credential=basic_credential(parsed.identity.encode()),
        lifetime=_lifetime(),
        entropy=ENTROPY,
    )
    _store(parsed.secrets, secrets.encode())
    parsed.out.write_bytes(MLSMessage(body=secrets.parsed()).encode())
    print(secrets.reference.hex())
    return 0


def _create(parsed: argparse.Namespace) -> int:
    group = Group.create(
        parsed.suite,
        unhex(parsed.group_id),
        signature_seed=suite_of(parsed.suite).generate_signature_seed(ENTROPY),
        credential=basic_credential(parsed.identity.encode()),
        entropy=ENTROPY,
    )
    _store(parsed.state, group.encode())
    return _describe(group)


def _join(parsed: argparse.Namespace) -> int:
    secrets = _secrets(parsed)
    opened = open_welcome(parsed.welcome.read_bytes(), secrets, _psks(parsed.psk))
    tree = parsed.tree.read_bytes() if parsed.tree else None
    group = opened.join(tree, now=None if parsed.ignore_lifetimes else _now())
    _store(parsed.state, group.encode())
    if parsed.secrets is not None:
        parsed.secrets.unlink()  # the init key has done its one work
    return _describe(group)


def _secrets(parsed: argparse.Namespace) -> KeyPackageSecrets:
    if (parsed.secrets is None) == (parsed.key_package is None):
        raise LocalError("either --secrets, or --key-package with its three private keys")
    if parsed.secrets is not None:
        return KeyPackageSecrets.decode(parsed.secrets.read_bytes())
    return secrets_of(
        parsed.key_package.read_bytes(),
        init_priv=unhex(parsed.init_priv),
        encryption_priv=unhex(parsed.encryption_priv),
        signature_priv=unhex(parsed.signature_priv),
    )


def _process(parsed: argparse.Namespace) -> int:
    group = _load(parsed.state)
    for path in parsed.messages:
        now = None if parsed.ignore_lifetimes else _now()
        received = group.process(path.read_bytes(), now=now, psks=_psks(parsed.psk))
        if received.next is None:
            print(f"{path.name}: removed from the group")
            return 0
        group = received.next
        _store(parsed.state, group.encode())
        match received:
            case ApplicationReceived():
                print(f"{path.name}: from {received.sender}: {received.plaintext!r}")
            case ProposalReceived():
                print(f"{path.name}: proposal {received.proposal.proposal_type.name}")
            case CommitReceived():
                print(f"{path.name}: commit by {received.committer}, now epoch {group.epoch}")
    return 0


def _commit(parsed: argparse.Namespace) -> int:
    if parsed.add and parsed.welcome is None:
        raise LocalError("--welcome says where to write the Welcome of the new members")
    group = _load(parsed.state)
    packages = []
    for path in parsed.add:
        body = MLSMessage.decode(path.read_bytes()).body
        if not isinstance(body, KeyPackage):
            raise LocalError(f"{path} is not a KeyPackage")
        packages.append(body.encode())
    staged = group.commit(
        adds=packages,
        removes=parsed.remove,
        tree_in_welcome=parsed.tree is None,
        now=_now(),
        entropy=ENTROPY,
    )
    _store(parsed.state, staged.next.encode())
    parsed.out.write_bytes(staged.message)
    if staged.welcome is not None:
        parsed.welcome.write_bytes(staged.welcome)
    if parsed.tree is not None:
        parsed.tree.write_bytes(staged.ratchet_tree)
    return _describe(staged.next)


def _encrypt(parsed: argparse.Namespace) -> int:
    message, group = _load(parsed.state).encrypt(sys.stdin.buffer.read(), entropy=ENTROPY)
    _store(parsed.state, group.encode())
    parsed.out.write_bytes(message)
    return 0


def _export(parsed: argparse.Namespace) -> int:
    group = _load(parsed.state)
    secret = group.export(parsed.label, unhex(parsed.context), parsed.length)
    print(secret.expose().hex())
    return 0


def _show(parsed: argparse.Namespace) -> int:
    return _describe(_load(parsed.state))


def _describe(group: Group) -> int:
    print(f"group {group.group_id.hex()}, suite 0x{group.suite.code:04x}, epoch {group.epoch}")
    print(f"epoch authenticator {group.epoch_authenticator.hex()}")
    for member in group.members():
        own = " (this client)" if member.leaf_index == group.own_leaf else ""
        print(f"member {member.leaf_index}: {member.leaf.credential.data!r}{own}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
