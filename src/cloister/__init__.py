"""Cloister: a text-only, end-to-end encrypted messenger that a closed circle runs for itself.

Scripts and bots find here what they need: ``cloister.Client``, ``cloister.Bot`` and the rest of
``__all__``.  Each is imported when it is first asked for, so that a relay, which imports this
package too, does not load the code that could read a message.  The types stand in ``__init__.pyi``.
"""

__version__ = "0.1.0"

_PLACES = {
    "Bot": "cloister.device.bot:Bot",
    "Client": "cloister.device.sdk:Client",
    "Context": "cloister.device.bot:Context",
    "Conversation": "cloister.device.sdk:Conversation",
    "Received": "cloister.device.sdk:Received",
    "errors": "cloister.errors:",
    "sync": "cloister.device.sync:",
    "testing": "cloister.testing:",
}

__all__ = ["Bot", "Client", "Context", "Conversation", "Received", "errors", "sync", "testing"]


def __getattr__(name: str) -> object:
    """Import what was asked for, once."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'cloister' has no attribute {name!r}")
    from importlib import import_module

    module_name, _, attribute = place.partition(":")
    found = import_module(module_name)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names that there are, also those not yet imported."""
    return sorted({*globals(), *__all__})
