"""Where a profile lives, and where the program may keep other files (XDG)."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

import platformdirs

from cloister.errors import LocalError, UsageError

SOCKET_NAME: Final = "agent.sock"
KEEPER_SOCKET_NAME: Final = "keeper.sock"
DEFAULT_PROFILE: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_SOCKET_PATH_BYTES: Final = 100
"""``sun_path`` holds 104 bytes on macOS and 108 on Linux, with a NUL at the end."""


def config_file() -> Path:
    """Return the settings file, which need not exist."""
    return platformdirs.user_config_path("cloister") / "config.toml"


def crash_folder() -> Path:
    """Return where reports of our own bugs go."""
    return platformdirs.user_state_path("cloister") / "crashes"


def profile_folder(profile: str) -> Path:
    """Return the folder of a profile: a name lies under the data folder, a path is itself.

    Raises ``UsageError`` when it is neither.
    """
    if os.sep in profile or profile in {".", ".."}:
        return Path(profile).expanduser().absolute()
    if _NAME.fullmatch(profile) is None:
        raise UsageError(
            f"{profile!r} is no name of a profile",
            hint="a name has letters, digits, '.', '_' and '-'; a folder has a '/' in it",
        )
    return platformdirs.user_data_path("cloister") / "profiles" / profile


def ensure_private_folder(folder: Path) -> Path:
    """Make a folder (0700) if it is not there; take the rights of others away if it is ours.

    Raises ``LocalError`` when it is somebody else's or no folder.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise LocalError(
                f"the folder {folder} belongs to another user", hint="use another --profile"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise LocalError(
            f"the folder {folder} cannot be used: {error.strerror}",
            hint="check its rights, or use another --profile",
        ) from None
    return folder


def socket_path(folder: Path, name: str = SOCKET_NAME) -> Path:
    """Return where the agent of a profile, or its keeper, listens.

    In the profile's folder; where that path is too long for a socket, in a private folder of the
    session, under a name that follows from the profile's path.
    """
    path = folder.resolve() / name
    if len(os.fsencode(path)) <= _MOST_SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24] + ".sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(os.fsencode(runtime)) < _MOST_SOCKET_PATH_BYTES - 50:
        return Path(runtime) / "cloister" / name
    # /tmp rather than TMPDIR: on macOS the latter is long too.
    base = Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > _MOST_SOCKET_PATH_BYTES - 60:
        base = Path("/tmp")  # noqa: S108 (the folder below it is checked to be ours)
    return base / f"cloister-{os.geteuid()}" / name
