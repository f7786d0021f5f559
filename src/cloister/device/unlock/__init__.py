"""Unlock shares: the part of the vault's key that the circle's relays keep (notes-trust 3).

Each guess at the PIN needs two relays, and each relay counts the guesses. docs/spec/vault.md.
"""
