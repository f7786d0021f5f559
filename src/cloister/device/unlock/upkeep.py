"""What an open vault owes its shares: tries given back, the key file as the enrolment says.

    unconfirmed   a relay counted the opening: Confirm, with a key that only the open vault has
    not wrapped   the core has enrolled, the key file does not need the shares yet: wrap anew
    undropped     a PIN was changed: the relays may destroy the generation before
    moved         a relay has another address: write it down
    lost          a relay was restored from a backup, which has no shares: enrol again where it is
                  older than the enrolment, make new ones, wrap anew

Each is a state that can be seen in the vault and its key file, so whatever ends the process in
between, the next one goes on.  A failure is tried again with backoff; none of it stops the device.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.device.backoff import Backoff
from cloister.device.calls import Call, CallRefused, OpenLink, calling
from cloister.device.unlock import steps
from cloister.device.unlock.enrolled import EnrolledShare
from cloister.device.unlock.evaluation import evaluate_all
from cloister.device.unlock.lease import LeasedShare, leased_shares
from cloister.device.unlock.pin_rules import check_pin
from cloister.device.unlock.words import in_words, not_opened
from cloister.device.vault import OpenKey, SecretNotRight
from cloister.device.vault.key_file import Cost, ShareKeyFile, ShareReference, Stretched, sealed
from cloister.device.vault.wrapping import fresh_stretch, wrap_alone, wrap_with_shares
from cloister.errors import CloisterError
from cloister.values import replace

LOOK_S: Final = 6 * 3600
"""How often an open vault asks whether its shares are still there: a relay that has lost one can
be helped by an open vault alone."""
SUSPECTED_S: Final = 600
"""The same where a relay is known to have been restored, or has said nothing yet since the vault is
open: not all devices of a fleet at once."""
SUSPICIONS_S: Final = 3600
"""Between two looks that a suspicion brings: whoever says it sees who asks soon after, and could
say it again and again until only one handle is left that may belong to a device's channels."""

OnLease = Callable[[tuple[LeasedShare, ...]], None]


class OnDisk(Protocol):
    """Runs something where the vault is used."""

    async def __call__(self, work: Callable[[], None], /) -> None:
        """Return when it is done."""
        ...


