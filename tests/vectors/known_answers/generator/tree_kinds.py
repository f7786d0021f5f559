"""tree-operations, tree-validation, treekem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.mls import tree_math
from cloister.mls.group_context import GroupContext
from cloister.mls.proposal import Add, Proposal, ProposalBody, Remove, Update
from cloister.mls.registry import CipherSuite, ProtocolVersion
from cloister.mls.update_path import PathSecrets, UpdatePath, encrypt_path
from vectors.known_answers.generator.draw import Draw, text
from vectors.known_answers.generator.trees import GrownTree, Holder, grow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloister.mls.suite import Suite

SMALL = CipherSuite.X25519_AES128GCM_SHA256_ED25519
LARGE = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519

# Trees as plans of grow(): what is in them is said beside each.
ALL_TREES = (
    "",  # one member
    "+ *0",
    "++ *0",  # a blank leaf at the end
    "+++ *0 *1 *2 *3",  # no blanks
    "+++++++ *0 *2 *4 *6",
    "+++++++ *0 *2 *4 *6 -2,3 *6 +",  # blanks inside, an unmerged leaf
    "+++++++ *0 *2 *4 *6 -1,2,3",  # parent hashes that skip blanks
    "+++++ *0 *5 *3",  # blanks at the end
    "++++++ *0 *6 *3 +",  # a leaf that is unmerged at two levels
    "++++++ *0 *3 ++",  # unmerged leaves, then the tree is extended
    "+++++++ *0 *4 -5,6,7 *4 ++",  # unmerged leaves and skipped blanks at once
    "+++++ *1 ~2 *4 ~0",  # blanks after Updates
    "++++ *3 -0,1 *2",  # the left half is empty
)
FEW_TREES = ("+++++ *0 *4 -1 *3 ++", "++ *0 + *2 -1")
LARGE_TREES = ("++++ *0 *4 -1 *3 +",)

PATH_TREES = {
    SMALL: ("+ *0", "++ *2", "+++++++ *0 *4 -2,3 *7 +", "+++++ *0 *5 ~1", "++++ *3 -0,1 *2"),
    LARGE: ("++ *0 -1 *2 +",),
}
OTHER_PATH_TREES = ("+++ *0 *3 -1 *2 +",)

# A tree, and what is then proposed by whom: "add", "update" or the leaf that is removed.
ALL_OPERATIONS: tuple[tuple[str, str | int, int], ...] = (
    ("++++ *0 *4 -2", "add", 3),  # a blank leaf inside is taken
    ("+++ *0 *3", "add", 1),  # the tree is extended
    ("++++++ *0 *4 *6", "update", 4),
    ("+++++ *0 *4 *3", 2, 0),  # a blank is left
    ("++++ *0 *4", 4, 1),  # the right half goes
    ("++++++ *0 *4 -2,3,4,5", 6, 0),  # and then its left half's right half
)
FEW_OPERATIONS: tuple[tuple[str, str | int, int], ...] = (
    ("++ *0 *2 -1", "add", 2),
    ("++ *0 *2", "update", 1),
    ("++ *0 *2", 2, 0),
)
LARGE_OPERATIONS: tuple[tuple[str, str | int, int], ...] = (
    ("+ *0", "add", 1),
    ("+ *0", "update", 1),
    ("++ *0", 2, 0),
)


def tree_operations(suite: Suite) -> Iterator[dict[str, Any]]:
    """A tree before and after an Add, an Update, a Remove."""
    operations = {SMALL: ALL_OPERATIONS, LARGE: LARGE_OPERATIONS}.get(
        CipherSuite(suite.code), FEW_OPERATIONS
    )
    for number, (plan, operation, sender) in enumerate(operations):
        draw = Draw(f"tree-operations {suite.code} {number}")
        grown = grow(suite, draw, draw.random(16), plan)
        before = grown.tree
        body = _operation(grown, operation, sender)
        proposal = Proposal(body=body).encode()
        draft = before.edit()
        match body:
            case Add():
                draft.add_leaf(body.key_package.leaf_node)
            case Update():
                draft.update_leaf(sender, body.leaf_node)
            case Remove():
                draft.remove_leaves([body.removed])
            case _:
                pass
        after = draft.done()
        yield {
            "cipher_suite": suite.code,
            "tree_before": text(before.encode()),
            "proposal": text(proposal),
            "proposal_sender": sender,
            "tree_hash_before": text(before.tree_hash()),
            "tree_after": text(after.encode()),
            "tree_hash_after": text(after.tree_hash()),
        }


def _operation(grown: GrownTree, operation: str | int, sender: int) -> ProposalBody:
    if operation == "add":
        return Add(key_package=grown.key_package("newcomer").parsed())
    if operation == "update":
        return grown.new_leaf(sender)[0]
    return Remove(removed=int(operation))


def tree_validation(suite: Suite) -> Iterator[dict[str, Any]]:
    """Whole trees with all that can be computed of them."""
    plans = {SMALL: ALL_TREES, LARGE: LARGE_TREES}.get(CipherSuite(suite.code), FEW_TREES)
    for number, plan in enumerate(plans):
        draw = Draw(f"tree-validation {suite.code} {number}")
        group_id = draw.random(16)
        tree = grow(suite, draw, group_id, plan).tree
        nodes = range(len(tree.nodes))
        yield {
            "cipher_suite": suite.code,
            "tree": text(tree.encode()),
            "group_id": text(group_id),
            "resolutions": [tree.resolution(node) for node in nodes],
            "tree_hashes": [text(tree.node_hash(node)) for node in nodes],
        }


def treekem(suite: Suite) -> Iterator[dict[str, Any]]:
    """A tree with all private keys, and an UpdatePath of each member."""
    plans = PATH_TREES.get(CipherSuite(suite.code), OTHER_PATH_TREES)
    for number, plan in enumerate(plans):
        draw = Draw(f"treekem {suite.code} {number}")
        grown = grow(suite, draw, draw.random(16), plan)
        epoch, confirmed = draw.number(20), draw.random(suite.nh)
        yield {
            "cipher_suite": suite.code,
            "group_id": text(grown.group_id),
            "epoch": epoch,
            "confirmed_transcript_hash": text(confirmed),
            "ratchet_tree": text(grown.tree.encode()),
            "leaves_private": [
                _private(index, holder) for index, holder in sorted(grown.holders.items())
            ],
            "update_paths": [
                _update_path(grown, index, epoch, confirmed) for index in sorted(grown.holders)
            ],
        }


def _private(index: int, holder: Holder) -> dict[str, Any]:
    return {
        "index": index,
        "encryption_priv": text(holder.encryption_key),
        "signature_priv": text(holder.signature_seed),
        "path_secrets": [
            {"node": node, "path_secret": text(secret)}
            for node, secret in sorted(holder.path_secrets.items())
        ],
    }


def _update_path(grown: GrownTree, sender: int, epoch: int, confirmed: bytes) -> dict[str, Any]:
    drawn, leaf, after = grown.make_path(sender)
    context = GroupContext(
        version=ProtocolVersion.MLS10,
        cipher_suite=grown.suite.code,
        group_id=grown.group_id,
        epoch=epoch,
        tree_hash=after.tree_hash(),
        confirmed_transcript_hash=confirmed,
        extensions=(),
    ).encode()
    nodes = encrypt_path(grown.tree, drawn, context, frozenset())
    path = UpdatePath(leaf_node=leaf, nodes=nodes)
    return {
        "sender": sender,
        "update_path": text(path.encode()),
        "path_secrets": [
            _path_secret(drawn, index) if index != sender and index in grown.holders else None
            for index in range(after.leaf_count)
        ],
        "commit_secret": text(drawn.commit_secret),
        "tree_hash_after": text(after.tree_hash()),
    }


def _path_secret(drawn: PathSecrets, receiver: int) -> str:
    """The path secret that a receiver decrypts: of the node whose copath child is above him."""
    own_node = tree_math.node_of(receiver)
    return next(
        text(secret)
        for (_, copath_child), secret in zip(drawn.path, drawn.secrets, strict=True)
        if tree_math.is_below(own_node, copath_child)
    )
