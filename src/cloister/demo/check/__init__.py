"""Judges a demo by the files it left: ``python -m cloister.demo.check DIR``.

Nothing is taken from what the demo says of itself.  Vaults are opened with the passphrases in the
folder, relay files are read as they are, and every expectation is computed anew.
"""
