"""What brings ts-mls here: only what the lock names, nothing outside its folder, and no half."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import tarfile
import threading
from pathlib import Path

import pytest

from interop.mls.install import (
    LOCK,
    SKIPPED,
    Installation,
    InstallFailed,
    ensure,
    read_lock,
    unpack,
)


def tarball(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


GOOD = tarball((tarfile.TarInfo("package/lib/index.js"), b"export {}"))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An empty checkout whose lock names one package, and a npm that gives what ``served`` holds.

    The node and npm are shell scripts: what is tested is what happens around them.
    """
    served, programs, root = tmp_path / "served", tmp_path / "bin", tmp_path / "root"
    for folder in (served, programs, root):
        folder.mkdir()
    (served / "some-thing-1.2.3.tgz").write_bytes(GOOD)
    program(programs / "node", "echo v20.19.0")
    program(programs / "npm", f"echo ran >> {tmp_path}/npm.log; cp {served}/* .")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    lock = tmp_path / "lock"
    digest = base64.b64encode(hashlib.sha512(GOOD).digest()).decode()
    lock.write_text(f"@some/thing 1.2.3 sha512-{digest}\n")
    return Installation(lock, root)


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def runs_of_npm(installation: Installation) -> int:
    return (installation.root.parent / "npm.log").read_text().count("ran")


def test_it_installs_once(installation: Installation) -> None:
    assert ensure(installation, in_ci=True) == 0
    assert ensure(installation, in_ci=True) == 0
    module = installation.folder / "node_modules" / "@some" / "thing" / "lib" / "index.js"
    assert module.read_bytes() == b"export {}"
    assert runs_of_npm(installation) == 1
    assert [path.name for path in installation.root.iterdir()] == [".interop"]


def test_who_wants_it_waits_as_long_as_it_is_being_installed(installation: Installation) -> None:
    installed = threading.Event()

    def wait() -> None:
        installation.wait()
        installed.set()

    with installation.guard_file.open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not installed.wait(0.1)
    waiting.join(10)
    assert installed.is_set()


def test_a_changed_lock_installs_again(installation: Installation) -> None:
    assert ensure(installation, in_ci=True) == 0
    (installation.folder / "node_modules" / "old").touch()
    installation.lock.write_text(installation.lock.read_text() * 2)
    assert not installation.is_current()
    assert ensure(installation, in_ci=True) == 0
    assert not (installation.folder / "node_modules" / "old").exists()


@pytest.mark.parametrize("in_ci", [False, True])
def test_a_package_that_is_not_the_locks_is_not_unpacked(
    installation: Installation, in_ci: bool
) -> None:
    served = installation.root.parent / "served" / "some-thing-1.2.3.tgz"
    served.write_bytes(tarball((tarfile.TarInfo("package/lib/index.js"), b"export {evil}")))
    assert ensure(installation, in_ci=in_ci) == (1 if in_ci else SKIPPED)
    assert not installation.folder.exists()
    assert installation.why_not() == "@some/thing 1.2.3 is not the one the lock names"


@pytest.mark.parametrize("in_ci", [False, True])
def test_a_failed_fetch_fails_in_ci_and_is_a_reason_to_skip_elsewhere(
    installation: Installation, in_ci: bool
) -> None:
    npm = installation.root.parent / "bin" / "npm"
    working = npm.read_text()
    program(npm, "echo 'npm error code ENOTFOUND' >&2; exit 1")
    assert ensure(installation, in_ci=in_ci) == (1 if in_ci else SKIPPED)
    assert not installation.is_current()
    assert "ENOTFOUND" in installation.why_not()
    npm.write_text(working)
    assert ensure(installation, in_ci=in_ci) == 0
    assert "ENOTFOUND" not in installation.why_not()


def test_a_package_that_npm_does_not_give_is_missed(installation: Installation) -> None:
    (installation.root.parent / "served" / "some-thing-1.2.3.tgz").rename(
        installation.root.parent / "served" / "another-1.2.3.tgz"
    )
    assert ensure(installation, in_ci=True) == 1
    assert installation.why_not() == "npm gave no some-thing-1.2.3.tgz"


@pytest.mark.parametrize(
    ("version", "reason"),
    [("v18.20.4", "too old"), ("v20.18.9", "too old"), ("rubbish", "too old"), (None, "node is")],
)
def test_without_a_node_that_will_do_even_ci_skips(
    installation: Installation,
    version: str | None,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = installation.root.parent / "bin"
    monkeypatch.setenv("PATH", str(programs))
    if version is None:
        (programs / "node").unlink()
    else:
        program(programs / "node", f"echo {version}")
    assert ensure(installation, in_ci=True) == SKIPPED
    assert not installation.folder.exists()
    assert reason in installation.why_not()


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("package/../../out"),
        tarfile.TarInfo("package//out"),
        tarfile.TarInfo("package/./out"),
        tarfile.TarInfo("out"),
        link("package/out", tarfile.SYMTYPE),
        link("package/out", tarfile.LNKTYPE),
        link("package/out", tarfile.FIFOTYPE),
    ],
)
def test_only_plain_files_inside_the_folder_are_written(
    member: tarfile.TarInfo, tmp_path: Path
) -> None:
    with pytest.raises(InstallFailed, match="unexpected entry"):
        unpack(tarball((member, b"")), tmp_path / "package")
    assert not list(tmp_path.rglob("out"))


def test_a_package_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interop.mls.install.MAX_UNPACKED", 10)
    file = tarfile.TarInfo("package/file")
    unpack(tarball((file, bytes(10))), tmp_path / "fits")
    with pytest.raises(InstallFailed, match="larger"):
        unpack(tarball((file, bytes(6)), (file, bytes(6))), tmp_path / "larger")


@pytest.mark.parametrize(
    "line",
    ["", "ts-mls 1.6.4", "ts-mls ^1.6.4 sha512-" + "A" * 86 + "==", "../x 1.0.0 sha512-AA=="],
)
def test_a_lock_with_anything_else_in_it_is_refused(line: str) -> None:
    with pytest.raises(InstallFailed, match="not a line of a lock"):
        read_lock(line + "\n")


def test_the_lock_names_ts_mls() -> None:
    assert ("ts-mls", "1.6.4") in [
        (package.name, package.version) for package in read_lock(LOCK.read_text())
    ]
