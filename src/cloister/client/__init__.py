"""The device's mind: ``Core.handle(input, now) -> (core, effects)``, without clock, file or socket.

Read :mod:`cloister.client.inputs` and :mod:`cloister.client.effects` first: they are the whole
seam.  ``core`` dispatches; each flow has a file of its own.
"""
