"""tree-math, deserialization, crypto-basics, x-wing."""

from __future__ import annotations

import pytest

from cloister.codec import DecodeError, Reader, encode_varint
from cloister.crypto import x_wing
from cloister.crypto.secret import Secret
from cloister.mls import tree_math
from cloister.mls.rules import Rule
from cloister.mls.suite import suite_of
from vectors.mls.material import Case, each, unhex

pytestmark = pytest.mark.vectors


@each("mls/tree-math.json")
def test_tree_math(case: Case) -> None:
    n = case["n_leaves"]
    width = tree_math.node_width(n)
    assert width == case["n_nodes"]
    assert tree_math.root(n) == case["root"]
    for node in range(width):
        is_leaf = tree_math.is_leaf(node)
        is_root = node == tree_math.root(n)
        assert case["left"][node] == (None if is_leaf else tree_math.left(node))
        assert case["right"][node] == (None if is_leaf else tree_math.right(node))
        assert case["parent"][node] == (None if is_root else tree_math.parent(node))
        assert case["sibling"][node] == (None if is_root else tree_math.sibling(node))


@each("mls/deserialization.json")
def test_deserialization(case: Case) -> None:
    header = unhex(case["vlbytes_header"])
    reader = Reader(header)
    assert reader.varint() == case["length"]
    reader.finish()
    assert encode_varint(case["length"]) == header
    with pytest.raises(DecodeError):
        Reader(header[:-1]).varint()


@each("mls/crypto-basics.json")
def test_crypto_basics(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    ref = case["ref_hash"]
    assert suite.ref_hash(ref["label"].encode(), unhex(ref["value"])) == unhex(ref["out"])
    expand = case["expand_with_label"]
    assert suite.expand_with_label(
        Secret(unhex(expand["secret"])),
        expand["label"].encode(),
        unhex(expand["context"]),
        expand["length"],
    ) == Secret(unhex(expand["out"]))
    derive = case["derive_secret"]
    derived = suite.derive_secret(Secret(unhex(derive["secret"])), derive["label"].encode())
    assert derived == Secret(unhex(derive["out"]))
    tree = case["derive_tree_secret"]
    assert suite.derive_tree_secret(
        Secret(unhex(tree["secret"])), tree["label"].encode(), tree["generation"], tree["length"]
    ) == Secret(unhex(tree["out"]))
    sign = case["sign_with_label"]
    label, content, public = sign["label"].encode(), unhex(sign["content"]), unhex(sign["pub"])
    suite.verify_with_label(
        public, label, content, unhex(sign["signature"]), Rule.CONTENT_SIGNATURE
    )
    key = suite.signature_key(suite.signature_seed(unhex(sign["priv"])))
    assert key.public == public
    suite.verify_with_label(
        public,
        label,
        content,
        suite.sign_with_label(key, label, content),
        Rule.CONTENT_SIGNATURE,
    )
    sealed = case["encrypt_with_label"]
    label, context = sealed["label"].encode(), unhex(sealed["context"])
    private = suite.private_key(Secret(unhex(sealed["priv"])))
    plaintext = Secret(unhex(sealed["plaintext"]))
    received = (unhex(sealed["kem_output"]), unhex(sealed["ciphertext"]))
    assert suite.decrypt_with_label(private, label, context, received) == plaintext
    again = suite.encrypt_with_label(unhex(sealed["pub"]), label, context, plaintext.expose())
    assert suite.decrypt_with_label(private, label, context, again) == plaintext


@each("mls-pq/x-wing.json")
def test_x_wing(case: Case) -> None:
    private, public = x_wing.parse_private(Secret(unhex(case["seed"])))
    assert public == unhex(case["pk"])
    x_wing.parse_public(public)
    assert x_wing.decapsulate(private, unhex(case["ct"])) == Secret(unhex(case["ss"]))
