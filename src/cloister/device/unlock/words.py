"""What a relay's refusal means to the person at the PIN prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.device.calls import CallRefused
from cloister.device.vault.key_file import ShareReference
from cloister.errors import CloisterError, LockedError, NetworkError, PolicyError
from cloister.wire.codes import Refusal


class ShareLocked(LockedError):
    """Locked or sealed: people have to unlock the device."""


class ShareErased(LockedError):
    """The share is destroyed; nobody can open this vault again."""


class RelaysAway(NetworkError):
    """Too few relays answer; no try was used up, so waiting and asking again costs nothing."""


class SlowDown(LockedError):
    """After wrong PINs a relay makes the next try wait."""


_UNLOCKED_BY: Final = "two stewards unlock it, or its owner from another device and one steward"


def in_words(error: CloisterError) -> CloisterError:
    """Turn a refusal of a share into an error with a sentence; leave everything else."""
    if not isinstance(error, CallRefused):
        return error
    match error.code:
        case Refusal.LOCKED:
            return ShareLocked(
                "This device was locked by a steward or by its owner.",
                hint=f"{_UNLOCKED_BY}; until then the vault stays shut, and nothing is lost",
            )
        case Refusal.SEALED:
            return ShareLocked(
                "Too many wrong PINs: a relay has sealed this device's share.",
                hint=f"{_UNLOCKED_BY}; nothing is lost",
            )
        case Refusal.ERASED:
            return ShareErased(
                "A relay has destroyed this device's share: two stewards ordered it.",
                hint="this vault can never be opened again; ask to be invited anew",
            )
        case Refusal.SLOW_DOWN:
            return SlowDown(
                f"After wrong PINs the next try must wait {_duration(error.detail)}.",
                hint="the wait grows with every wrong PIN; after ten the share is sealed",
            )
        case Refusal.HELD:
            return PolicyError(
                "A legal hold forbids changing the PIN of this device.",
                hint="the PIN in force goes on; ask the stewards when the hold ends",
            )
        case Refusal.GENERATION if error.detail == 0:
            return LockedError(
                "A relay was restored from a backup and has lost this device's share.",
                hint="while the vault is open: cloister doctor has a new one made; once it is"
                " shut, ask to be invited anew",
            )
        case Refusal.GENERATION:
            return LockedError(
                "A relay has no share that fits vault.key: it was restored from a backup, or"
                " vault.key is an old copy.",
                hint="while the vault is open: cloister doctor has a new one made; once it is"
                " shut, ask to be invited anew",
            )
        case Refusal.UNKNOWN_OBJECT:
            return LockedError(
                "A relay does not know this device's share: it was restored from an older backup,"
                " or vault.key is an old copy.",
                hint="a vault that is open is enrolled there again by itself (cloister doctor: at"
                " once); for one that is shut ask to be invited anew",
            )
        case _:
            return NetworkError(
                f"a relay refused the unlock share (code {error.code})",
                hint="try again; if it stays, ask the relay's operator",
            )


def not_opened(failures: Sequence[tuple[ShareReference, CloisterError]]) -> CloisterError:
    """Say why too few relays answered: what people must do first, then what time heals."""
    errors = [in_words(error) for _, error in failures]
    for kind in (ShareErased, ShareLocked, SlowDown):
        for error in errors:
            if isinstance(error, kind):
                return error
    lasting = [error for error in errors if not isinstance(error, NetworkError)]
    if lasting:
        return lasting[0]
    first = errors[0] if errors else NetworkError("no relay was asked")
    return RelaysAway(
        f"two relays are needed to open the vault from cold; {first}",
        hint="try again when the network and both relays are there; the vault is unharmed",
    )


def wrong_pin(left: int) -> str:
    """Say that the PIN is wrong and how many tries are left."""
    if left == 0:
        return "The PIN is not right. No tries are left: the share is sealed now."
    tries = "try is" if left == 1 else "tries are"
    return f"The PIN is not right; {left} {tries} left."


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min" if seconds < 7200 else f"{-(-seconds // 3600)} h"
