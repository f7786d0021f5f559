"""Whole circles of real device and relay code in virtual time, out of a seed.

Read in this order: ``loop`` and ``chance`` (time and dice), ``faults`` (how bad the world is),
``network``, ``device_disk`` and ``relay_disk`` (what fails), ``circle`` (where a run begins),
``devices`` and ``relays`` (the real programs), ``world`` (put together), ``workload`` (what people
do), ``history`` (what is demanded in the end), ``run`` and ``trace`` (one run, and its replay).
"""
