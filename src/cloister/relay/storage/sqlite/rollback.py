"""Refusals that take back what a write has done so far."""

from __future__ import annotations


class Conflict(Exception):
    """Takes the savepoint back and answers ``ID_CONFLICT``; never leaves the writer."""


class Over(Exception):
    """Takes the savepoint back and answers ``QUOTA``; never leaves the writer."""
