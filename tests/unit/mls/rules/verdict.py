"""What a receiver says of a message: refused for one reason and unchanged, or accepted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    Group,
    KeyPackageSecrets,
    MLSError,
    Operations,
    RuleViolation,
    open_welcome,
)
from cloister.mls.rules import Rule
from unit.mls.members import NO_PSKS, NOW

Reason = Rule | type[MLSError]
"""Why a lie is refused: by a rule, or with the class that its rule has for an error."""


def refuses(
    victim: Group,
    lie: bytes,
    reason: Reason,
    *,
    psks: Mapping[bytes, Secret] = NO_PSKS,
    allow: Operations = Operations.ALL,
) -> None:
    """Demand exactly this error, and a receiver who is afterwards byte for byte as before."""
    before = victim.encode()
    with pytest.raises(MLSError) as caught:
        victim.process(lie, now=NOW, psks=psks, allow=allow)
    assert victim.encode() == before
    _is(caught.value, reason)


def accepts(
    victim: Group,
    message: bytes,
    *,
    psks: Mapping[bytes, Secret] = NO_PSKS,
    allow: Operations = Operations.ALL,
) -> Group:
    """The receiver after an honest message, in the next epoch if it is a commit."""
    received = victim.process(message, now=NOW, psks=psks, allow=allow)
    assert received.next is not None
    assert received.next.encode() != victim.encode()
    return received.next


def refuses_every_changed_byte(victim: Group, honest: bytes, *, step: int = 1) -> None:
    """Demand some refusal, and no change, wherever a byte of the message is another."""
    accepts(victim, honest)
    before = victim.encode()
    for position in range(0, len(honest), step):
        with pytest.raises(MLSError):
            victim.process(with_changed_byte(honest, position), now=NOW, allow=Operations.ALL)
    assert victim.encode() == before


def with_changed_byte(message: bytes, position: int) -> bytes:
    """The message with two bits of this byte turned over."""
    return message[:position] + bytes([message[position] ^ 0x41]) + message[position + 1 :]


def refuses_to_join(
    secrets: KeyPackageSecrets,
    lie: bytes,
    reason: Reason,
    *,
    tree: bytes | None = None,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> None:
    """Demand exactly this error of the one whom a Welcome is for."""
    with pytest.raises(MLSError) as caught:
        open_welcome(lie, secrets, psks).join(tree, now=NOW)
    _is(caught.value, reason)


def joins(
    secrets: KeyPackageSecrets,
    welcome: bytes,
    *,
    tree: bytes | None = None,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> Group:
    """The joiner after an honest Welcome."""
    return open_welcome(welcome, secrets, psks).join(tree, now=NOW)


def swapped(old: str, new: str) -> Callable[[bytes], bytes]:
    """Puts other bytes in place of some that occur once; both in hexadecimal, spaces ignored."""
    before, after = bytes.fromhex(old), bytes.fromhex(new)

    def change(data: bytes) -> bytes:
        assert data.count(before) == 1, f"{before.hex()} occurs {data.count(before)} times"
        return data.replace(before, after)

    return change


def _is(error: MLSError, reason: Reason) -> None:
    if isinstance(reason, Rule):
        assert isinstance(error, RuleViolation), error
        assert error.rule is reason, error
        assert reason.rule_id in str(error)
    else:
        assert type(error) is reason, error
