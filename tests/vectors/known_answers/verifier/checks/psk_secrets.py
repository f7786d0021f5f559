"""psk_secret: external PSKs chained into one secret."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.proposals import EXTERNAL, PreSharedKeyID
from vectors.known_answers.verifier.schedule import psk_secret
from vectors.known_answers.verifier.suites import suite_of


def check(case: dict[str, Any]) -> None:
    psks = []
    for one in case["psks"]:
        nonce, psk_id = bytes.fromhex(one["psk_nonce"]), bytes.fromhex(one["psk_id"])
        identifier = PreSharedKeyID(EXTERNAL, nonce, psk_id=psk_id)
        psks.append((identifier, bytes.fromhex(one["psk"])))
    computed = psk_secret(suite_of(case["cipher_suite"]), psks)
    equal(computed, bytes.fromhex(case["psk_secret"]), "psk_secret")
