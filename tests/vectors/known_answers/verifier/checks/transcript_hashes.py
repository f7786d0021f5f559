"""transcript-hashes: both transcript hashes after a commit, and its confirmation tag."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.commit import Commit
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.framing import AuthenticatedContent
from vectors.known_answers.verifier.schedule import (
    confirmed_transcript_hash,
    interim_transcript_hash,
)
from vectors.known_answers.verifier.suites import suite_of


def check(case: dict[str, Any]) -> None:
    suite = suite_of(case["cipher_suite"])
    data = bytes.fromhex(case["authenticated_content"])
    content = decode(AuthenticatedContent.read, data)
    equal(content.encode(), data, "the encoding of the content")
    tag = content.auth.confirmation_tag
    if not isinstance(content.content.body, Commit) or tag is None:
        raise Failure("authenticated_content holds no commit")
    before = bytes.fromhex(case["interim_transcript_hash_before"])
    confirmed = confirmed_transcript_hash(suite, before, content)
    stated = bytes.fromhex(case["confirmed_transcript_hash_after"])
    equal(confirmed, stated, "confirmed_transcript_hash_after")
    interim = interim_transcript_hash(suite, confirmed, tag)
    stated = bytes.fromhex(case["interim_transcript_hash_after"])
    equal(interim, stated, "interim_transcript_hash_after")
    key = bytes.fromhex(case["confirmation_key"])
    equal(suite.mac(key, confirmed), tag, "the confirmation tag")
