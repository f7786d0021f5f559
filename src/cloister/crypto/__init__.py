"""The only importer of the cryptographic libraries.

No primitive is written here. What is here: the choice of primitives, the labels that keep
their uses apart, the checks on foreign keys the libraries leave out, and one error per decision.
"""
