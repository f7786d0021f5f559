"""A log as the first release wrote it: later programs must read it to the same roster."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cloister.crypto.secret import Secret
from cloister.roster.events import Ignored
from cloister.roster.log_keys import recover_log_keys
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster

VECTOR = json.loads((Path(__file__).parent / "roster" / "log.json").read_text(encoding="utf-8"))
ENTRIES = [bytes.fromhex(entry) for entry in VECTOR["entries"]]
LOG_KEYS = {
    int(generation): Secret(bytes.fromhex(key)) for generation, key in VECTOR["log_keys"].items()
}


@pytest.mark.vectors
def test_each_entry_has_the_events_it_had() -> None:
    roster = Roster.found(ENTRIES[0], LOG_KEYS[0])
    assert roster.circle_id.hex() == VECTOR["circle_id"]
    for entry, expected in zip(ENTRIES[1:], VECTOR["events"], strict=True):
        roster, events = roster.append(entry, LOG_KEYS)
        assert [
            event.rule.rule_id if isinstance(event, Ignored) else type(event).__name__
            for event in events
        ] == expected
    assert roster.root.hex() == VECTOR["root"]
    assert roster.generation == VECTOR["generation"]
    assert {one.name: one.state.name for one in roster.members.values()} == VECTOR["members"]


@pytest.mark.vectors
def test_snapshot_has_the_bytes_it_had() -> None:
    roster, _ = Roster.found(ENTRIES[0], LOG_KEYS[0]).extend(ENTRIES[1:], LOG_KEYS)
    assert hashlib.sha256(roster.encode()).hexdigest() == VECTOR["snapshot_sha256"]


@pytest.mark.vectors
def test_relay_and_newcomer_read_the_same_log() -> None:
    fold = RelayFold.found(ENTRIES[0])
    for entry in ENTRIES[1:]:
        fold = fold.append(entry)
    assert fold.root.hex() == VECTOR["root"]
    newest = max(LOG_KEYS)
    assert recover_log_keys(ENTRIES, newest, LOG_KEYS[newest]) == LOG_KEYS
