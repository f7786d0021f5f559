"""Makes the known-answer files with the engine, one module for each group of kinds.

A kind is a function that yields cases for a suite, or all cases where the suite does not matter.
Keys and secrets come from a seeded generator, but HPKE draws its own randomness inside the
library, so two runs do not give the same bytes.
"""
