"""`relay check`: what can be wrong with a relay is found, and the finding says what to do."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.certificate import make_certificate, pem_of
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import LocalError, NotFoundError, UsageError
from cloister.finding import Finding, Grade, status_of
from cloister.relay.app import run_relay
from cloister.relay.backup.copying import make_backup
from cloister.relay.backup.restoring import restore
from cloister.relay.folder import Folder
from cloister.relay.inspection import inspect_relay, machine
from cloister.relay.settings import Role
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.store import ShareStore
from cloister.relay.startable import demand_startable
from cloister.relay.storage.sqlite.schema import open_file

DAY_S = 86_400


def make(path: Path, role: Role, jurisdiction: str, operator: str) -> Folder:
    folder = Folder(path)
    folder.init(
        role=role,
        host="127.0.0.1",
        port=0,
        jurisdiction=jurisdiction,
        operator=operator,
        name=None,
        now=int(time.time()),
        entropy=SystemEntropy(),
    )
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    home = make(tmp_path / "hk", "home", "HK", "North")
    home.add_peer(make(tmp_path / "pa", "entry", "PA", "South").card_path)
    return home


def look(folder: Folder, *, ahead_s: int = 0, **environment: str) -> list[Finding]:
    return inspect_relay(folder.path, environment, int(time.time()) + ahead_s)


def grades(findings: list[Finding], subject: str) -> set[Grade]:
    return {one.grade for one in findings if one.subject == subject}


def the_wrong_one(findings: list[Finding]) -> Finding:
    (found,) = [one for one in findings if one.grade is Grade.WRONG]
    assert found.hint
    assert status_of(findings) == found.exit_code
    return found


@pytest.mark.parametrize("name", ["hk", "pa"])
def test_a_relay_as_init_makes_it_has_nothing_wrong(home: Folder, name: str) -> None:
    findings = look(Folder(home.path.parent / name))
    assert status_of(findings) == 0
    assert {one.subject for one in findings} == {
        "settings", "rights", "keys", "card", "certificate",
        "peers", "ports", "database", "disk", "files", "clock",
    }  # fmt: skip
    assert all(one.hint for one in findings if one.grade is not Grade.GOOD)


def test_looking_changes_nothing(home: Folder) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.path.rglob("*")}
    look(home)
    assert {path: path.stat().st_mtime_ns for path in home.path.rglob("*")} == before


def test_a_folder_of_no_relay_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        inspect_relay(tmp_path, {}, 0)


def test_a_setting_out_of_bounds_is_named(home: Folder) -> None:
    found = the_wrong_one(look(home, CLOISTER__RETENTION__DAYS="31"))
    assert (found.subject, found.exit_code) == ("settings", 2)
    assert "retention.days" in found.text


def test_settings_that_differ_from_the_card_are_named(home: Folder) -> None:
    found = the_wrong_one(look(home, CLOISTER__RELAY__OPERATOR="Other"))
    assert found.subject == "card"
    assert "operator" in found.text


@pytest.mark.parametrize("name", ["keys/relay.key", "relay.card", "keys"])
def test_what_others_may_read_is_named(home: Folder, name: str) -> None:
    place = home.path / name
    place.chmod(place.stat().st_mode | 0o050)
    found = the_wrong_one(look(home))
    assert found.subject == "rights"
    assert str(place) in found.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_owner_is_named(home: Folder) -> None:
    os.chown(home.tls_key_path, 12_345, -1)
    found = the_wrong_one(look(home))
    assert found.subject == "rights"
    assert str(home.tls_key_path) in found.text


def put_other_keys(folder: Folder) -> None:
    other = make(folder.path.parent / "other", "home", "HK", "North")
    (folder.path / "keys/relay.key").write_bytes((other.path / "keys/relay.key").read_bytes())


def put_other_certificate(folder: Folder) -> None:
    certificate, key = make_certificate("127.0.0.1", int(time.time()), SystemEntropy())
    folder.tls_certificate_path.write_bytes(pem_of(certificate))
    folder.tls_key_path.write_bytes(key)


def put_key_of_another_certificate(folder: Folder) -> None:
    key = make_certificate("127.0.0.1", int(time.time()), SystemEntropy())[1]
    folder.tls_key_path.write_bytes(key)


def put_nonsense_among_peers(folder: Folder) -> None:
    path = folder.path / "peers/nonsense.card"
    path.write_bytes(b"nonsense")
    path.chmod(0o600)


def put_database_of_tomorrow(folder: Folder) -> None:
    connection = open_file(folder.database_path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    folder.database_path.chmod(0o600)


def put_nonsense_as_database(folder: Folder) -> None:
    folder.database_path.write_bytes(b"nonsense" * 1000)
    folder.database_path.chmod(0o600)


def put_other_epoch_key(folder: Folder) -> None:
    key_file = EpochKeyFile(folder.epoch_key_path)
    ShareStore(folder.shares_path, key_file, SystemEntropy()).close()
    folder.shares_path.chmod(0o600)
    folder.epoch_key_path.write_bytes(os.urandom(folder.epoch_key_path.stat().st_size))


@pytest.mark.parametrize(
    ("breaking", "subject"),
    [
        (put_other_keys, "keys"),
        (put_other_certificate, "certificate"),
        (put_key_of_another_certificate, "certificate"),
        (put_nonsense_among_peers, "peers"),
        (put_database_of_tomorrow, "database"),
        (put_nonsense_as_database, "database"),
        (put_other_epoch_key, "shares"),
    ],
)
def test_what_does_not_fit_is_found(
    home: Folder, breaking: Callable[[Folder], None], subject: str
) -> None:
    breaking(home)
    assert the_wrong_one(look(home)).subject == subject


def test_the_epoch_key_that_fits_is_nothing_wrong(home: Folder) -> None:
    key_file = EpochKeyFile(home.epoch_key_path)
    ShareStore(home.shares_path, key_file, SystemEntropy()).close()
    home.shares_path.chmod(0o600)
    assert status_of(look(home)) == 0


@pytest.mark.parametrize(
    ("days", "grade"),
    [(0, Grade.GOOD), (20 * 365 - 90, Grade.DOUBTFUL), (20 * 365, Grade.WRONG), (-30, Grade.WRONG)],
)
def test_the_time_left_of_the_certificate_is_said(home: Folder, days: int, grade: Grade) -> None:
    assert grades(look(home, ahead_s=days * DAY_S), "certificate") == {grade}


def test_its_own_card_is_no_peer(home: Folder) -> None:
    with pytest.raises(UsageError, match="own card"):
        home.add_peer(home.card_path)
    place = home.path / "peers" / "own.card"
    place.write_bytes(home.card_path.read_bytes())
    place.chmod(0o600)
    findings = look(home)
    assert status_of(findings) == 0, "the relay starts, and works"
    (found,) = [one for one in findings if "own card" in one.text]
    assert (found.subject, found.grade) == ("peers", Grade.DOUBTFUL)


def begun(folder: Folder) -> None:
    """As after a first start: both databases are there."""
    open_file(folder.database_path).close()
    key_file = EpochKeyFile(folder.epoch_key_path)
    ShareStore(folder.shares_path, key_file, SystemEntropy()).close()
    folder.note_begun()
    for path in (folder.path / "data").iterdir():
        path.chmod(0o600)


def lose(folder: Folder, name: str) -> None:
    begun(folder)
    (folder.path / "data" / name).unlink()


def lose_the_disk(folder: Folder) -> None:
    begun(folder)
    (folder.path / "data").rename(folder.path / "elsewhere")


def lay_a_backup(folder: Folder) -> None:
    (folder.path / "backup.json").write_text("{}")
    (folder.path / "backup.json").chmod(0o600)


@pytest.mark.parametrize(
    ("breaking", "subject", "words"),
    [
        (partial(lose, name="relay.sqlite3"), "database", "relay.sqlite3 cannot be found"),
        (partial(lose, name="shares.sqlite3"), "database", "shares.sqlite3 cannot be found"),
        (lose_the_disk, "database", "relay.sqlite3 and shares.sqlite3 cannot be found"),
        (lay_a_backup, "folder", "is a backup"),
        (put_other_certificate, "certificate", "not the certificate on the card"),
        (lambda folder: folder.tls_key_path.unlink(), "certificate", "cannot be used together"),
    ],
)
def test_what_is_found_wrong_does_not_start_and_is_left_as_it_is(
    home: Folder, breaking: Callable[[Folder], object], subject: str, words: str
) -> None:
    breaking(home)
    (found,) = [one for one in look(home) if one.grade is Grade.WRONG]
    assert (found.subject, words in found.text) == (subject, True), found
    before = sorted(home.path.rglob("*"))
    with pytest.raises(LocalError, match=words) as refused:
        run_relay(home.path, {})
    assert refused.value.hint
    assert sorted(home.path.rglob("*")) == before


def test_settings_that_differ_from_the_card_do_not_start(home: Folder) -> None:
    with pytest.raises(UsageError, match="the card says something else"):
        run_relay(home.path, {"CLOISTER__RELAY__NAME": "other"})


def test_databases_that_are_there_are_nothing_wrong(home: Folder) -> None:
    begun(home)
    assert status_of(look(home)) == 0


@pytest.mark.parametrize("losing", [lose_the_disk, partial(lose, name="relay.sqlite3")])
def test_a_relay_without_its_databases_has_no_backup(
    home: Folder, losing: Callable[[Folder], object], tmp_path: Path
) -> None:
    """It would look whole, and a job that keeps the last few would throw the good ones away."""
    losing(home)
    with pytest.raises(LocalError, match="cannot be found"):
        make_backup(home, tmp_path / "backups" / "today", int(time.time()))
    assert not (tmp_path / "backups").exists()


def test_what_was_restored_is_missed_before_its_first_start_too(
    home: Folder, tmp_path: Path
) -> None:
    make_backup(home, tmp_path / "new", int(time.time()))
    restore(tmp_path / "new", tmp_path / "of new", int(time.time()))
    assert not Folder(tmp_path / "of new").gone, "it had never run, and there was nothing to copy"
    begun(home)
    make_backup(home, tmp_path / "backup", int(time.time()))
    restore(tmp_path / "backup", tmp_path / "restored", int(time.time()))
    restored = Folder(tmp_path / "restored")
    assert status_of(look(restored)) == 0
    (restored.path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(LocalError, match="cannot be found"):
        run_relay(restored.path, {})


def with_text(pem: bytes) -> bytes:
    return b"Certificate:\n  Data: what openssl says of it, \xc3\xa9\n" + pem + b"# of the copy\n"


@pytest.mark.parametrize(
    "written",
    [
        with_text,
        lambda pem: b"\n" + pem,
        lambda pem: pem + pem,
        lambda pem: pem.replace(b"\n", b"\r\n"),
    ],
)
def test_text_around_the_certificate_is_nothing_wrong(
    home: Folder, written: Callable[[bytes], bytes]
) -> None:
    """OpenSSL takes it, so the relay has always started with it."""
    path = home.tls_certificate_path
    path.write_bytes(written(path.read_bytes()))
    home.server_context()
    assert status_of(look(home)) == 0
    assert demand_startable(home, home.settings({})).card.tls_certificate


def test_a_disk_that_cannot_be_looked_at_is_no_bug_and_no_lost_database(home: Folder) -> None:
    """One of root's alone, or one that fails: what opens the file says why."""
    begun(home)
    (home.path / "data").rename(home.path / "elsewhere")
    # As root the rights of a folder keep nobody out; a name that is too long does.
    (home.path / "data").symlink_to("x" * 300)
    assert grades(look(home), "database") == {Grade.WRONG}
    demand_startable(home, home.settings({}))
    with pytest.raises(LocalError, match="cannot be opened") as refused:
        open_file(home.database_path)
    assert "who owns" in str(refused.value.hint)


