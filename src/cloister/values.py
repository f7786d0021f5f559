"""Values: what is made once and never changed, only made anew with some fields changed.

They are ``msgspec.Struct`` classes, frozen.  Making such a class costs a seventieth of a frozen
dataclass, which counts where a short-lived program loads four hundred of them; making one is ten
times, and ``replace`` twenty times as quick (decision 49).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    # Its calls are checked field by field, for values as for dataclasses.
    from dataclasses import replace
else:

    def replace(value, /, **changes):
        """Return a value, a structure or a dataclass made anew with some fields changed.

        Raises ``TypeError`` for a field that it does not have.
        """
        # A structure of the codec may be a dataclass too, with fields that it does not know of.
        if isinstance(value, msgspec.Struct) or not dataclasses.is_dataclass(value):
            return value.__replace__(**changes)  # what ``copy.replace`` of Python 3.13 does
        return dataclasses.replace(value, **changes)


def repr_without(value: msgspec.Struct, *hidden: str) -> str:
    """Return what ``repr`` would, but for fields that no log and no report of a fault may show."""
    shown = (
        f"{name}={getattr(value, name)!r}" for name in value.__struct_fields__ if name not in hidden
    )
    return f"{type(value).__name__}({', '.join(shown)})"


__all__ = ["replace", "repr_without"]
