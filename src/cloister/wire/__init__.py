"""The protocol between a device and its home relay, and between relays: messages, proofs, frames.

Messages are MessagePack arrays without signatures of their own (``commands`` from the device,
``events`` from the relay, ``mirror`` between relays); what is signed, the proofs of ``auth``, is
encoded with :mod:`cloister.codec`.  Nothing here touches a socket.  ``docs/spec/wire.md`` is the
specification.
"""
