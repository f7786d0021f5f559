"""Unlock shares: half of what opens a device's vault, kept where a thief of the device is not.

A device's PIN goes through the function of each share relay before it becomes a key. A relay
counts the tries, refuses when an order says so, and forgets for good when two stewards say so.
"""
