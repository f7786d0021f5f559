"""A second, small implementation of MLS, written from RFC 9420, which checks known-answer files.

It imports nothing of the product: where both agree on a file, one of them cannot have copied the
other's error. It is for checking only. It keeps no secrets, deletes nothing, and prefers the
shortest way to say what the RFC says to the fastest.
"""
