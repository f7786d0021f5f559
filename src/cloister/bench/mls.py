"""What MLS costs with the product's cipher suite, beside the bare primitives it cannot do without.

Full tree: all parent nodes are filled, as in a group whose members have all committed. Sparse:
one member has just added all others in one commit, the worst case for the next commit.
"""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from cloister.crypto.aead import aes256gcm_seal
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hpke import CLOISTER_HPKE, HpkePrivateKey
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_raw
from cloister.mls import (
    ApplicationReceived,
    CipherSuite,
    CommitReceived,
    Group,
    KeyPackageSecrets,
    Lifetime,
    StagedCommit,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.joining import take_place

SUITE = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519
DEFAULT_SIZES = (2, 50, 500)
TEXT = b"x" * 200
NOW = 1_800_000_000
ENTROPY = SystemEntropy()


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds for a group of ``n``; each ``floor`` is the primitives alone."""

    n: int
    join_ms: float
    join_floor_ms: float
    commit_create_ms: float
    commit_create_floor_ms: float
    commit_process_ms: float
    commit_process_floor_ms: float
    sparse_commit_create_ms: float
    sparse_commit_process_ms: float
    encrypt_ms: float
    encrypt_floor_ms: float
    decrypt_ms: float
    decrypt_floor_ms: float
    commit_bytes: int
    ratchet_tree_bytes: int
    ratchet_records_bytes: int


@dataclass(frozen=True, slots=True)
class Primitives:
    """Milliseconds of one call each."""

    sign: float
    verify: float
    seal: float
    open: float
    derive: float
    parse: float
    aead: float


def _best_ms(operation: Callable[[], object], seconds: float = 0.25) -> float:
    """The fastest of repeated runs: noise on a shared machine only ever adds."""
    best = float("inf")
    until = time.perf_counter() + seconds
    for _ in range(3):
        best = min(best, _once(operation))
    while time.perf_counter() < until:
        best = min(best, _once(operation))
    return best * 1000


def _once(operation: Callable[[], object]) -> float:
    start = time.perf_counter()
    operation()
    return time.perf_counter() - start


def measure_primitives() -> Primitives:
    """Time what no implementation of the suite can avoid."""
    key = Ed25519Key(Secret(ENTROPY.random(32)))
    signature = key.sign_raw(TEXT)
    kem = Kem.MLKEM768_X25519
    private = HpkePrivateKey(kem, Secret(ENTROPY.random(32)))
    sealed = CLOISTER_HPKE.seal(private.public, b"", bytes(48))
    aead_key = Secret(bytes(32))

    def derive() -> bytes:
        return HpkePrivateKey(kem, kem.derive_seed(aead_key)).public

    return Primitives(
        sign=_best_ms(lambda: key.sign_raw(TEXT)),
        verify=_best_ms(lambda: verify_raw(key.public, TEXT, signature)),
        seal=_best_ms(lambda: CLOISTER_HPKE.seal(private.public, b"", bytes(48))),
        open=_best_ms(lambda: CLOISTER_HPKE.open(private, b"", *sealed)),
        derive=_best_ms(derive),
        parse=_best_ms(lambda: kem.parse_public(private.public)),
        aead=_best_ms(lambda: aes256gcm_seal(aead_key, bytes(12), TEXT, b"")),
    )


def _package(name: int) -> KeyPackageSecrets:
    return make_key_package(
        SUITE,
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"%d" % name),
        lifetime=Lifetime(not_before=NOW, not_after=NOW + 30 * 86_400),
        entropy=ENTROPY,
    )


def _founder() -> Group:
    return Group.create(
        SUITE,
        b"bench",
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"0"),
        entropy=ENTROPY,
    )


def _add(group: Group, packages: Sequence[KeyPackageSecrets]) -> StagedCommit:
    return group.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )


def _welcome_of(staged: StagedCommit) -> bytes:
    if staged.welcome is None:
        raise RuntimeError("a commit that adds has a Welcome")
    return staged.welcome


@dataclass(frozen=True, slots=True)
class Pair:
    """Two members of one group in one epoch, and what the second joined from."""

    committer: Group
    joiner: Group
    welcome: bytes
    ratchet_tree: bytes
    secrets: KeyPackageSecrets


def sparse_group(size: int) -> Pair:
    """One commit adds everybody."""
    packages = [_package(number) for number in range(1, size)]
    staged = _add(_founder(), packages)
    welcome, tree = _welcome_of(staged), staged.ratchet_tree
    joiner = open_welcome(welcome, packages[-1]).join(tree, now=NOW)
    return Pair(staged.next, joiner, welcome, tree, packages[-1])


def full_group(size: int) -> Pair:
    """Every second member commits once, adding the next two, so every parent node is filled."""
    group = _founder()
    count = 1
    while True:
        packages = [_package(count + n) for n in range(min(2, size - count))]
        staged = _add(group, packages)
        count += len(packages)
        opened = open_welcome(_welcome_of(staged), packages[-1])
        if count == size:
            tree = staged.ratchet_tree
            joiner = opened.join(tree, now=NOW)
            return Pair(staged.next, joiner, _welcome_of(staged), tree, packages[-1])
        # The tree is our own a moment ago: checking it at each step would only cost time here.
        state, secret_tree = take_place(opened.opened, staged.next.state.tree)
        group = Group(state=state, secret_tree=secret_tree)


def _next_of(received: object) -> Group:
    if isinstance(received, ApplicationReceived | CommitReceived) and received.next is not None:
        return received.next
    raise RuntimeError("the bench's own messages are valid")


def _commit_ms(pair: Pair) -> tuple[float, float, int]:
    # A first commit each way, so that keys are parsed and hashes cached as in a group in use.
    first = pair.committer.commit(now=NOW, entropy=ENTROPY)
    joiner = _next_of(pair.joiner.process(first.message, now=NOW))
    group = first.next
    create = _best_ms(lambda: group.commit(now=NOW, entropy=ENTROPY))
    message = group.commit(now=NOW, entropy=ENTROPY).message
    return create, _best_ms(lambda: joiner.process(message, now=NOW)), len(message)


def measure(size: int, primitives: Primitives) -> Result:
    """Measure one size."""
    full = full_group(size)
    sparse = sparse_group(size)
    join = _best_ms(
        lambda: open_welcome(full.welcome, full.secrets).join(full.ratchet_tree, now=NOW)
    )
    create, process, commit_bytes = _commit_ms(full)
    first = sparse.committer.commit(now=NOW, entropy=ENTROPY)
    sparse_create = _best_ms(lambda: sparse.committer.commit(now=NOW, entropy=ENTROPY))
    sparse_process = _best_ms(lambda: sparse.joiner.process(first.message, now=NOW))
    message, sender = full.committer.encrypt(TEXT, entropy=ENTROPY)
    receiver = _next_of(full.joiner.process(message, now=NOW))
    encrypt = _best_ms(lambda: sender.encrypt(TEXT, entropy=ENTROPY))
    message, _ = sender.encrypt(TEXT, entropy=ENTROPY)
    decrypt = _best_ms(lambda: receiver.process(message, now=NOW))
    depth = (size - 1).bit_length()
    p = primitives
    figures = {
        "join_ms": join,
        "join_floor_ms": size * p.verify + 2 * size * p.parse + p.open,
        "commit_create_ms": create,
        "commit_create_floor_ms": depth * (p.derive + p.seal) + p.derive + 2 * p.sign + 2 * p.aead,
        "commit_process_ms": process,
        # Committer and receiver sit side by side, so the receiver derives nearly the whole path.
        "commit_process_floor_ms": 2 * p.verify + depth * (p.parse + p.derive) + p.open,
        "sparse_commit_create_ms": sparse_create,
        "sparse_commit_process_ms": sparse_process,
        "encrypt_ms": encrypt,
        "encrypt_floor_ms": p.sign + 2 * p.aead,
        "decrypt_ms": decrypt,
        "decrypt_floor_ms": p.verify + 2 * p.aead,
    }
    return Result(
        n=size,
        **{name: round(value, 3) for name, value in figures.items()},
        commit_bytes=commit_bytes,
        ratchet_tree_bytes=len(full.ratchet_tree),
        ratchet_records_bytes=sum(map(len, receiver.ratchet_records().values())),
    )


def run(sizes: Sequence[int] = DEFAULT_SIZES, json: bool = False) -> list[Result]:
    """Measure and print each size: a table that grows, or one JSON object at the end."""
    primitives = measure_primitives()
    results = []
    if not json:
        print("MLKEM768X25519_AES256GCM_SHA384_Ed25519, milliseconds (primitives alone)")
        names = ("n", "join", "commit create", "process", "sparse create", "process", "encrypt")
        print("".join(f"{name:>19}" for name in (*names, "decrypt")))
    for size in sizes:
        result = measure(size, primitives)
        results.append(result)
        if not json:
            print(_row(result))
    if json:
        report = {"v": 1, "bench": "mls", "results": [asdict(result) for result in results]}
        print(json_module.dumps(report))
    return results


def _row(result: Result) -> str:
    cells = (
        str(result.n),
        f"{result.join_ms:.1f} ({result.join_floor_ms:.1f})",
        f"{result.commit_create_ms:.2f} ({result.commit_create_floor_ms:.2f})",
        f"{result.commit_process_ms:.2f} ({result.commit_process_floor_ms:.2f})",
        f"{result.sparse_commit_create_ms:.2f}",
        f"{result.sparse_commit_process_ms:.2f}",
        f"{result.encrypt_ms:.3f} ({result.encrypt_floor_ms:.3f})",
        f"{result.decrypt_ms:.3f} ({result.decrypt_floor_ms:.3f})",
    )
    return "".join(f"{cell:>19}" for cell in cells)
