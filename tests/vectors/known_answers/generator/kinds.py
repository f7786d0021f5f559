"""The kinds of files and the suites they are made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.mls.registry import CipherSuite
from cloister.mls.suite import Suite, suite_of
from vectors.known_answers.generator.message_kinds import (
    message_protection,
    messages,
    transcript_hashes,
    welcome,
)
from vectors.known_answers.generator.passive_kinds import (
    passive_handling_commit,
    passive_random,
    passive_welcome,
)
from vectors.known_answers.generator.primitives import (
    crypto_basics,
    key_schedule_epochs,
    psk_secrets,
    secret_tree,
)
from vectors.known_answers.generator.tree_kinds import tree_operations, tree_validation, treekem
from vectors.known_answers.generator.without_suite import deserialization_cases, tree_math_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cases = Iterator[dict[str, Any]]

# Every suite that the engine has under a number of its own.
SUITES = tuple(suite_of(code) for code in CipherSuite)


WITHOUT_SUITE: dict[str, Callable[[], Cases]] = {
    "tree-math": tree_math_cases,
    "deserialization": deserialization_cases,
}
FOR_EACH_SUITE: dict[str, Callable[[Suite], Cases]] = {
    "crypto-basics": crypto_basics,
    "secret-tree": secret_tree,
    "message-protection": message_protection,
    "key-schedule": key_schedule_epochs,
    "psk_secret": psk_secrets,
    "transcript-hashes": transcript_hashes,
    "welcome": welcome,
    "tree-operations": tree_operations,
    "tree-validation": tree_validation,
    "treekem": treekem,
    "messages": messages,
    "passive-client-welcome": passive_welcome,
    "passive-client-handling-commit": passive_handling_commit,
    "passive-client-random": passive_random,
}
KINDS = (*WITHOUT_SUITE, *FOR_EACH_SUITE)


def cases_of(kind: str) -> Cases:
    """All cases of a kind, suite after suite."""
    if kind in WITHOUT_SUITE:
        yield from WITHOUT_SUITE[kind]()
        return
    for suite in SUITES:
        yield from FOR_EACH_SUITE[kind](suite)
