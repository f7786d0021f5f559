"""Counters of a running relay: numbers of things, never of whom."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Metrics:
    """Since the start, except where it says now."""

    connections: int = 0
    """Open now."""
    connections_total: int = 0
    requests: int = 0
    refusals: int = 0
    messages_accepted: int = 0
    messages_delivered: int = 0
    commits: int = 0
    entries: int = 0
    frames_in: int = 0
    frames_out: int = 0
    frames_refused: int = 0
    sessions_cut: int = 0
    batches: int = 0
    """Transactions: messages_accepted / batches tells how well the group commit works."""
    tunnels: int = 0
    """Entry: open now."""
    tunnels_total: int = 0
    tunnels_refused: int = 0
    cosignatures: int = 0
    processes: int = 0
    """Beside the main one, running now: fronts, or processes of tunnels."""
    processes_lost: int = 0
    """Of these: ended without being told."""

    def as_counts(self) -> dict[str, int]:
        """Return all counters by name."""
        return asdict(self)
