"""A disk whose power can be cut: an ext4 file system on a loop image of its own.

The cut is a copy of the image, taken while the process that writes is stopped: what the file
system has handed to the disk is in it, what waits in the kernel's cache is not. ``commit=600``
keeps the file system from handing over by itself; the kernel writes back after some 25 s, so that
a disk is to be used for less before its cut. Nothing here tears a sector or orders writes anew
below the file system.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

IMAGE_BYTES: Final = 256 * 1024**2
PATIENCE_S: Final = 60.0


class PowerDisk:
    """One such disk; ``folder`` is where its files are while it has power."""

    def __init__(self, place: Path) -> None:
        """Raises OSError or CalledProcessError where none can be made."""
        self._image = place / "image"
        self._copy = place / "copy"
        self.folder = place / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-b", "4096", str(self._image))
        self._mount()

    def keep(self) -> None:
        """See everything that was written until now onto the disk."""
        _run("sync", "-f", str(self.folder))

    def freeze(self, pid: int) -> None:
        """Stop the process that writes, and take what the disk has at this moment."""
        os.kill(pid, signal.SIGSTOP)
        until = time.monotonic() + PATIENCE_S
        # A call of the kernel that is under way is finished first: a flush, too.
        while any(state != "T" for state in _states(pid)):
            assert time.monotonic() < until
            time.sleep(0.001)
        _run("cp", "--sparse=always", str(self._image), str(self._copy))

    def lose_power(self) -> None:
        """Go on with what ``freeze`` took; nobody has a file open here any more."""
        self.close()
        self._copy.replace(self._image)
        self._mount()

    def close(self) -> None:
        """Give the mount and the loop device back."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                _run("umount", str(self.folder))
            except subprocess.CalledProcessError:
                # What was killed takes a moment to let go of its files.
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def _mount(self) -> None:
        _run("mount", "-o", "loop,commit=600", str(self._image), str(self.folder))


def _states(pid: int) -> list[str]:
    """Return the states of a process's threads; T is stopped."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    # The name before it is in brackets, and may hold anything.
    return [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@cache
def why_no_disk() -> str:
    """Return the reason why no such disk can be had here, or nothing."""
    if sys.platform != "linux":
        return "loop devices are Linux's"
    if os.geteuid() != 0:
        return "only root may mount an image"
    for program in ("mkfs.ext4", "mount", "umount", "losetup"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    with tempfile.TemporaryDirectory() as place:
        try:
            disk = PowerDisk(Path(place))
            disk.close()
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"") or b""
            return f"no image can be mounted: {said.decode(errors='replace').strip() or error}"
    return ""