class Upkeep:
    """The shares of one open vault.  ``shares`` says what the core has enrolled, at any time."""

    def __init__(
        self,
        key: OpenKey,
        shares: Callable[[], tuple[EnrolledShare, ...]],
        *,
        entropy: Entropy,
        open_link: OpenLink,
        on_disk: OnDisk,
        on_lease: OnLease = lambda shares: None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._key = key
        self._shares = shares
        self._entropy = entropy
        self._open_link = open_link
        self._on_disk = on_disk
        self._on_lease = on_lease
        self._backoff = Backoff(uniform)
        self._one_at_a_time = asyncio.Lock()
        self._looked = asyncio.Event()
        self._uniform = uniform
        self._has_lost = False
        self._is_suspected = False
        # Who opens by a lease, or by two of three relays, has not heard of a loss; and whoever
        # locks soon would never look before the lease is over.
        self._has_not_asked = any(one.relay_id not in key.unconfirmed for one in key.references)
        self.trouble: CloisterError | None = None

    @property
    def is_owed(self) -> bool:
        """Whether anything is left to do."""
        return self._has_lost or bool(
            self._unconfirmed or self._is_unwrapped or self._is_undropped or self._moved
        )

    @property
    def state(self) -> str:
        """How the vault's key is kept, in words."""
        if self._is_unwrapped:
            return "passphrase alone; the unlock shares are enrolled and not in force yet"
        if not self._key.references:
            return "passphrase alone"
        return f"PIN and unlock shares of {len(self._key.references)} relays"

    def look(self) -> None:
        """Note that the core has changed."""
        self._looked.set()

    def suspect(self) -> None:
        """Note that a relay was restored from a backup, which has no shares: look soon."""
        self._is_suspected = True
        self._looked.set()

    async def run(self) -> None:
        """Do what is owed, for as long as the vault is open."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + (
            self._uniform(0, SUSPECTED_S) if self._has_not_asked else self._spread(LOOK_S)
        )
        followed_at = -float(SUSPICIONS_S)
        while True:
            self._looked.clear()
            if self.is_owed:
                try:
                    await self.settle()
                except CloisterError as error:
                    self._note(error)
                    # A hold lasts for months, and meanwhile nothing is missing.
                    hold_s = self._spread(SUSPECTED_S) if steps.is_held(error) else 0
                    await asyncio.sleep(max(self._backoff.next_delay(), hold_s))
                continue
            if self._is_suspected:
                self._is_suspected = False
                soon = max(loop.time(), followed_at + SUSPICIONS_S)
                if look_at > soon + SUSPECTED_S:
                    # Drawn once: each conversation tells of the restore, and the least of many
                    # draws would have all devices come at once after all.
                    look_at = soon + self._uniform(0, SUSPECTED_S)
                    followed_at = look_at
            try:
                # Whatever else changes meanwhile does not put it off.
                async with asyncio.timeout_at(look_at):
                    await self._looked.wait()
            except TimeoutError:
                have_answered = await self.look_for_losses()
                look_at = loop.time() + self._spread(LOOK_S if have_answered else SUSPECTED_S)

    def _spread(self, seconds: float) -> float:
        return seconds * self._uniform(0.5, 1.5)

    async def check(self) -> None:
        """Look for losses now, and make up for them; ``trouble`` is what stands in the way."""
        await self.look_for_losses()
        if self._has_lost:
            try:
                await self.settle()
            except CloisterError as error:
                self._note(error)
                self.look()  # else it would be tried again in hours

    async def confirm(self) -> None:
        """Give the tries back that opening the vault used up.  Raises what stands in the way."""
        async with self._one_at_a_time:
            await self._give_tries_back()

    async def look_for_losses(self) -> bool:
        """Ask each relay whether it still has its share; return whether all have answered."""
        async with self._one_at_a_time:
            if not self._key.references:
                return True
            try:
                # It has done this already, or owes it: with nothing to drop it changes nothing.
                await self._at_all(self._key.references, steps.drop)
            except CloisterError as error:
                if steps.is_loss(error):
                    self._has_lost = True
                else:
                    self._note(error)
                return isinstance(error, CallRefused)
            self.trouble = None
            return True

    def _note(self, error: CloisterError) -> None:
        # A share that is held is there.
        self.trouble = None if steps.is_held(error) else in_words(error)

    async def settle(self) -> None:
        """Do all that is owed now.  Raises what stands in the way."""
        async with self._one_at_a_time:
            self.begin_lease()
            try:
                await self._settle()
            except CallRefused as refused:
                # Whichever step finds it: it would be refused for ever.
                self._has_lost = self._has_lost or steps.is_loss(refused)
                raise
            self._backoff.reset()
            self.trouble = None

    async def _settle(self) -> None:
        if self._has_lost:
            await self._make_anew()
        await self._give_tries_back()
        if self._is_unwrapped:
            await self._wrap_anew()
        if self._is_undropped:
            await self._drop_generation_before()
        if self._moved:
            await self._write_routes()

    async def change_pin(self, old: Secret, new: Secret) -> None:
        """Put another PIN in the place of the one in force.

        Two generations: the relays make new scalars and keep the old ones until the new key file
        is on the disk.  At whatever step it is interrupted, the PIN whose key file lies there
        opens the vault, and changing it again takes up the generation that was made.

        Raises ``SecretNotRight``, ``UsageError`` for a PIN that is too easy, and whatever a relay
        refuses: under a hold nothing is changed.
        """
        async with self._one_at_a_time:
            if not await asyncio.to_thread(self._key.is_right, old):
                raise SecretNotRight("The PIN is not right.", hint="nothing was changed")
            if self._is_unwrapped:
                try:
                    await self._wrap_anew()
                except CallRefused as refused:
                    self._has_lost = self._has_lost or steps.is_loss(refused)
                    raise in_words(refused) from None
            cost = self._key.stretched.cost
            if not self._key.references:
                await self._change_passphrase(new, cost)
                return
            check_pin(new)
            if self._is_undropped:
                # Else three generations would be about; no relay keeps so many.
                await self._drop_generation_before()
            try:
                following = await self._next_generation(self._key.references, steps.make)
                stretched = await asyncio.to_thread(fresh_stretch, new, cost, self._entropy)
                await self._wrap(following, stretched, undropped=True)
            except CloisterError as error:
                self.look()  # tries that it used up are owed
                raise in_words(error) from None
            with suppress(CloisterError):
                # The new PIN is in force. What is left is owed and will be done.
                await self._drop_generation_before()
        self.look()

    # --- the parts --------------------------------------------------------------------------------

    @property
    def _unconfirmed(self) -> bool:
        return bool(self._key.unconfirmed and self._shares())

    @property
    def _is_unwrapped(self) -> bool:
        enrolled = {one.reference.name for one in self._shares()}
        return bool(enrolled) and enrolled != {one.name for one in self._key.references}

    @property
    def _is_undropped(self) -> bool:
        file = self._key.file
        return isinstance(file, ShareKeyFile) and file.undropped and bool(self._shares())

    @property
    def _moved(self) -> bool:
        known = {one.reference.name: one.reference.routes for one in self._shares()}
        return any(known.get(one.name, one.routes) != one.routes for one in self._key.references)

    def begin_lease(self) -> None:
        """Hand on the relays' answers that open this vault, if it needs any."""
        leased = leased_shares(self._key.references, self._key.shares)
        if leased:
            self._on_lease(leased)

    async def _give_tries_back(self) -> None:
        counted = [one for one in self._key.references if one.relay_id in self._key.unconfirmed]
        if counted and self._shares():
            await self._at_all(counted, steps.confirm)

    @property
    def _enrolled(self) -> tuple[ShareReference, ...]:
        """Where a share takes part already, in the generation that is in force."""
        known = {one.name: one for one in self._key.references}
        return tuple(
            replace(known.get(one.reference.name, one.reference), routes=one.reference.routes)
            for one in self._shares()
        )

    async def _wrap_anew(self) -> None:
        # A relay that was restored since this device enrolled says so to the confirm key only.
        await self._at_all(self._enrolled, steps.confirm)
        # Where a share stays and another takes part anew, what was owed there is owed still.
        await self._wrap(self._enrolled, self._key.stretched, undropped=self._is_undropped)

    async def _make_anew(self) -> None:
        """Another generation at every relay, under the PIN or passphrase in force."""
        references = self._enrolled if self._is_unwrapped else self._key.references
        if self._is_undropped:
            # No relay keeps three; the one that has lost its share refuses, and need not do it.
            with suppress(CloisterError):
                await self._at_all(references, steps.drop)
        held: set[bytes] = set()

        async def make(call: Call, reference: ShareReference, share: EnrolledShare) -> None:
            try:
                await steps.make(call, reference, share)
            except CallRefused as refused:
                if not steps.is_held(refused):
                    raise
                held.add(reference.relay_id)

        following = await self._next_generation(references, make)
        # Where a hold forbids another, the one in force is there and goes on.
        references = tuple(
            one if one.relay_id in held else new
            for one, new in zip(references, following, strict=True)
        )
        with suppress(CloisterError):
            # Attempts that fail at one relay must not use up the tries at the others.
            await self._at_all(references, steps.confirm)
        await self._wrap(references, self._key.stretched, undropped=True)
        self._has_lost = False

    async def _next_generation(
        self, references: Sequence[ShareReference], make: steps.Step
    ) -> tuple[ShareReference, ...]:
        following = tuple(replace(one, generation=one.generation + 1) for one in references)
        await self._at_all(following, make)
        return following

    async def _wrap(
        self, references: tuple[ShareReference, ...], stretched: Stretched, *, undropped: bool
    ) -> None:
        """Evaluate at every relay, and put a key file that needs the answers in place."""
        asked = await evaluate_all(references, stretched, self._entropy, self._open_link)
        # Tries are counted from here on, whatever comes of the rest.
        self._key.unconfirmed.update(share.relay_id for share in asked.shares)
        if asked.failures:
            raise not_opened(asked.failures)
        content = wrap_with_shares(
            self._key.vault_key,
            stretched,
            references,
            asked.by_relay,
            undropped=undropped,
            entropy=self._entropy,
        )
        await self._on_disk(lambda: self._key.replace(content, stretched, asked.by_relay))
        self.begin_lease()
        with suppress(CloisterError):
            await self._give_tries_back()

    async def _change_passphrase(self, new: Secret, cost: Cost) -> None:
        stretched = await asyncio.to_thread(fresh_stretch, new, cost, self._entropy)
        content = wrap_alone(self._key.vault_key, stretched, self._entropy)
        await self._on_disk(lambda: self._key.replace(content, stretched, {}))

    async def _drop_generation_before(self) -> None:
        await self._at_all(self._key.references, steps.drop)
        await self._rewrite(undropped=False)

    async def _write_routes(self) -> None:
        known = {one.reference.name: one.reference.routes for one in self._shares()}
        await self._rewrite(
            references=tuple(
                replace(one, routes=known.get(one.name, one.routes)) for one in self._key.references
            )
        )

    async def _rewrite(self, **changes: object) -> None:
        """Change what the wraps are not bound to."""
        file = self._key.file
        if isinstance(file, ShareKeyFile):
            content = sealed(replace(file, **changes))  # type: ignore[arg-type]
            key = self._key
            await self._on_disk(lambda: key.replace(content, key.stretched, key.shares))

    async def _at_all(self, references: Sequence[ShareReference], step: steps.Step) -> None:
        """Take a step at each relay, all at once; raise the first failure after all have ended."""
        enrolled = {one.reference.name: one for one in self._shares()}

        async def one(reference: ShareReference) -> None:
            share = enrolled.get(reference.name)
            if share is None:
                return  # of an enrolment that is no longer this device's
            routes = [one.route for one in share.reference.routes]
            async with calling(routes, reference.relay_id, self._open_link) as call:
                await steps.take(step, call, reference, share)
            if step is steps.confirm:
                self._key.unconfirmed.discard(reference.relay_id)

        results = await asyncio.gather(*map(one, references), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        # A relay out of reach must not hide that another has lost its share.
        for failure in sorted(failures, key=steps.is_loss, reverse=True):
            raise failure
