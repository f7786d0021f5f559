"""The secret tree: message keys that are deleted as they are used (RFC 9420 section 9).

A secret tree is a value. Taking a key returns the key and the tree without it; the caller keeps
the new tree only when the message opened, so a forged message consumes nothing. What 9.2 says
must be deleted is absent from the new tree: the secrets above an opened leaf, each chain secret
once the next is derived, each key once used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from cloister.crypto.secret import Secret
from cloister.mls import labels, tree_math
from cloister.mls.errors import ConsumedGeneration, Misuse, TooFarAhead
from cloister.mls.limits import FORWARD_LIMIT, MAX_RETAINED_KEYS, RETAINED_KEY_LIFETIME_S
from cloister.mls.suite import Suite
from cloister.values import replace

LAST_GENERATION: Final = 2**32 - 1
NEVER: Final = 2**64 - 1


class MessageKey(msgspec.Struct, frozen=True):
    """The AEAD key and nonce of one generation."""

    generation: int
    key: Secret
    nonce: Secret


class RetainedKey(msgspec.Struct, frozen=True):
    """A key skipped over, kept for a message that is late. ``since`` in seconds."""

    message_key: MessageKey
    since: int


class Ratchet(msgspec.Struct, frozen=True):
    """One chain: the secret of ``generation``, which is the next to be used, and skipped keys."""

    secret: Secret
    generation: int = 0
    retained: tuple[RetainedKey, ...] = ()

    def take_next(self, suite: Suite) -> tuple[MessageKey, Ratchet]:
        """The key of the next generation, for sending. Raises TooFarAhead after the last."""
        if self.generation == LAST_GENERATION:
            # Its successor would have no number, and a chain without one cannot be stored.
            raise TooFarAhead(self.generation)
        key = _message_key(suite, self.secret, self.generation)
        return key, replace(
            self,
            secret=suite.derive_tree_secret(self.secret, labels.SECRET, self.generation, suite.nh),
            generation=self.generation + 1,
        )

    def take(self, suite: Suite, generation: int, now: int) -> tuple[MessageKey, Ratchet]:
        """The key of ``generation``, for receiving.

        Raises ConsumedGeneration, TooFarAhead.
        """
        retained = self.without_expired(now).retained
        if generation < self.generation:
            for position, one in enumerate(retained):
                if one.message_key.generation == generation:
                    rest = retained[:position] + retained[position + 1 :]
                    return one.message_key, replace(self, retained=rest)
            raise ConsumedGeneration(generation)
        if generation - self.generation > FORWARD_LIMIT:
            raise TooFarAhead(generation)
        skipped: list[RetainedKey] = []
        ratchet = self
        while ratchet.generation < generation:
            key, ratchet = ratchet.take_next(suite)
            skipped.append(RetainedKey(key, now))
        key, ratchet = ratchet.take_next(suite)
        kept = (*retained, *skipped)[-MAX_RETAINED_KEYS:]
        return key, replace(ratchet, retained=kept)

    def without_expired(self, now: int) -> Ratchet:
        """The chain without skipped keys whose time is over; itself if there are none."""
        kept = tuple(one for one in self.retained if now - one.since <= RETAINED_KEY_LIFETIME_S)
        return self if len(kept) == len(self.retained) else replace(self, retained=kept)


def _message_key(suite: Suite, secret: Secret, generation: int) -> MessageKey:
    return MessageKey(
        generation,
        suite.derive_tree_secret(secret, labels.KEY, generation, suite.nk),
        suite.derive_tree_secret(secret, labels.NONCE, generation, suite.nn),
    )


class LeafRatchets(msgspec.Struct, frozen=True):
    """The two chains of one sender."""

    handshake: Ratchet
    application: Ratchet

    @property
    def retained(self) -> tuple[RetainedKey, ...]:
        """The skipped keys of both."""
        return self.handshake.retained + self.application.retained

    def without_expired(self, now: int) -> LeafRatchets:
        """Both without skipped keys whose time is over; this value itself if there are none.

        What is stored anew is found by identity: records of other senders must not be.
        """
        handshake = self.handshake.without_expired(now)
        application = self.application.without_expired(now)
        if handshake is self.handshake and application is self.application:
            return self
        return LeafRatchets(handshake, application)


class SecretTree(msgspec.Struct, frozen=True, eq=False):
    """Undisturbed subtree secrets by node index, and the chains of senders seen so far.

    No skipped key is older than ``oldest_since``, in seconds: it tells when to look for some that
    have expired, those of senders who have fallen silent too.
    """

    suite: Suite
    leaf_count: int
    nodes: Mapping[int, Secret]
    senders: Mapping[int, LeafRatchets]
    oldest_since: int = NEVER

    @classmethod
    def new(cls, suite: Suite, leaf_count: int, encryption_secret: Secret) -> SecretTree:
        """The tree of a new epoch."""
        return cls(suite, leaf_count, {tree_math.root(leaf_count): encryption_secret}, {})

    def take_next(self, leaf: int, *, is_application: bool) -> tuple[MessageKey, SecretTree]:
        """The next key to send with. The returned tree is stored before the message leaves."""
        ratchets, nodes = self._open(leaf)
        ratchet = ratchets.application if is_application else ratchets.handshake
        key, ratchet = ratchet.take_next(self.suite)
        return key, self._with(leaf, ratchets, ratchet, nodes, is_application)

    def take(
        self, leaf: int, generation: int, *, is_application: bool, now: int
    ) -> tuple[MessageKey, SecretTree]:
        """The key to open a message with. Raises ConsumedGeneration, TooFarAhead."""
        ratchets, nodes = self._open(leaf)
        ratchet = ratchets.application if is_application else ratchets.handshake
        key, ratchet = ratchet.take(self.suite, generation, now)
        taken = self._with(leaf, ratchets, ratchet, nodes, is_application)
        if ratchet.retained:
            taken = replace(taken, oldest_since=min(self.oldest_since, ratchet.retained[-1].since))
        if now - taken.oldest_since > RETAINED_KEY_LIFETIME_S:
            taken = taken._without_expired(now)
        return key, taken

    def _without_expired(self, now: int) -> SecretTree:
        senders = {leaf: one.without_expired(now) for leaf, one in self.senders.items()}
        return replace(self, senders=senders, oldest_since=oldest_skipped(senders))

    def _with(
        self,
        leaf: int,
        ratchets: LeafRatchets,
        ratchet: Ratchet,
        nodes: Mapping[int, Secret],
        is_application: bool,
    ) -> SecretTree:
        changed = (
            LeafRatchets(ratchets.handshake, ratchet)
            if is_application
            else LeafRatchets(ratchet, ratchets.application)
        )
        senders = {**self.senders, leaf: changed}
        return SecretTree(self.suite, self.leaf_count, nodes, senders, self.oldest_since)

    def _open(self, leaf: int) -> tuple[LeafRatchets, Mapping[int, Secret]]:
        """The chains of ``leaf``, deriving them when this is its first message of the kind."""
        if not 0 <= leaf < self.leaf_count:
            raise Misuse(f"no leaf {leaf} in this tree")
        known = self.senders.get(leaf)
        if known is not None:
            return known, self.nodes
        suite = self.suite
        target = tree_math.node_of(leaf)
        nodes = dict(self.nodes)
        start = int(target)
        while start not in nodes:
            start = tree_math.parent(start)
        secret = nodes.pop(start)
        node = start
        while node != target:
            left, right = tree_math.left(node), tree_math.right(node)
            left_secret = suite.expand_with_label(secret, labels.TREE, labels.LEFT, suite.nh)
            right_secret = suite.expand_with_label(secret, labels.TREE, labels.RIGHT, suite.nh)
            if target < node:
                nodes[right] = right_secret
                node, secret = left, left_secret
            else:
                nodes[left] = left_secret
                node, secret = right, right_secret
        handshake = suite.expand_with_label(secret, labels.HANDSHAKE, b"", suite.nh)
        application = suite.expand_with_label(secret, labels.APPLICATION, b"", suite.nh)
        return LeafRatchets(Ratchet(handshake), Ratchet(application)), nodes


def oldest_skipped(senders: Mapping[int, LeafRatchets]) -> int:
    """When the oldest skipped key of these senders was skipped, in seconds; or NEVER."""
    return min((key.since for one in senders.values() for key in one.retained), default=NEVER)
