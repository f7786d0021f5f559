"""That the verifier is independent of the product, and right by what others have published."""

from __future__ import annotations

import ast
import json
from collections import Counter
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec

from vectors.known_answers import verifier, verify
from vectors.known_answers.verifier.hpke import Hpke
from vectors.known_answers.verifier.kem import P384, Kem
from vectors.known_answers.verifier.kinds import KINDS, load, verify_case
from vectors.known_answers.verifier.suites import SUITES
from vectors.mls.material import ROOT

pytestmark = pytest.mark.vectors

Case = dict[str, Any]

FOLDER = Path(str(verifier.__file__)).parent
# Of each file this many cases of a suite; all of them take more time than they are worth here.
MOST_CASES = {"treekem": 1, "tree-validation": 3, "messages": 10}
USUAL_CASES = 4
MOST_EPOCHS = 12


def test_it_imports_nothing_of_the_product() -> None:
    sources = [*FOLDER.rglob("*.py"), Path(verify.__file__)]
    assert len(sources) > 40
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, source
                names = [str(node.module)]
            for name in names:
                allowed = not name.startswith(("cloister", "vectors", "unit"))
                assert allowed or name.startswith("vectors.known_answers.verifier"), source


@pytest.mark.parametrize("kind", KINDS)
def test_it_accepts_published_files(kind: str) -> None:
    path = next(ROOT.glob(f"mls*/{kind}.json"), None)
    if path is None:
        pytest.skip("no vectors beside the repository nor in CLOISTER_VECTORS")
    seen: Counter[int] = Counter()
    for case in load(path):
        suite = case.get("cipher_suite", 0)
        seen[suite] += 1
        if seen[suite] <= MOST_CASES.get(kind, USUAL_CASES):
            if "epochs" in case and "welcome" in case:
                case["epochs"] = case["epochs"][:MOST_EPOCHS]
            verify_case(kind, case)
    assert seen


# HPKE, which RFC 9420 takes from RFC 9180.

KEMS: dict[int, Kem] = {suite.kem.code: suite.kem for suite in SUITES.values()}
KDFS = {suite.kdf.code: suite.kdf for suite in SUITES.values()}
AEADS = {suite.aead.code: suite.aead for suite in SUITES.values()}


def _hpke_cases() -> list[Case]:
    """All published cases in base mode that are made of what the suites have."""
    folder = files("cryptography_vectors") / "HPKE"
    return [
        case
        for name in ("test-vectors.json", "hpke-pq-test-vectors.json")
        for case in json.loads((folder / name).read_text())
        if case["mode"] == 0
        and (case["kem_id"], case["kdf_id"], case["aead_id"]) in product(KEMS, KDFS, AEADS)
    ]


HPKE_CASES = _hpke_cases()


@pytest.mark.parametrize(
    "case", HPKE_CASES, ids=lambda case: f"{case['kem_id']}-{case['kdf_id']}-{case['aead_id']}"
)
def test_its_hpke_gives_published_answers(case: Case) -> None:
    one = Hpke(KEMS[case["kem_id"]], KDFS[case["kdf_id"]], AEADS[case["aead_id"]])
    private, enc, info = (bytes.fromhex(case[name]) for name in ("skRm", "enc", "info"))
    assert one.kem.derive_private(bytes.fromhex(case["ikmR"])) == private
    assert one.kem.public_of(private) == bytes.fromhex(case["pkRm"])
    assert one.kem.decap(enc, private) == bytes.fromhex(case["shared_secret"])
    context = one.setup_receiver(enc, private, info)
    assert context.key == bytes.fromhex(case["key"])
    assert context.base_nonce == bytes.fromhex(case["base_nonce"])
    sealed = case["encryptions"][0]
    aad, ciphertext = bytes.fromhex(sealed["aad"]), bytes.fromhex(sealed["ct"])
    opened = one.aead.open(context.key, context.base_nonce, aad, ciphertext)
    assert opened == bytes.fromhex(sealed["pt"])
    for export in case["exports"]:
        exporter_context = bytes.fromhex(export["exporter_context"])
        exported = one.export(context, exporter_context, export["L"])
        assert exported == bytes.fromhex(export["exported_value"])


def test_only_p_384_has_no_published_answers() -> None:
    assert {case["kem_id"] for case in HPKE_CASES} == {*KEMS} - {P384.code}


def test_its_p_384_is_the_library_s() -> None:
    library = hpke.Suite(hpke.KEM.P384, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)
    own = SUITES[7].hpke
    private = own.kem.derive_private(b"any secret")
    key = ec.derive_private_key(int.from_bytes(private), ec.SECP384R1())
    sealed = library.encrypt(b"hello", key.public_key(), info=b"info")
    enc, ciphertext = sealed[: own.kem.nenc], sealed[own.kem.nenc :]
    assert own.open(enc, private, b"info", ciphertext) == b"hello"
    enc, ciphertext = own.seal(own.kem.public_of(private), b"info", b"and back")
    assert library.decrypt(enc + ciphertext, key, info=b"info") == b"and back"
