"""Widgets that draw their own lines: every text passes the sanitiser here once more."""
