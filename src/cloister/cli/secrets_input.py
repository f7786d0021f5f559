"""Where secrets come from: never the command line, which other processes and histories show.

In this order: a file descriptor, a file named by the environment, the service manager's
credentials folder, and a question when a person sits there.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloister.crypto.secret import Secret
from cloister.device.unlock.pin_rules import check_pin
from cloister.errors import LockedError, UsageError

MOST_SECRET_BYTES: Final = 4096
PASSPHRASE_CREDENTIAL: Final = "cloister-passphrase"  # noqa: S105 (a name, not a secret)
NEW_PASSPHRASE_CREDENTIAL: Final = "cloister-new-passphrase"  # noqa: S105
BACKUP_CREDENTIAL: Final = "cloister-backup-passphrase"


def can_ask() -> bool:
    """Tell whether there is somebody to ask: questions go to standard error only."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl+C end a question at once.

    asyncio's own handler cancels a task and waits for the loop, which stands still while a
    person is asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def passphrase(descriptor: int | None, *, new: bool) -> Secret:
    """Return the vault's passphrase.  ``new``: it is being chosen, so a person types it twice.

    Raises ``LockedError`` when it comes from nowhere, ``UsageError`` when it is empty.
    """
    given = read_secret(descriptor, "CLOISTER_PASSPHRASE_FILE", PASSPHRASE_CREDENTIAL)
    if given is None:
        if not can_ask():
            raise LockedError(
                "the vault needs its passphrase, and there is nobody to ask",
                hint="give it with --passphrase-fd N or CLOISTER_PASSPHRASE_FILE",
            )
        given = _ask_new() if new else _ask("PIN or passphrase: ")
    if not given:
        raise UsageError("the passphrase is empty")
    return Secret(given)


def new_pin(descriptor: int | None) -> Secret:
    """Return the PIN or passphrase that is to be in force from now on; a person types it twice."""
    given = read_secret(descriptor, "CLOISTER_NEW_PASSPHRASE_FILE", NEW_PASSPHRASE_CREDENTIAL)
    if given is None:
        if not can_ask():
            raise UsageError(
                "the new PIN is needed, and there is nobody to ask",
                hint="give it with --new-passphrase-fd N or CLOISTER_NEW_PASSPHRASE_FILE",
            )
        given = _ask_new()
    if not given:
        raise UsageError("the new PIN is empty")
    return Secret(given)


def backup_passphrase(descriptor: int | None, *, new: bool) -> Secret:
    """Return the passphrase of a backup, which is no PIN; a person who chooses one types it twice.

    Raises ``UsageError`` when it comes from nowhere.
    """
    given = read_secret(descriptor, "CLOISTER_BACKUP_PASSPHRASE_FILE", BACKUP_CREDENTIAL)
    if given is None:
        if not can_ask():
            raise UsageError(
                "the passphrase of the backup is needed, and there is nobody to ask",
                hint="give it with --backup-passphrase-fd N or CLOISTER_BACKUP_PASSPHRASE_FILE",
            )
        question = "Passphrase of the backup: "
        given = _ask("A passphrase for the backup, not the PIN: " if new else question)
        if new and given != _ask("The same again: "):
            raise UsageError("the two differ", hint="start again")
    if not given:
        raise UsageError("the passphrase of the backup is empty")
    return Secret(given)


def as_text(secret: Secret) -> str:
    """Return a secret as the text that crosses the agent's socket.  Raises ``UsageError``."""
    try:
        return secret.expose().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("a PIN or passphrase must be text here (UTF-8)") from None


def one_line_secret(
    descriptor: int | None, variable: str, credential: str, question: str, flag: str
) -> str:
    """Return another secret in one line of text, such as an activation code."""
    given = read_secret(descriptor, variable, credential)
    if given is None:
        if not can_ask():
            raise UsageError(
                f"{question} is needed, and there is nobody to ask",
                hint=f"give it with {flag} N or {variable}",
            )
        given = _ask(f"{question}: ")
    try:
        return given.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"{question} is no text") from None


def read_secret(descriptor: int | None, variable: str, credential: str) -> bytes | None:
    """Read a secret from the first source that is there; one trailing newline is not part of it."""
    if descriptor is not None:
        return _chomp(_read_descriptor(descriptor))
    named = os.environ.get(variable)
    if named:
        return _chomp(_read_file(Path(named), variable))
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / credential).exists():
        return _chomp(_read_file(Path(folder) / credential, "CREDENTIALS_DIRECTORY"))
    return None


def _read_descriptor(descriptor: int) -> bytes:
    parts: list[bytes] = []
    try:
        while len(b"".join(parts)) <= MOST_SECRET_BYTES and (part := os.read(descriptor, 4096)):
            parts.append(part)
    except OSError as error:
        raise UsageError(f"file descriptor {descriptor} cannot be read: {error.strerror}") from None
    return _bounded(b"".join(parts))


def _read_file(path: Path, source: str) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(MOST_SECRET_BYTES + 1))
    except OSError as error:
        raise UsageError(f"{source}: {path} cannot be read: {error.strerror}") from None


def _bounded(secret: bytes) -> bytes:
    if len(secret) > MOST_SECRET_BYTES:
        raise UsageError(f"a secret is longer than {MOST_SECRET_BYTES} bytes")
    return secret


def _chomp(secret: bytes) -> bytes:
    return secret[:-2] if secret.endswith(b"\r\n") else secret.removesuffix(b"\n")


def _ask(question: str) -> bytes:
    with interruptible():
        return getpass.getpass(question, stream=sys.stderr).encode("utf-8")


def _ask_new() -> bytes:
    sys.stderr.write("It opens the vault on this device. Nobody can reset it.\n")
    first = _ask("New PIN or passphrase: ")
    # Whether relays will count the guesses is not known yet; if they do, this rule holds.
    check_pin(Secret(first))
    if first != _ask("The same again: "):
        raise UsageError("the two differ", hint="start again")
    return first
