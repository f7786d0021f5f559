"""What a fuzz target is: a name and a function of bytes that raises when a promise is broken.

The promises: foreign bytes raise errors of the remote side only; whatever decodes encodes to the
same bytes again; what is refused has changed nothing. A target catches what it may raise, so
anything that comes out of ``run`` is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

from cloister.codec import Struct
from cloister.errors import RemoteError
from cloister.mls.ratchet_tree import RatchetTree

V = TypeVar("V")


class Finding(Exception):
    """A promise is broken; the text says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        run: takes any bytes; whatever it raises is a finding.
        make_seeds: small inputs to begin with, made by our own engine.
        max_bytes: no longer inputs are tried.
        is_script: whether inputs say how to change a message (``fuzz.targets.edits``).
    """

    name: str
    run: Callable[[bytes], None]
    make_seeds: Callable[[], Iterable[bytes]]
    max_bytes: int = 2048
    is_script: bool = False


def decoded(decode: Callable[[bytes], V], data: bytes) -> V | None:
    """What ``data`` decodes to, or None when it is refused as it should be."""
    try:
        return decode(data)
    except RemoteError:
        return None


def check_encoding(value: Struct | RatchetTree, data: bytes) -> None:
    """Demand that a decoded value encodes to the bytes it came from, and not from memory."""
    if rebuilt(value).encode() != data:
        raise Finding(f"{type(value).__name__} encodes to other bytes than it was decoded from")


def names_of(value: Struct) -> list[str]:
    """The fields of a structure: of a layout, or of a form that is written by hand."""
    by_hand = getattr(value, "__dataclass_fields__", ())
    return list(by_hand or value.field_names)


def rebuilt(value: V) -> V:
    """The same value without the encodings that structures remember."""
    return cast(V, _rebuilt(value))


def _rebuilt(value: object) -> object:
    if isinstance(value, RatchetTree):
        return RatchetTree(value.suite, [rebuilt(node) for node in value.nodes])
    if isinstance(value, tuple):
        return tuple(_rebuilt(one) for one in value)
    if isinstance(value, Struct):
        return type(value)(**{name: _rebuilt(getattr(value, name)) for name in names_of(value)})
    return value
