"""Each fault planted into a demo's folder makes the checker say no, and name the right check."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.client.effects import DeleteRecord, Message, MessageKind, PutMessage, PutRecord
from cloister.crypto.certificate import make_certificate, pem_of
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.passphrase import argon2id
from cloister.crypto.secret import Secret
from cloister.demo.check import secrecy
from cloister.demo.check.__main__ import judge
from cloister.demo.check.evidence import Evidence
from cloister.demo.check.opening import open_with
from cloister.demo.folder import AFTER, GROUP, LEDGER, append_line
from cloister.device.vault import Vault, key_file
from cloister.ids import DeviceId
from cloister.roster.entry import EntryKind, SealedType, open_sealed
from cloister.roster.form import read_entry
from cloister.values import replace

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(autouse=True, scope="module")
def _what_stays_the_same_is_worked_out_once() -> Iterator[None]:
    """The same few vaults are opened a hundred times, and files are searched that no fault has
    touched; the functions are the real ones, remembered."""
    remembered = functools.cache(
        lambda passphrase, salt, cost: argon2id(passphrase, salt, **dict(cost))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            key_file,
            "argon2id",
            lambda passphrase, salt, **cost: remembered(passphrase, salt, tuple(cost.items())),
        )
        patch.setattr(secrecy, "holds_any", functools.cache(secrecy.holds_any))
        yield


def failing(root: Path) -> set[str]:
    """Return the names of the checks that say no."""
    return {finding.name for finding in judge(root) if not finding.ok}


def change_relay(root: Path, role: str, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Write into a relay's file; the statements must change something."""
    connection = sqlite.connect(str(root / "relays" / role / "data" / "relay.sqlite3"))
    try:
        for statement, values in statements:
            assert connection.execute(statement, values).rowcount > 0
        connection.commit()
    finally:
        connection.close()


def open_vault(root: Path, number: int) -> Vault:
    """Open a person's vault."""
    passphrase = Secret((root / "passphrases" / str(number)).read_bytes())
    vault = open_with(root / "people" / str(number), passphrase, Evidence(root).shares)
    assert vault is not None
    return vault


def group_rows(root: Path, number: int) -> list[Message]:
    """Return a person's texts of the group."""
    evidence = Evidence(root)
    return evidence.people[number].texts(evidence.channel_id(GROUP))


def put(root: Path, number: int, message: Message) -> None:
    """Write a row into a person's vault."""
    vault = open_vault(root, number)
    # The vault itself lets nobody replace a row: the fault goes in underneath.
    connection = vault._connection
    assert connection is not None
    connection.execute(
        "DELETE FROM message WHERE channel_id = ? AND message_id = ?",
        (message.channel_id, message.message_id),
    )
    vault.commit([PutMessage(message=message)])
    vault.close()


