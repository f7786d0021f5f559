"""Which checker belongs to which file, by the file's name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vectors.known_answers.verifier.checks import (
    crypto_basics,
    key_schedule,
    light_client,
    message_protection,
    messages,
    passive_client,
    psk_secrets,
    secret_trees,
    transcript_hashes,
    tree_operations,
    tree_validation,
    treekem_paths,
    trees_as_arrays,
    vector_headers,
    welcomes,
)
from vectors.known_answers.verifier.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "tree-math": trees_as_arrays.check,
    "deserialization": vector_headers.check,
    "crypto-basics": crypto_basics.check,
    "secret-tree": secret_trees.check,
    "message-protection": message_protection.check,
    "key-schedule": key_schedule.check,
    "psk_secret": psk_secrets.check,
    "transcript-hashes": transcript_hashes.check,
    "welcome": welcomes.check,
    "tree-operations": tree_operations.check,
    "tree-validation": tree_validation.check,
    "treekem": treekem_paths.check,
    "messages": messages.check,
    "passive-client-welcome": passive_client.check,
    "passive-client-handling-commit": passive_client.check,
    "passive-client-random": passive_client.check,
    # Of draft-ietf-mls-partial; Cloister makes none of these itself.
    "passive-client-scenarios": light_client.check_scenario,
    "message-syntax": light_client.check_syntax,
}
LEFT_OUT = {
    "passive-client-scenarios": light_client.SUITES_LEFT_OUT,
    "message-syntax": light_client.SUITES_LEFT_OUT,
}


def verify_case(kind: str, case: dict[str, Any]) -> None:
    """Stop unless a case is right; its kind is the file's name without ``.json``.

    A case that is not even of the kind's form, say without a field or with half a byte, is wrong
    as well, so everything that goes wrong ends in a Failure.
    """
    try:
        KINDS[kind](case)
    except Failure:
        raise
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        raise Failure(f"malformed: {type(error).__name__}: {error}") from error


def load(path: Path) -> list[dict[str, Any]]:
    """The cases of a file, but for suites that the verifier leaves out of files of that kind."""
    cases: list[dict[str, Any]] = json.loads(path.read_bytes())
    left_out = LEFT_OUT.get(path.stem, set())
    return [case for case in cases if case.get("cipher_suite") not in left_out]
