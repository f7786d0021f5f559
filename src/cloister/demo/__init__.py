"""The main job with nothing mocked: two relays, several devices, real processes, real TLS.

``python -m cloister demo`` runs it; ``python -m cloister.demo.check DIR`` judges what it left.
"""
