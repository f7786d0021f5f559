"""The lease: the relays' answers kept in memory, so that the PIN opens the vault offline.

It lives in the agent's parent process and nowhere else.  A time limit on a file would be no
cryptography (a disk image ignores it); this one ends with the process, with the power, by the
clock, or after five wrong PINs.  During the lease whoever reads that process's memory and has the
disk may guess the PIN as fast as Argon2id lets him: that is its price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from cloister.clock import uptime, wall_time
from cloister.crypto.secret import Secret
from cloister.device.vault.key_file import ShareReference

MOST_MISSES: Final = 5
"""Wrong PINs that no relay counts; then the relays, which do, must be asked again."""


class LeasedShare(msgspec.Struct, frozen=True, kw_only=True):
    """One relay's answer, with what it is the answer to.  It crosses a pipe between the agent's
    two processes."""

    relay_id: bytes
    handle: bytes
    generation: int
    y: bytes

    def __repr__(self) -> str:
        return "LeasedShare(...)"


def leased_shares(
    references: Sequence[ShareReference], shares: dict[bytes, Secret]
) -> tuple[LeasedShare, ...]:
    """Return what a lease of these shares holds."""
    return tuple(
        LeasedShare(
            relay_id=one.relay_id,
            handle=one.handle,
            generation=one.generation,
            y=shares[one.relay_id].expose(),
        )
        for one in references
        if one.relay_id in shares
    )


def fitting(
    lease: Sequence[LeasedShare], references: Sequence[ShareReference]
) -> dict[bytes, Secret] | None:
    """Return the leased answers that this key file needs, or ``None`` when two are not there."""
    wanted = {one.bound for one in references}
    found = {
        one.relay_id: Secret(one.y)
        for one in lease
        if one.relay_id + one.handle + one.generation.to_bytes(8, "big") in wanted
    }
    return found if len(found) >= 2 else None


class Lease:
    """The shares while they may be used."""

    def __init__(
        self,
        lifetime_s: int,
        *,
        wall: Callable[[], float] = wall_time,
        elapsed: Callable[[], float] = uptime,
    ) -> None:
        self._lifetime_s = lifetime_s
        self._wall = wall
        self._elapsed = elapsed
        self._shares: tuple[LeasedShare, ...] = ()
        self._misses = 0
        self._until_wall = 0.0
        self._until_elapsed = 0.0

    def begin(self, shares: tuple[LeasedShare, ...]) -> None:
        """Keep these shares from now on; a lease of no time keeps nothing.

        The shares that are kept already keep their time: a person who locks and unlocks offline
        must not prolong for ever what the relays were asked once.
        """
        if not shares or self._lifetime_s == 0 or shares == self.shares:
            return
        self._shares = shares
        self._misses = 0
        self._until_wall = self._wall() + self._lifetime_s
        self._until_elapsed = self._elapsed() + self._lifetime_s

    @property
    def shares(self) -> tuple[LeasedShare, ...]:
        """What may be used now."""
        if self._shares and self.seconds_left <= 0:
            self.drop()
        return self._shares

    @property
    def seconds_left(self) -> int:
        """Until the lease ends, by whichever clock says so first; 0 without one."""
        if not self._shares:
            return 0
        left = min(self._until_wall - self._wall(), self._until_elapsed - self._elapsed())
        return max(0, int(left))

    def missed(self) -> None:
        """Count a wrong PIN."""
        self._misses += 1
        if self._misses >= MOST_MISSES:
            self.drop()

    def hit(self) -> None:
        """Note that the PIN was right."""
        self._misses = 0

    def drop(self) -> None:
        """End the lease."""
        self._shares = ()
        self._misses = 0