def test_a_folder_that_cannot_be_written_to_is_no_bug(home: Folder) -> None:
    """As after an error of the disk, when it has been mounted for reading alone."""
    (home.path / "lock").symlink_to("x" * 300)
    with pytest.raises(LocalError, match="lock cannot be written") as refused:
        run_relay(home.path, {})
    assert refused.value.hint


def test_without_a_peer_of_the_other_role_it_is_doubtful(tmp_path: Path) -> None:
    home = make(tmp_path / "hk", "home", "HK", "North")
    assert grades(look(home), "peers") == {Grade.DOUBTFUL}
    home.add_peer(make(tmp_path / "jp", "home", "JP", "East").card_path)
    assert grades(look(home), "peers") == {Grade.DOUBTFUL}


@pytest.mark.parametrize(("jurisdiction", "operator"), [("HK", "South"), ("PA", "North")])
def test_a_pair_that_circles_refuse_is_doubtful(
    tmp_path: Path, jurisdiction: str, operator: str
) -> None:
    home = make(tmp_path / "hk", "home", "HK", "North")
    home.add_peer(make(tmp_path / "pa", "entry", jurisdiction, operator).card_path)
    assert grades(look(home), "peers") == {Grade.DOUBTFUL}


def test_a_port_in_use_is_found_and_named(home: Folder) -> None:
    port = home.settings({}).relay.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        found = the_wrong_one(look(home))
    assert (found.subject, found.exit_code) == ("ports", 4)
    assert str(port) in found.text


