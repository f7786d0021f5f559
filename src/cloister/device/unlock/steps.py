"""What an open vault has one relay do with its share, and what the refusals mean.

A relay that was restored from a backup has no scalars (GENERATION), and of a device that
enrolled after the backup not even a row (UNKNOWN_OBJECT).  There the device enrols again under its
own handle, by the relay's own receipt: then the share is lost like every other, and made anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cloister.device.calls import Call, CallRefused
from cloister.device.unlock import evaluation
from cloister.device.unlock.enrolled import EnrolledShare
from cloister.device.vault.key_file import ShareReference
from cloister.wire.codes import Refusal

Step = Callable[[Call, ShareReference, EnrolledShare], Awaitable[None]]


def is_loss(error: BaseException) -> bool:
    """Tell whether a relay has said that it has no scalar of the generation that is in force.

    It has none at all (detail 0), or already the next: an attempt to make it anew got as far as
    this relay and was broken off, and the same attempt goes on from there."""
    return isinstance(error, CallRefused) and error.code == Refusal.GENERATION


def is_held(error: BaseException) -> bool:
    """Tell whether a legal hold forbids it; a share that is lost is said to be lost before."""
    return isinstance(error, CallRefused) and error.code == Refusal.HELD


async def take(step: Step, call: Call, reference: ShareReference, share: EnrolledShare) -> None:
    """Take a step; where the relay does not know the share, enrol again and take it then."""
    try:
        await step(call, reference, share)
    except CallRefused as refused:
        if refused.code != Refusal.UNKNOWN_OBJECT:
            raise
    else:
        return
    await evaluation.enrol_again(call, reference, share.receipt, share.confirm_key, share.owner_key)
    await step(call, reference, share)


async def confirm(call: Call, reference: ShareReference, share: EnrolledShare) -> None:
    """Give the tries back."""
    await evaluation.confirm(call, reference, share.confirm_key)


async def make(call: Call, reference: ShareReference, share: EnrolledShare) -> None:
    """Have the generation of the reference made."""
    try:
        await evaluation.next_generation(call, reference, share.confirm_key)
    except CallRefused as refused:
        # An earlier attempt got as far as this relay.
        if (refused.code, refused.detail) != (Refusal.GENERATION, reference.generation):
            raise


async def drop(call: Call, reference: ShareReference, share: EnrolledShare) -> None:
    """Have the generations before the reference's destroyed."""
    await evaluation.drop_before(call, reference, share.confirm_key)
