"""Install ts-mls, which the interoperability tests talk to, in `.interop` of the checkout.

`./cloister test` runs this. The packages are those of `peer.lock`, each tarball checked against its
SHA-512 before anything of it is written. `npm pack` only fetches: no script of a package runs, and
npm takes the registry it is set up for. Standard library only.

Exit status: 0 when installed; 77 when it cannot be and the tests are skipped; 1 when they may not
be: the environment variable CI is set, node is there, and the packages are not.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("peer.lock")
ROOT = Path(__file__).resolve().parents[3]
# Counts up when this file installs the same lock differently.
RECIPE = "1"
LOCK_LINE = re.compile(
    r"((?:@[a-z0-9-]+/)?[a-z0-9-]+) ([0-9]+(?:\.[0-9]+){2}) sha512-([A-Za-z0-9+/]{86}==)"
)
SKIPPED = 77
# What the @noble packages ask for.
OLDEST_NODE = (20, 19)
FETCH_TIMEOUT_S = 60
MAX_UNPACKED = 16 * 1024 * 1024  # bytes of one package; the largest has some 2 MB


class NotHere(Exception):
    """This machine has no node, or none that will do: the tests are skipped, in CI too."""


class InstallFailed(Exception):
    """The packages could not be had, or are not those of the lock."""


class Package(NamedTuple):
    """One line of the lock; ``sha512`` is that of the tarball, 64 bytes."""

    name: str
    version: str
    sha512: bytes

    @property
    def tarball(self) -> str:
        """The file name npm gives it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


@dataclass(frozen=True)
class Installation:
    """Where the packages go, and what they are made from."""

    lock: Path = LOCK
    root: Path = ROOT

    @property
    def folder(self) -> Path:
        """The folder that holds node_modules."""
        return self.root / ".interop"

    @property
    def reason_file(self) -> Path:
        """Why the last attempt failed, for whoever wonders why tests were skipped."""
        return self.root / ".interop.reason"

    @property
    def guard_file(self) -> Path:
        """Locked by ``./cloister test`` as long as it has this installed."""
        return self.root / ".interop.lock"

    def wait(self) -> None:
        """Wait until nobody installs any more."""
        with self.guard_file.open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_SH)

    def fingerprint(self) -> str:
        """What the folder must have been made from."""
        return hashlib.sha256(RECIPE.encode() + self.lock.read_bytes()).hexdigest()

    def is_current(self) -> bool:
        """Whether the folder is complete and was made from this lock."""
        try:
            made_from = (self.folder / "stamp").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return False
        return made_from == self.fingerprint()

    def why_not(self) -> str:
        """One line about why there is nothing to test against."""
        try:
            check_node()
        except NotHere as error:
            return str(error)
        try:
            return self.reason_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "ts-mls is not installed; ./cloister test does that"

    def make(self) -> None:
        """Fetch, check and unpack every package. Raises NotHere, InstallFailed."""
        check_node()
        packages = read_lock(self.lock.read_text(encoding="ascii"))
        with tempfile.TemporaryDirectory(prefix=".interop-", dir=self.root) as name:
            fetched, made = Path(name) / "fetched", Path(name) / "made"
            fetched.mkdir()
            fetch(packages, fetched)
            for package in packages:
                data = check(package, fetched)
                unpack(data, made / "node_modules" / package.name)
            # Written last, and the whole moved at once: what is there is complete, also when two
            # starts do this at the same time.
            (made / "stamp").write_text(self.fingerprint(), encoding="ascii")
            try:
                if self.folder.exists():
                    self.folder.rename(Path(name) / "before")
                made.rename(self.folder)
            except OSError:
                if not self.is_current():
                    raise


def read_lock(text: str) -> list[Package]:
    """The packages of a lock: lines of name, version and sha512-BASE64. Raises InstallFailed."""
    packages = []
    for line in text.splitlines():
        found = LOCK_LINE.fullmatch(line)
        if found is None:
            raise InstallFailed(f"not a line of a lock: {line!r}")
        packages.append(Package(found[1], found[2], base64.b64decode(found[3])))
    return packages


def check_node() -> None:
    """Raises NotHere unless node and npm are there and new enough."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NotHere(f"{program} is not installed")
    said = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=False, timeout=FETCH_TIMEOUT_S
    ).stdout
    version = re.match(r"v([0-9]+)\.([0-9]+)\.", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        raise NotHere(f"node {said.strip()} is too old, ts-mls needs 20.19")


def fetch(packages: list[Package], folder: Path) -> None:
    """Have npm put the tarballs into ``folder``. Raises InstallFailed."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--fetch-retries=1"]
    command += [f"{package.name}@{package.version}" for package in packages]
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise InstallFailed(f"npm did not fetch ts-mls within {FETCH_TIMEOUT_S} s") from None
    if result.returncode != 0:
        lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        said = lines[0].strip() if lines else f"status {result.returncode}"
        raise InstallFailed(f"npm could not fetch ts-mls: {said}")


def check(package: Package, folder: Path) -> bytes:
    """The tarball of a package, seen to be the one of the lock. Raises InstallFailed."""
    try:
        data = (folder / package.tarball).read_bytes()
    except FileNotFoundError:
        raise InstallFailed(f"npm gave no {package.tarball}") from None
    if hashlib.sha512(data).digest() != package.sha512:
        raise InstallFailed(f"{package.name} {package.version} is not the one the lock names")
    return data


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a tarball below ``folder``. Raises InstallFailed.

    Names are not trusted: only plain files, none outside the folder.
    """
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        left = MAX_UNPACKED
        for member in archive:
            if member.isdir():
                continue
            # The first part is "package" by custom, and whatever it is, it is left away.
            parts = member.name.split("/")[1:]
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or not parts or any(part in {"", ".", ".."} for part in parts):
                raise InstallFailed(f"unexpected entry in a package: {member.name!r}")
            left -= member.size
            if left < 0:
                raise InstallFailed("a package is larger than expected")
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def ensure(installation: Installation, *, in_ci: bool) -> int:
    """Install unless that is done; say what cannot be done. The exit status."""
    if installation.is_current():
        return 0
    try:
        installation.make()
    except NotHere as error:
        print(f"no live interoperability tests: {error}")
        return SKIPPED
    except InstallFailed as error:
        installation.reason_file.write_text(str(error), encoding="utf-8")
        print(f"no live interoperability tests: {error}")
        return 1 if in_ci else SKIPPED
    installation.reason_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(ensure(Installation(), in_ci=bool(os.environ.get("CI"))))
