"""The relay program, with two faces: entry (CONNECT proxy and mirror) and home (channels and log).

It treats MLS bytes as opaque and imports neither ``mls`` nor ``client``: it has not even the code
to read a message.  ``docs/spec/wire.md`` and ``docs/spec/channel.md`` are the specification.
"""
