"""Copies of a relay's folder that may be restored: made while it runs, and made harmless.

What must never come back is not in a copy at all: scalars of unlock shares and their epoch key,
key packages, codes that nobody has used.  What must not be counted twice is moved on when a copy
is restored, and the rest is asked of the mirrors before anything is served (decision 35).
"""
