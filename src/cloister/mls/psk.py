"""Pre-shared keys (RFC 9420 section 8.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cloister.codec import Reader, Struct, Writer
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.errors import RuleViolation, UnknownPsk
from cloister.mls.limits import MAX_PSKS
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class PreSharedKeyId(Struct):
    """The name of a pre-shared key.

    By hand, because its form depends on psktype: ``psk_id`` for an external key; usage,
    ``psk_group_id`` and ``psk_epoch`` for a resumption key.
    """

    psk_type: PskType
    psk_id: bytes = b""
    usage: ResumptionPskUsage | None = None
    psk_group_id: bytes = b""
    psk_epoch: int = 0
    psk_nonce: bytes

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a PreSharedKeyID."""
        code = reader.uint8()
        if code == PskType.EXTERNAL:
            psk_id = reader.opaque()
            return cls(psk_type=PskType.EXTERNAL, psk_id=psk_id, psk_nonce=reader.opaque())
        if code != PskType.RESUMPTION:
            raise reader.fail(f"{code} is not a psktype")
        usage = reader.uint8()
        if usage not in {1, 2, 3}:
            raise reader.fail(f"{usage} is not a resumption usage")
        group_id = reader.opaque()
        epoch = reader.uint64()
        return cls(
            psk_type=PskType.RESUMPTION,
            usage=ResumptionPskUsage(usage),
            psk_group_id=group_id,
            psk_epoch=epoch,
            psk_nonce=reader.opaque(),
        )

    def write(self, writer: Writer) -> None:
        """Write a PreSharedKeyID."""
        writer.uint8(self.psk_type)
        if self.usage is None:
            writer.opaque(self.psk_id)
        else:
            writer.uint8(self.usage)
            writer.opaque(self.psk_group_id)
            writer.uint64(self.psk_epoch)
        writer.opaque(self.psk_nonce)


def check_psk_nonce(suite: Suite, name: PreSharedKeyId) -> None:
    """Demand a nonce of Nh bytes (8.4). Raises RuleViolation."""
    if len(name.psk_nonce) != suite.nh:
        raise RuleViolation(Rule.PSK_NONCE)


def check_proposed_psk(
    suite: Suite, name: PreSharedKeyId, founding: ResumptionPskUsage | None
) -> None:
    """Section 12.1.4: an external key, or a resumption key for application use.

    Args:
        founding: reinit or branch in the first commit of a group that continues another, which
            alone may use such a key; else None.

    Raises RuleViolation.
    """
    check_psk_nonce(suite, name)
    if name.usage not in {None, ResumptionPskUsage.APPLICATION, founding}:
        raise RuleViolation(Rule.PSK_USAGE)


def check_distinct_psks(names: Sequence[PreSharedKeyId]) -> None:
    """Demand that no key is named twice, and not too many (8.4, 12.2). Raises RuleViolation."""
    if len(names) > MAX_PSKS:
        raise RuleViolation(Rule.PSK_COUNT)
    if len(set(names)) != len(names):
        raise RuleViolation(Rule.DUPLICATE_PSK)


def find_psk(
    name: PreSharedKeyId,
    external: Mapping[bytes, Secret],
    resumption: Mapping[tuple[bytes, int], Secret],
) -> Secret:
    """The key of this name: external by psk_id, resumption by (group id, epoch).

    Raises UnknownPsk. There is no default: a substitute that others can compute would let
    members without the key through.
    """
    found = (
        external.get(name.psk_id)
        if name.usage is None
        else resumption.get((name.psk_group_id, name.psk_epoch))
    )
    if found is None:
        raise UnknownPsk("a pre-shared key is not known here")
    return found


def psk_secret(suite: Suite, psks: Sequence[tuple[PreSharedKeyId, Secret]]) -> Secret:
    """psk_secret over the keys in the order of their proposals; Nh zeros when there are none."""
    zeros = Secret(bytes(suite.nh))
    result = zeros
    for index, (name, value) in enumerate(psks):
        # PSKLabel: struct { PreSharedKeyID id; uint16 index; uint16 count; }
        label = name.encode() + index.to_bytes(2, "big") + len(psks).to_bytes(2, "big")
        extracted = suite.extract(zeros, value)
        psk_input = suite.expand_with_label(extracted, labels.DERIVED_PSK, label, suite.nh)
        result = suite.extract(psk_input, result)
    return result
