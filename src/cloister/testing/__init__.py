"""A circle in one process, for tests: real cores, real relay services, our clock and network.

Only time, entropy's schedule and the network are made up.
"""
