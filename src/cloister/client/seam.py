"""The core as the program sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self

from cloister.client.effects import Effect, Route
from cloister.client.errands import Errand
from cloister.client.inputs import AnyInput
from cloister.crypto.entropy import Entropy
from cloister.roster.relay_card import RelayCard
from cloister.roster.share import OpenedReceipt

Records = Mapping[str, Mapping[bytes, bytes]]
"""table -> key -> value, as ``PutRecord`` wrote them."""


class ClientCore(Protocol):
    """A frozen value; ``handle`` returns the next one and what has to happen."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Ways to the home relay, tried in turn; empty: do not connect."""
        ...

    @property
    def errands(self) -> tuple[Errand, ...]:
        """Requests to relays over connections of their own; each runs until it is gone here."""
        ...

    @property
    def enrolled_shares(self) -> tuple[tuple[OpenedReceipt, RelayCard], ...]:
        """The unlock shares, once this device has enrolled at every share relay; else nothing."""
        ...

    @property
    def wants_log(self) -> bool:
        """Whether ``LogRead`` with all entries of the vault is to be the next input."""
        ...

    @property
    def wake_at(self) -> int | None:
        """When to call with ``Tick``, s since the Unix epoch; ``None``: after another input."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether this device is about to do something: a program that means to stop waits."""
        ...

    @classmethod
    def load(cls, records: Records, entries: tuple[bytes, ...]) -> Self:
        """Rebuild from the vault: records of the core's tables, log entries in order of seq."""
        ...

    def handle(
        self, given: AnyInput, now: int, entropy: Entropy
    ) -> tuple[Self, tuple[Effect, ...]]:
        """Take one input.  ``now`` in s since the Unix epoch.  Raises nothing on foreign bytes."""
        ...
