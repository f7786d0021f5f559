"""Extensions (RFC 9420 sections 7.2, 11.1, 12.1.8.1, 13.4)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.codec import Struct, code_points, layout, nested, opaque, uint16, vector
from cloister.mls.credential import Credential
from cloister.mls.errors import RuleViolation
from cloister.mls.limits import MAX_CODE_POINTS, MAX_EXTERNAL_SENDERS
from cloister.mls.registry import ExtensionType
from cloister.mls.rules import Rule


@layout
class Extension(Struct):
    """struct { ExtensionType extension_type; opaque extension_data<V>; } Extension"""

    extension_type: int = uint16()
    data: bytes = opaque()


@layout
class RequiredCapabilities(Struct):
    """Section 11.1: what every member must support."""

    extension_types: Sequence[int] = code_points(MAX_CODE_POINTS)
    proposal_types: Sequence[int] = code_points(MAX_CODE_POINTS)
    credential_types: Sequence[int] = code_points(MAX_CODE_POINTS)


@layout
class ExternalSender(Struct):
    """Section 12.1.8.1: somebody outside who may propose."""

    signature_key: bytes = opaque()
    credential: Credential = nested(Credential)


@layout
class ExternalSenders(Struct):
    """The data of the external_senders extension."""

    senders: tuple[ExternalSender, ...] = vector(ExternalSender, max_items=MAX_EXTERNAL_SENDERS)


@layout
class ExternalPub(Struct):
    """The data of the external_pub extension (12.4.3.2)."""

    external_pub: bytes = opaque()


def find(extensions: Sequence[Extension], extension_type: int) -> bytes | None:
    """The data of the extension of this type, or None."""
    for extension in extensions:
        if extension.extension_type == extension_type:
            return extension.data
    return None


def check_distinct(extensions: Sequence[Extension]) -> None:
    """Demand that no type occurs twice (13.4). Raises RuleViolation."""
    if len({extension.extension_type for extension in extensions}) != len(extensions):
        raise RuleViolation(Rule.DUPLICATE_EXTENSION)


def required_capabilities(extensions: Sequence[Extension]) -> RequiredCapabilities | None:
    """The required_capabilities extension, decoded. Raises DecodeError, trailing bytes included."""
    data = find(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return None if data is None else RequiredCapabilities.decode(data)


def external_senders(extensions: Sequence[Extension]) -> tuple[ExternalSender, ...]:
    """The external senders of the group. Raises DecodeError."""
    data = find(extensions, ExtensionType.EXTERNAL_SENDERS)
    return () if data is None else ExternalSenders.decode(data).senders