def test_an_address_of_another_machine_is_found(home: Folder) -> None:
    # TEST-NET-1 of RFC 5737: no machine has it.
    found = the_wrong_one(look(home, CLOISTER__LISTEN__HOST="192.0.2.1"))
    assert found.subject == "ports"


def test_one_port_for_two_listeners_is_found(home: Folder) -> None:
    port = home.settings({}).relay.port
    found = the_wrong_one(look(home, CLOISTER__LISTEN__HEALTH_PORT=str(port)))
    assert "relay.port" in found.text


def test_a_process_that_has_the_folder_and_does_not_answer_is_found(home: Folder) -> None:
    assert not home.is_in_use()
    held = home.lock()
    assert home.is_in_use()
    found = the_wrong_one(look(home))
    os.close(held)
    assert (found.subject, found.exit_code) == ("ports", 4)
    assert status_of(look(home)) == 0


def test_a_clock_behind_the_own_files_is_found(home: Folder) -> None:
    found = the_wrong_one(look(home, ahead_s=-3600))
    assert found.subject == "clock"


def test_a_clock_file_is_doubtful(home: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_CLOCK_FILE", str(home.path / "ahead"))
    assert grades(look(home), "clock") == {Grade.DOUBTFUL}


@pytest.mark.parametrize(
    ("free", "flags", "grade"),
    [
        (10 << 30, 0, Grade.GOOD),
        (512 << 20, 0, Grade.DOUBTFUL),
        (1 << 20, 0, Grade.WRONG),
        (10 << 30, os.ST_RDONLY, Grade.WRONG),
    ],
)
def test_the_disk_is_looked_at(
    home: Folder, monkeypatch: pytest.MonkeyPatch, free: int, flags: int, grade: Grade
) -> None:
    found = os.statvfs_result((4096, 4096, 100 << 18, 0, free >> 12, 0, 0, 0, flags, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: found)
    assert grades(look(home), "disk") == {grade}


def test_too_few_open_files_are_doubtful(home: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    assert grades(look(home), "files") == {Grade.DOUBTFUL}
    assert grades(look(home, CLOISTER__LIMITS__MAX_CONNECTIONS="2000"), "files") == {Grade.GOOD}


def test_more_tunnels_than_ports_are_doubtful(
    home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Folder(home.path.parent / "pa")
    monkeypatch.setattr(machine, "local_ports", lambda: (1001, 11_000))
    assert Grade.DOUBTFUL not in grades(look(home), "ports")
    assert Grade.DOUBTFUL in grades(look(entry), "ports")
    enough = look(entry, CLOISTER__LIMITS__MAX_CONNECTIONS="10000")
    assert Grade.DOUBTFUL not in grades(enough, "ports")


def test_the_databases_are_named_with_their_layout(home: Folder) -> None:
    open_file(home.database_path).close()
    home.database_path.chmod(0o600)
    texts = [one.text for one in look(home) if one.subject == "database"]
    assert any("layout 2" in text for text in texts)
    connection = sqlite.connect(str(home.database_path))
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    texts = [one.text for one in look(home) if one.subject == "database"]
    assert any("brings it to 2" in text for text in texts)
