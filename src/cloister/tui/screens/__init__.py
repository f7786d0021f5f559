"""Screens: one thing at a time, complete at 50 columns and 15 rows."""
