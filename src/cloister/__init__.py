"""Cloister: a text-only, end-to-end encrypted messenger that a closed circle runs for itself."""

__version__ = "0.1.0"