def group_envelope(root: Path) -> tuple[int, int]:
    """Return (the relay file's key of the group's channel, n of a text in its middle)."""
    evidence = Evidence(root)
    channel_id = evidence.channel_id(GROUP)
    rows = [row for row in evidence.people[0].texts(channel_id) if row.own]
    return evidence.home.channels[channel_id], rows[len(rows) // 2].n


def vouch_entry(root: Path) -> int:
    """Return where the first vouch stands in the log."""
    evidence = Evidence(root)
    keys = evidence.people[0].state.log_keys
    for seq, data in enumerate(evidence.home.log_entries):
        entry = read_entry(data, seq)
        if entry.header.kind is not EntryKind.SEALED:
            continue
        if open_sealed(entry, keys[entry.header.lk_gen]).type == SealedType.VOUCH:
            return seq
    raise AssertionError("the log holds no vouch")


NO_CANARY = "relays: no canary, name, text or vouch in any file"


# --- the relays ---------------------------------------------------------------------------------


def test_home_not_restarted(copy: Path) -> None:
    log = copy / "logs" / "home.log"
    starts = [line for line in log.read_text().splitlines() if '"ready"' in line]
    assert len(starts) >= 2
    log.write_text(starts[0] + "\n")
    assert failing(copy) == {"home: killed and started again"}


def test_home_stopped_in_good_order_instead_of_killed(copy: Path) -> None:
    log = copy / "logs" / "home.log"
    first, second = [line for line in log.read_text().splitlines() if '"ready"' in line][:2]
    log.write_text(f'{first}\n{{"event": "stopped"}}\n{second}\n')
    assert failing(copy) == {"home: killed and started again"}


def test_device_not_restarted(copy: Path) -> None:
    (copy / "logs" / "device-1.log").write_text('{"v":1,"state":"running"}\n')
    assert failing(copy) == {"device: killed and started again"}


@pytest.mark.parametrize("role", ["home", "entry"])
def test_swapped_certificate(copy: Path, role: str) -> None:
    other, _ = make_certificate("127.0.0.1", 1_800_000_000, SystemEntropy())
    (copy / "relays" / role / "keys" / "tls.crt").write_bytes(pem_of(other))
    assert failing(copy) == {"relays: certificates are the pinned ones"}


def test_swapped_card(copy: Path) -> None:
    relays = copy / "relays"
    (relays / "home" / "relay.card").write_bytes((relays / "entry" / "relay.card").read_bytes())
    assert "relays: certificates are the pinned ones" in failing(copy)


def test_dropped_envelope(copy: Path) -> None:
    channel, n = group_envelope(copy)
    change_relay(copy, "home", ("DELETE FROM envelope WHERE channel = ? AND n = ?", (channel, n)))
    assert failing(copy) == {
        "home: every acknowledged envelope is stored, unaltered",
        "home: every envelope is somebody's text, none is missing",
    }


def test_altered_envelope(copy: Path) -> None:
    channel, n = group_envelope(copy)
    statement = (
        "UPDATE envelope SET bytes = CAST(substr(bytes, 1, 500) ||"
        " CASE substr(bytes, 501, 1) WHEN x'00' THEN x'01' ELSE x'00' END ||"
        " substr(bytes, 502) AS BLOB) WHERE channel = ? AND n = ?"
    )
    change_relay(copy, "home", (statement, (channel, n)))
    assert "home: every acknowledged envelope is stored, unaltered" in failing(copy)


def test_envelope_under_another_id(copy: Path) -> None:
    channel, n = group_envelope(copy)
    change_relay(
        copy,
        "home",
        ("UPDATE envelope SET id = ? WHERE channel = ? AND n = ?", (bytes(16), channel, n)),
    )
    assert "home: every acknowledged envelope is stored, unaltered" in failing(copy)


# --- the log ------------------------------------------------------------------------------------


def test_missing_vouch(copy: Path) -> None:
    seq = vouch_entry(copy)
    for role in ("home", "entry"):
        change_relay(
            copy,
            role,
            ("DELETE FROM log_entry WHERE seq = ?", (seq,)),
            ("UPDATE log_entry SET seq = seq - 1 WHERE seq > ?", (seq,)),
        )
    found = failing(copy)
    assert "members: enough vouches by others" in found
    assert "log: root recomputed, signed by both relays" in found


def test_altered_vouch(copy: Path) -> None:
    seq = vouch_entry(copy)
    statement = (
        "UPDATE log_entry SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB)"
        " WHERE seq = ?"
    )
    for role in ("home", "entry"):
        change_relay(copy, role, (statement, (seq,)))
    assert "members: enough vouches by others" in failing(copy)


def test_mirror_behind(copy: Path) -> None:
    change_relay(
        copy,
        "entry",
        ("DELETE FROM log_entry WHERE seq = (SELECT max(seq) FROM log_entry)", ()),
    )
    assert failing(copy) == {"log: the entry relay's mirror is equal"}


def test_checkpoint_without_the_cosignature(copy: Path) -> None:
    change_relay(copy, "home", ("UPDATE circle SET settled = note", ()))
    change_relay(
        copy,
        "home",
        # Of the four lines under the head only the home relay's two stay.
        ("UPDATE circle SET settled = CAST(? AS BLOB)", (_only_home_lines(copy),)),
    )
    assert failing(copy) == {"log: root recomputed, signed by both relays"}


def _only_home_lines(root: Path) -> bytes:
    evidence = Evidence(root)
    _, _, note = evidence.home.notes[0]
    name = evidence.entry.card.name.encode()
    return b"".join(line for line in note.splitlines(keepends=True) if name not in line)


# --- the vaults ---------------------------------------------------------------------------------


def test_message_shown_twice(copy: Path) -> None:
    row = next(row for row in group_rows(copy, 1) if not row.own)
    put(copy, 1, replace(row, message_id=bytes(16), position=1_000_000))
    found = failing(copy)
    assert "texts: shown once at each recipient, in order" in found


def test_message_not_shown(copy: Path) -> None:
    row = next(row for row in group_rows(copy, 1) if not row.own)
    put(copy, 1, replace(row, kind=MessageKind.NOTICE))
    assert failing(copy) == {"texts: shown once at each recipient, in order"}


def test_messages_of_one_author_out_of_order(copy: Path) -> None:
    rows = [row for row in group_rows(copy, 1) if not row.own]
    first = rows[0]
    second = next(row for row in rows[1:] if row.sender == first.sender)
    put(copy, 1, replace(first, position=second.position))
    put(copy, 1, replace(second, position=first.position))
    assert failing(copy) == {"texts: shown once at each recipient, in order"}


def test_text_altered_in_a_vault(copy: Path) -> None:
    row = next(row for row in group_rows(copy, 1) if not row.own)
    put(copy, 1, replace(row, text=row.text + "!"))
    assert failing(copy) == {"texts: shown once at each recipient, in order"}


def test_own_text_altered_in_a_vault(copy: Path) -> None:
    row = next(row for row in group_rows(copy, 0) if row.own)
    put(copy, 0, replace(row, text="something else"))
    assert failing(copy) == {"texts: sent in each author's order, all acknowledged"}


def test_wrong_passphrase(copy: Path) -> None:
    (copy / "passphrases" / "1").write_bytes(b"another")
    assert "texts: shown once at each recipient, in order" in failing(copy)


def test_script_altered(copy: Path) -> None:
    script = copy / "script.txt"
    script.write_bytes(script.read_bytes().replace(b"ends", b"end?", 1))
    assert failing(copy) == {"texts: what was said is the script and the burst"}


# --- the removed member -------------------------------------------------------------------------


def test_removed_member_has_a_later_text(copy: Path) -> None:
    evidence = Evidence(copy)
    later = next(one for one in evidence.said if one.phase == AFTER)
    row = next(row for row in group_rows(copy, 1) if row.text == later.text)
    put(copy, 2, replace(row, own=False, position=1_000_000))
    assert "removed: nothing arrives after the removal" in failing(copy)


def test_removed_member_holds_a_later_group(copy: Path) -> None:
    channel_id = Evidence(copy).channel_id(GROUP)
    vault = open_vault(copy, 0)
    records = vault.records()
    vault.close()
    third = open_vault(copy, 2)
    kept = third.records()["ratchet"]
    third.commit(
        [
            *(DeleteRecord(table="ratchet", key=key) for key in kept if key.startswith(channel_id)),
            *(
                PutRecord(table=table, key=key, value=value)
                for table in ("epoch", "ratchet")
                for key, value in records[table].items()
                if key.startswith(channel_id)
            ),
        ]
    )
    third.close()
    found = failing(copy)
    assert "removed: the last readable item is the removal" in found
    # The group is in an epoch to which nothing was sent, so there is nothing to decrypt in it; but
    # it makes a key that the relay has for a later epoch.
    assert "removed: the home relay refuses the device" in found


def test_removed_member_was_granted_something(copy: Path) -> None:
    refusals = copy / "refusals.jsonl"
    lines = [json.loads(line) for line in refusals.read_text().splitlines()]
    next(line for line in lines if line["must_be_refused"])["granted"] = True
    refusals.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert failing(copy) == {"removed: the home relay refuses the device"}


# --- the lost device, and the term that ended ----------------------------------------------------


def change_notes(root: Path, **changes: object) -> None:
    """Write other notes of the later chapters."""
    path = root / "chapters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def notes_of(root: Path) -> dict[str, Any]:
    """Return the notes of the later chapters."""
    found: dict[str, Any] = json.loads((root / "chapters.json").read_text())
    return found


def test_locked_too_late(copy: Path) -> None:
    change_notes(copy, locked_at_relays_s=1.2, restarts_in_between=0)
    assert failing(copy) == {"lost: both relays refuse within a second"}


def test_dropped_too_late(copy: Path) -> None:
    change_notes(copy, dropped_from_groups_s=60.5)
    assert failing(copy) == {"lost: out of every group within a minute"}


def test_lost_device_still_in_a_group(copy: Path) -> None:
    """Put the founder's first own group where the group without the device was."""
    did = json.loads((copy / "chapters.json").read_text())["lost_device"]
    other = Evidence(copy).people[1].state.roster
    assert other is not None
    inside = next(one for one in other.devices if one.hex() != did)
    change_notes(copy, lost_device=inside.hex())
    assert "lost: out of every group within a minute" in failing(copy)


def test_report_that_leaves_out_a_message(copy: Path) -> None:
    report = notes_of(copy)["exposure"]
    change_notes(copy, exposure={**report, "messages": report["messages"] - 1})
    assert failing(copy) == {"lost: the report names what it could have read"}


@pytest.mark.parametrize("attempt", [0, 1])
def test_thief_who_was_let_in(copy: Path, attempt: int) -> None:
    attempts = notes_of(copy)["thief"]
    attempts[attempt]["status"] = 0
    change_notes(copy, thief=attempts)
    assert failing(copy) == {"lost: disk and PIN opened nothing"}


def test_erased_without_a_hold(copy: Path) -> None:
    change_notes(copy, erase_under_hold={"said": "it is done"})
    assert failing(copy) == {"lost: erasing was refused under hold, and the hold took two"}


@pytest.mark.parametrize("role", ["home", "entry"])
def test_scalar_that_was_kept(copy: Path, role: str) -> None:
    evidence = Evidence(copy)
    card = evidence.home.card if role == "home" else evidence.entry.card
    roster = evidence.people[0].state.roster
    assert roster is not None
    lost = roster.devices[DeviceId(bytes.fromhex(notes_of(copy)["lost_device"]))]
    handle = dict(lost.handles)[card.relay_id]
    connection = sqlite.connect(str(copy / "relays" / role / "data" / "shares.sqlite3"))
    try:
        connection.execute("INSERT INTO scalar VALUES (?, 1, ?)", (handle, bytes(60)))
        connection.commit()
    finally:
        connection.close()
    assert failing(copy) == {"lost: both relays' scalars are gone"}


def test_shares_of_one_relay_lost(copy: Path) -> None:
    key = copy / "relays" / "entry" / "keys" / "shares.key"
    key.write_bytes(bytes(len(key.read_bytes())))
    assert "lost: one relay's files and disk and PIN open nothing" in failing(copy)


def test_term_without_grace(copy: Path) -> None:
    grace = notes_of(copy)["grace"]
    grace["after"]["state"] = "active"
    change_notes(copy, grace=grace)
    assert failing(copy) == {"term: grace, then lapse, by log time"}


def test_lapsed_device_that_could_write(copy: Path) -> None:
    change_notes(copy, lapse={**notes_of(copy)["lapse"], "refused": ""})
    assert failing(copy) == {"term: the lapsed device read and could not write"}


def test_returned_device_lacks_a_text(copy: Path) -> None:
    evidence = Evidence(copy)
    rows = evidence.clerk.texts(evidence.channel_id(LEDGER))
    put(copy, evidence.clerk.number, replace(rows[-2], text="something else"))
    assert "term: renewed, and back in every group" in failing(copy)


# --- what relays and name servers learn ---------------------------------------------------------


@pytest.mark.parametrize(
    "address", [["192.0.2.1", 443], ["127.0.0.1", 1], ["2001:db8::1", 443, 0, 0]]
)
def test_connection_to_a_foreign_address(copy: Path, address: list[object]) -> None:
    event = {"event": "socket.connect", "family": "AF_INET", "address": [address]}
    append_line(copy / "trace" / "1.jsonl", json.dumps(event))
    assert failing(copy) == {"network: connections to the entry relay only"}


def test_name_looked_up(copy: Path) -> None:
    event = {"event": "socket.getaddrinfo", "family": "", "address": ["relay.example", 443]}
    append_line(copy / "trace" / "0.jsonl", json.dumps(event))
    assert failing(copy) == {"network: no name was looked up"}


def test_device_without_a_trace(copy: Path) -> None:
    (copy / "trace" / "2.jsonl").unlink()
    assert failing(copy) == {"network: connections to the entry relay only"}


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "hex": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, shifted": lambda text: base64.b64encode(b"x" + text.encode() + b"y"),
    "UTF-16": lambda text: text.encode("utf-16-le"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_canary_in_a_relay_log(copy: Path, encoding: str) -> None:
    canary = Evidence(copy).cast.canaries[1]
    with (copy / "logs" / "home.log").open("ab") as log:
        log.write(b"said: " + ENCODINGS[encoding](canary) + b" \n")
    assert failing(copy) == {NO_CANARY}


def test_name_in_a_relay_file(copy: Path) -> None:
    name = Evidence(copy).cast.names[1]
    (copy / "relays" / "entry" / "note.txt").write_text(f"{name} was here")
    assert failing(copy) == {NO_CANARY}


def test_vouch_in_the_clear_at_a_relay(copy: Path) -> None:
    evidence = Evidence(copy)
    seq = vouch_entry(copy)
    entry = read_entry(evidence.home.log_entries[seq], seq)
    log_key = evidence.people[0].state.log_keys[entry.header.lk_gen]
    (copy / "relays" / "home" / "seen").write_text(open_sealed(entry, log_key).content.hex())
    assert failing(copy) == {NO_CANARY}


def test_log_key_at_a_relay(copy: Path) -> None:
    log_key = Evidence(copy).people[0].state.log_keys[0].expose()
    (copy / "relays" / "home" / "seen").write_bytes(base64.b64encode(log_key))
    assert failing(copy) == {NO_CANARY}


def test_channel_id_at_the_entry_relay(copy: Path) -> None:
    (copy / "relays" / "entry" / "seen").write_bytes(b"..." + Evidence(copy).channel_id(GROUP))
    assert failing(copy) == {"entry: no channel id, no epoch key"}


def test_epoch_key_at_the_entry_relay(copy: Path) -> None:
    ladders = Evidence(copy).home.ladders
    key = next(rung.key for ladder in ladders.values() for rung in ladder.values())
    (copy / "relays" / "entry" / "seen").write_text(key.hex())
    assert failing(copy) == {"entry: no channel id, no epoch key"}
