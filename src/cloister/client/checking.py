"""What a group, a commit and a key package must be before this device accepts them (C1, C2)."""

from __future__ import annotations

from cloister import mls
from cloister.client.binding import (
    CHECKPOINT,
    CONVERSATION,
    SUITE,
    BindingError,
    DeviceBinding,
    SplitView,
    check_leaf,
    checkpoint_of,
    conversation_of,
    device_of_leaf,
    dids_of,
)
from cloister.client.state import State
from cloister.codec import DecodeError
from cloister.errors import RemoteError
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord


class LogBehind(RemoteError):
    """The commit stands on log entries that this device has not settled yet."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the commit stands on {size} log entries")
        self.size = size


class PackageError(RemoteError):
    """A key package that must not be used."""


class PackageExpired(PackageError):
    """A key package of a device that has been away for long; a later one may do."""


def check_package(package: bytes, record: DeviceRecord, circle_id: bytes, now: int) -> None:
    """Check that a key package is of that device, for this circle, this suite and this time.

    The MLS engine checks the rest when it is added.  Raises ``PackageError``.
    """
    try:
        parsed = mls.KeyPackage.decode(package)
        if parsed.cipher_suite != SUITE:
            raise PackageError("it is of another cipher suite")
        if device_of_leaf(parsed.leaf_node).did != record.did:
            raise PackageError("it is of another device")
        check_leaf(parsed.leaf_node, circle_id, record.card.device_key)
    except (DecodeError, BindingError) as error:
        raise PackageError(str(error)) from None
    lifetime = parsed.leaf_node.lifetime
    if lifetime is not None and lifetime.not_after < now:
        raise PackageExpired("its lifetime is over (or a clock is wrong)")
    if lifetime is None or not lifetime.includes(now):
        raise PackageError("it is not valid yet (or a clock is wrong)")


def has_ended(package: bytes, now: int) -> bool:
    """Return whether a key package that ``check_package`` has passed outlived its lifetime."""
    lifetime = mls.KeyPackage.decode(package).leaf_node.lifetime
    return lifetime is not None and lifetime.not_after < now


def check_group(state: State, group: mls.Group, *, minimum: int) -> None:
    """C1 and C2: the checkpoint is in the settled log, and every leaf active at its size.

    Raises ``LogBehind`` when the log must be fetched first, ``SplitView``, ``BindingError``.
    """
    roster = roster_of(state)
    if tuple(one.extension_type for one in group.extensions) != (CHECKPOINT, CONVERSATION):
        raise BindingError("a group carries extensions that this program does not use")
    conversation_of(group.extensions)
    checkpoint = checkpoint_of(group.extensions)
    if checkpoint.origin != roster.origin or checkpoint.size < minimum:
        raise BindingError("a commit stands on an older checkpoint than its epoch")
    if checkpoint.size > roster.size:
        raise LogBehind(checkpoint.size)
    if state.root_at(checkpoint.size) != checkpoint.root:
        raise SplitView("the group stands on another history of the circle's log")
    seen: set[bytes] = set()
    for member in group.members():
        binding = device_of_leaf(member.leaf)
        record = roster.devices.get(binding.did)
        if record is None or not record.was_active_at(checkpoint.size):
            raise BindingError("a leaf belongs to a device that is not active in the circle")
        if binding.did in seen:
            raise BindingError("a device has two leaves")
        seen.add(binding.did)
        check_leaf(member.leaf, roster.circle_id, record.card.device_key)


def check_commons_removals(state: State, before: mls.Group, after: mls.Group) -> None:
    """A commons commit removes no leaf but those of devices that are not active (C2)."""
    roster = roster_of(state)
    size = checkpoint_of(after.extensions).size
    left = set(dids_of(after).values())
    for did in dids_of(before).values():
        if did in left:
            continue
        record = roster.devices.get(did)
        if record is not None and record.was_active_at(size):
            raise BindingError("a commit removed an active member's device from the commons")


def check_not_replaced(before: mls.Group, after: mls.Group) -> None:
    """A device whose leaf key changes was removed and added anew: only a knock allows that (3.7).

    Its knock number must have risen.  Raises ``BindingError``.
    """
    bindings = {one.did: (one.knock, key) for one, key in _bindings(before)}
    for binding, key in _bindings(after):
        known = bindings.get(binding.did)
        if known is not None and key != known[1] and binding.knock <= known[0]:
            raise BindingError("a device was replaced in the group without having asked for it")


def _bindings(group: mls.Group) -> list[tuple[DeviceBinding, bytes]]:
    return [(device_of_leaf(one.leaf), one.leaf.signature_key) for one in group.members()]


def roster_of(state: State) -> Roster:
    """Return the roster.  Raises ``BindingError`` when there is none yet."""
    if state.roster is None:
        raise BindingError("there is no roster yet")
    return state.roster
