"""A layout field that holds a secret, for state that is stored and never sent."""

from __future__ import annotations

from typing import cast

from cloister.codec import FieldKind, Reader, Writer
from cloister.crypto.secret import Secret


def _read(reader: Reader) -> Secret:
    return Secret(reader.opaque())


def _write(writer: Writer, value: Secret) -> None:
    writer.opaque(value.expose())


def secret() -> Secret:
    """``opaque secret<V>``, wrapped on reading."""
    return cast(Secret, FieldKind(_read, _write))
