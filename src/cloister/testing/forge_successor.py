"""Groups that claim to continue others, whatever they are (RFC 9420 sections 11.2, 11.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cloister.crypto.secret import Secret
from cloister.mls import Group, PreSharedKeyId, StagedCommit
from cloister.mls.committing import CommitPlan
from cloister.mls.protecting import Envelope
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.testing.forge import ENTROPY

_NOTHING: Final[Mapping[bytes, Secret]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a founder says of the old group, where that is not the truth.

    Attributes:
        key: the resumption key, for who was never in the old group.
        beside: further keys that the first commit mixes in.
    """

    group_id: bytes | None = None
    epoch: int | None = None
    key: Secret | None = None
    beside: Sequence[tuple[PreSharedKeyId, Secret]] = ()


TRUE: Final = Claim()


def founding_key(
    old: Group, new: Group, usage: ResumptionPskUsage, claim: Claim = TRUE
) -> tuple[PreSharedKeyId, Secret]:
    """The key that ties the new group to the old one, and its name."""
    name = PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=old.group_id if claim.group_id is None else claim.group_id,
        psk_epoch=old.epoch if claim.epoch is None else claim.epoch,
        psk_nonce=ENTROPY.random(new.suite.nh),
    )
    return name, claim.key or old.state.secrets.resumption


def found(
    old: Group,
    new: Group,
    key_packages: Sequence[bytes],
    usage: ResumptionPskUsage,
    *,
    claim: Claim = TRUE,
    now: int,
) -> StagedCommit:
    """The commit that adds these clients to ``new``, said to continue ``old``. Nothing is compared.

    Args:
        new: the founder alone, in any group with any parameters and in any epoch.
    """
    plan = CommitPlan(
        adds=key_packages,
        psks=[founding_key(old, new, usage, claim), *claim.beside],
        known_psks=_NOTHING,
        founding=usage,
        envelope=Envelope(),
        now=now,
    )
    return new.commit_plan(plan, ENTROPY)
