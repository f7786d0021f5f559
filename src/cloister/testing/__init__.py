"""What tests are made with: a circle in one process, hostile relays, and forged MLS structures.

The circle has real cores and real relay services; only time, the schedule of entropy and the
network are made up. What is forged is signed and encrypted with legitimate keys.
"""
