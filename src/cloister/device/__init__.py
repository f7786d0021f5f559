"""The device as a program: vault, link, engine, and the facade that every face of it uses.

asyncio, files and sockets live here; what to do is decided by ``cloister.client``.
"""
