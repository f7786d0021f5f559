"""Asking the relays: an oblivious function of the PIN under each relay's scalar (RFC 9497).

    x_R = label || relay R || handle || generation || Argon2id(PIN)
    y_R = OPRF(scalar of R, x_R)

No relay learns anything of the PIN, and the inputs to two relays differ, so that one relay's
answer says nothing about another's.  All relays are asked at once and without delay: a person
waits, the requests name handles that nothing links, and that one device unlocks at two relays in
the same second is said in docs/security/metadata.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from cloister.crypto import oprf
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.device.calls import Call, OpenLink, calling
from cloister.device.vault.key_file import ShareReference, Stretched
from cloister.errors import CloisterError, RemoteError
from cloister.roster.labels import framed
from cloister.roster.share import MIN_SHARE_RELAYS, ShareReceipt
from cloister.values import replace
from cloister.wire.auth import SHARE_LABEL, ShareAct, ShareContent
from cloister.wire.commands import (
    Confirm,
    DropGeneration,
    EnrolAgain,
    Evaluate,
    NextGeneration,
)
from cloister.wire.events import Evaluated

INPUT_LABEL: Final = b"cloister unlock v1"
"""Separates this function's inputs from any other use of a relay's scalar."""


class Share(msgspec.Struct, frozen=True):
    """One relay's answer."""

    relay_id: bytes
    y: Secret
    left: int
    """Tries until this relay seals the share."""


class Asked(msgspec.Struct, frozen=True):
    """What came of asking several relays."""

    shares: tuple[Share, ...]
    failures: tuple[tuple[ShareReference, CloisterError], ...]

    @property
    def by_relay(self) -> dict[bytes, Secret]:
        """relay id -> y."""
        return {share.relay_id: share.y for share in self.shares}


class BadAnswer(RemoteError):
    """A relay answered with what the protocol does not have."""


def unlock_input(reference: ShareReference, stretched: Stretched) -> bytes:
    """Return x_R.  Every field has a fixed length but the framed label."""
    return framed(INPUT_LABEL) + reference.bound + stretched.key.expose()


async def evaluate_all(
    references: Sequence[ShareReference],
    stretched: Stretched,
    entropy: Entropy,
    open_link: OpenLink,
) -> Asked:
    """Ask every relay at once; return whatever each gave.

    Uses up a try at each that answers, so no relay is asked before two can be reached: while one
    is away, trying again and again must not use up the tries at the other.
    """
    async with AsyncExitStack() as calls:

        async def reach(reference: ShareReference) -> Call | CloisterError:
            routes = [one.route for one in reference.routes]
            try:
                return await calls.enter_async_context(
                    calling(routes, reference.relay_id, open_link)
                )
            except CloisterError as error:
                return error

        async def ask(reference: ShareReference, call: Call) -> Share | CloisterError:
            try:
                return await evaluate(call, reference, stretched, entropy)
            except CloisterError as error:
                return error

        reached = await asyncio.gather(*map(reach, references))
        failures = [
            (reference, call)
            for reference, call in zip(references, reached, strict=True)
            if isinstance(call, CloisterError)
        ]
        if len(references) - len(failures) < MIN_SHARE_RELAYS:
            return Asked((), tuple(failures))
        asked = [
            (reference, call)
            for reference, call in zip(references, reached, strict=True)
            if isinstance(call, Call)
        ]
        answers = await asyncio.gather(*(ask(*one) for one in asked))
    shares = tuple(answer for answer in answers if isinstance(answer, Share))
    failures += [
        (reference, answer)
        for (reference, _), answer in zip(asked, answers, strict=True)
        if isinstance(answer, CloisterError)
    ]
    return Asked(shares, tuple(failures))


async def evaluate(
    call: Call, reference: ShareReference, stretched: Stretched, entropy: Entropy
) -> Share:
    """Ask one relay.  Raises ``CallRefused``, ``NetworkError``, ``BadPublicKey``, ``BadAnswer``."""
    private_input = unlock_input(reference, stretched)
    blinding, element = oprf.blind(private_input, entropy)
    key = Ed25519Key(Secret(reference.unlock_seed))
    signature = _sign(key, call, reference, ShareAct.EVALUATE, element)
    answer = await call.ask(
        lambda rid: Evaluate(
            rid=rid,
            handle=reference.handle,
            generation=reference.generation,
            blinded=element,
            signature=signature,
        )
    )
    if not isinstance(answer, Evaluated) or answer.left < 0:
        raise BadAnswer("a relay answered an unlock with something else")
    y = oprf.finalize(private_input, blinding, answer.element)
    return Share(reference.relay_id, y, answer.left)


async def confirm(call: Call, reference: ShareReference, key: Ed25519Key) -> None:
    """Give the tries back: only the open vault has this key."""
    signature = _sign(key, call, reference, ShareAct.CONFIRM)
    await call.ask(
        lambda rid: Confirm(
            rid=rid,
            handle=reference.handle,
            generation=reference.generation,
            signature=signature,
        )
    )


async def next_generation(call: Call, reference: ShareReference, key: Ed25519Key) -> None:
    """Have the scalar made of ``reference.generation``; the one before stays."""
    signature = _sign(key, call, reference, ShareAct.NEXT)
    await call.ask(
        lambda rid: NextGeneration(
            rid=rid,
            handle=reference.handle,
            generation=reference.generation,
            signature=signature,
        )
    )


async def drop_before(call: Call, reference: ShareReference, key: Ed25519Key) -> None:
    """Have the scalars before ``reference.generation`` destroyed."""
    signature = _sign(key, call, reference, ShareAct.DROP)
    await call.ask(
        lambda rid: DropGeneration(
            rid=rid,
            handle=reference.handle,
            generation=reference.generation,
            signature=signature,
        )
    )


async def enrol_again(
    call: Call,
    reference: ShareReference,
    receipt: ShareReceipt,
    key: Ed25519Key,
    owner_key: Ed25519Key,
) -> None:
    """Have the share put back that a restored relay does not know; ``key`` is to confirm it."""
    unlock_key = Ed25519Key(Secret(reference.unlock_seed))
    of_none = replace(reference, generation=0)
    unlock_signature, owner_signature = (
        _sign(one, call, of_none, ShareAct.ENROL_AGAIN, key.public)
        for one in (unlock_key, owner_key)
    )
    await call.ask(
        lambda rid: EnrolAgain(
            rid=rid,
            receipt=receipt.encode(),
            confirm_key=key.public,
            unlock_signature=unlock_signature,
            owner_signature=owner_signature,
        )
    )


def _sign(
    key: Ed25519Key,
    call: Call,
    reference: ShareReference,
    act: ShareAct,
    element: bytes = b"",
) -> bytes:
    content = ShareContent(
        relay_id=reference.relay_id,
        handle=reference.handle,
        generation=reference.generation,
        act=int(act),
        element=element,
        nonce=call.nonce,
    )
    return key.sign(SHARE_LABEL, content.encode())
