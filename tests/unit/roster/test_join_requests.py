"""Join requests: whose keys may be enrolled, and on whose word."""

from __future__ import annotations

import pytest

from cloister.codec import DecodeError, encode_opaque
from cloister.crypto.errors import DecryptError
from cloister.crypto.hpke import HpkeKey, hpke_seal
from cloister.crypto.signature import Ed25519Key
from cloister.ids import CircleId, InboxId, MemberId
from cloister.roster.content import invite_id_of
from cloister.roster.device_card import DeviceCard
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Asked, Contested
from cloister.roster.invitation import InvitationSeed
from cloister.roster.join_request import (
    DEVICE_PROOF_LABEL,
    INVITE_PROOF_LABEL,
    JOIN_REQUEST_PLAINTEXT_BYTES,
    SEALED_REQUEST_LABEL,
    JoinRequest,
    fingerprint,
    open_join_request,
    seal_join_request,
)
from cloister.roster.labels import framed
from cloister.roster.rules import Rule
from cloister.roster.state import RequestState
from cloister.values import replace
from unit.roster.circle import (
    DAY,
    Circle,
    Person,
    SeededEntropy,
    circle_of_three,
    person,
    secret,
    vouch_for,
)

ADA, BEN, CLEO, DAN, EVE = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve"))


def signed(
    request: JoinRequest, inv_key: Ed25519Key, device_key: Ed25519Key, **changes: object
) -> JoinRequest:
    """A request with some fields changed, and signed again by these keys."""
    other = replace(request, **changes)  # type: ignore[arg-type]
    body = other.signed_bytes
    return replace(
        other,
        inv_signature=inv_key.sign(INVITE_PROOF_LABEL, body),
        device_signature=device_key.sign(DEVICE_PROOF_LABEL, body),
    )


def asked(circle: Circle, newcomer: Person = DAN) -> tuple[InvitationSeed, JoinRequest]:
    """An invitation by Ada and a request for it, the request not yet in the log."""
    seed = circle.invite(ADA)
    return seed, circle.request(newcomer, seed)


def refused(circle: Circle, request: JoinRequest) -> Rule | None:
    """The rule for which the log ignores a request; the check before appending says the same."""
    rule = None
    try:
        circle.roster.check_join_request(request, ts=circle.now + 1)
    except RuleViolation as violation:
        rule = violation.rule
    assert circle.rule_broken(BEN, request) is rule
    return rule


def test_request_of_another_circle_is_ignored_ROS_050() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    other = signed(request, seed.inv_key, DAN.device_key, circle_id=CircleId(bytes(32)))
    assert refused(circle, other) is Rule.JOIN_CIRCLE


@pytest.mark.parametrize("seen_size", [0, 1_000])
def test_request_that_saw_a_log_that_never_was_is_ignored_ROS_050(seen_size: int) -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    other = signed(request, seed.inv_key, DAN.device_key, seen_size=seen_size)
    assert refused(circle, other) is Rule.JOIN_CIRCLE


def test_attack_newcomer_without_an_invitation_ROS_051() -> None:
    circle = circle_of_three()
    seed = InvitationSeed.generate(SeededEntropy("never published"))
    assert refused(circle, circle.request(EVE, seed)) is Rule.JOIN_INVITE


def test_attack_expired_invitation_is_used_ROS_052() -> None:
    circle = circle_of_three()
    seed = circle.invite(ADA, lifetime=DAY)
    end = circle.roster.invites[seed.invite_id].invite.expires
    last = circle.clone()
    last.now = end - 1
    assert last.rule_broken(BEN, last.request(DAN, seed)) is None
    circle.now = end
    assert refused(circle, circle.request(DAN, seed)) is Rule.JOIN_OPEN


def test_attack_invitation_of_a_removed_member_is_used_ROS_052() -> None:
    circle = circle_of_three()
    seed = circle.invite(CLEO)
    circle.remove(ADA, CLEO, BEN)
    assert refused(circle, circle.request(EVE, seed)) is Rule.JOIN_OPEN


def test_removal_after_the_request_does_not_close_the_invitation_ROS_052() -> None:
    circle = circle_of_three()
    seed = circle.invite(CLEO)
    request = circle.ask(DAN, seed, CLEO)
    circle.remove(ADA, CLEO, BEN)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert circle.roster.is_active(DAN.did)


def test_attack_used_invitation_is_used_again_ROS_053() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    circle.act(ADA, request)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert refused(circle, circle.request(EVE, seed)) is Rule.JOIN_USED
    assert circle.roster.is_active(DAN.did)


def test_same_request_twice_is_ignored_and_contests_nothing_ROS_054() -> None:
    circle = circle_of_three()
    _, request = asked(circle)
    (first,) = circle.act(ADA, request)
    assert isinstance(first, Asked)
    assert refused(circle, request) is Rule.JOIN_REPLAY
    assert circle.roster.requests[request.request_hash].state is RequestState.OPEN


def test_request_in_an_invalid_entry_does_not_count_ROS_054() -> None:
    circle = circle_of_three()
    _, request = asked(circle)
    circle.append(circle.sealed(EVE, request))
    assert refused(circle, request) is None


SMALL_ORDER = b"\1" + bytes(31)


@pytest.mark.parametrize(
    "change",
    [
        {"device_key": SMALL_ORDER},
        {"inbox_key": SMALL_ORDER},
        {"device_key": 32 * b"\xff"},
        {"inbox_key": DAN.card.device_key},
        {"hpke_key": bytes(1216)},
        {"hpke_key": DAN.card.hpke_key[:-32] + bytes(32)},
        {"hpke_key": 1184 * b"\xff" + DAN.card.hpke_key[-32:]},
    ],
    ids=[
        "small device key",
        "small inbox key",
        "not canonical",
        "same key twice",
        "zero",
        "low order X25519",
        "malformed ML-KEM",
    ],
)
def test_attack_newcomer_enrols_a_weak_key_ROS_055(change: dict[str, bytes]) -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    card = replace(DAN.card, **change)  # type: ignore[arg-type]
    weak = signed(request, seed.inv_key, DAN.device_key, device=card)
    if change.get("device_key") == SMALL_ORDER:
        # Under this key the following signature fits any message.
        weak = replace(weak, device_signature=SMALL_ORDER + bytes(32))
    assert refused(circle, weak) is Rule.JOIN_KEYS


TAKEN: list[dict[str, object]] = [
    {"member_id": BEN.member_id},
    {"device_key": BEN.card.device_key},
    {"hpke_key": BEN.card.hpke_key},
    {"inbox_id": BEN.card.inbox_id},
    {"inbox_key": BEN.card.inbox_key},
    {"member_id": ADA.member_id},
    {"inbox_id": ADA.card.inbox_id},
]


@pytest.mark.parametrize("change", TAKEN, ids=[next(iter(one)) for one in TAKEN])
def test_attack_newcomer_enrols_what_belongs_to_somebody_ROS_056(
    change: dict[str, object],
) -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    if "member_id" in change:
        other = signed(request, seed.inv_key, DAN.device_key, **change)
    else:
        card = replace(DAN.card, **change)  # type: ignore[arg-type]
        assert isinstance(card, DeviceCard)
        other = signed(request, seed.inv_key, DAN.device_key, device=card)
    assert refused(circle, other) is Rule.JOIN_NEW


def test_removed_member_comes_back_only_with_new_keys_ROS_056() -> None:
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    _, request = asked(circle, CLEO)
    assert refused(circle, request) is Rule.JOIN_NEW
    _, request = asked(circle, person("Cleo again"))
    assert refused(circle, request) is None


def test_attack_proof_replayed_with_other_keys_ROS_057() -> None:
    circle = circle_of_three()
    _, request = asked(circle)
    stolen = replace(request, device=EVE.card, member_id=EVE.member_id)
    stolen = replace(
        stolen, device_signature=EVE.device_key.sign(DEVICE_PROOF_LABEL, stolen.signed_bytes)
    )
    assert refused(circle, stolen) is Rule.JOIN_INVITE_PROOF
    # Nothing is contested by it: the newcomer still gets in.
    circle.act(ADA, request)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert circle.roster.is_active(DAN.did)


def test_attack_member_uses_the_invitation_of_another_ROS_057() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    own = Ed25519Key(secret("an invitation key of Cleo's own"))
    forged = signed(request, own, DAN.device_key)
    assert forged.invite_id == seed.invite_id
    assert refused(circle, forged) is Rule.JOIN_INVITE_PROOF


def test_attack_newcomer_enrols_a_device_it_does_not_hold_ROS_058() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    assert refused(circle, signed(request, seed.inv_key, EVE.device_key)) is Rule.JOIN_DEVICE_PROOF


def test_proofs_of_invitation_and_device_do_not_stand_for_each_other_ROS_058() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    swapped = replace(
        request, inv_signature=request.device_signature, device_signature=request.inv_signature
    )
    assert refused(circle, swapped) is Rule.JOIN_INVITE_PROOF
    both = replace(request, device_signature=request.inv_signature)
    assert refused(circle, both) is Rule.JOIN_DEVICE_PROOF
    assert seed.invite_id == invite_id_of(seed.inv_key.public)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Dan ",
        "Da  n",
        "D\x1b[31man",
        "Dan\u202e",
        "D\u200ban",
        "\u3164",
        "Dan\n",
        "\ufffe",
    ],
)
def test_attack_name_that_rewrites_the_screen_ROS_059(name: str) -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    other = signed(request, seed.inv_key, DAN.device_key, name=name)
    assert refused(circle, other) is Rule.JOIN_NAME


def test_attack_leaked_seed_front_run_two_requests_are_contested_ROS_061() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    circle.act(ADA, request)
    circle.vouch(ADA, request)
    thief = circle.request(EVE, seed)
    (event,) = circle.act(BEN, thief)
    assert event == Contested(
        seq=circle.roster.size - 1,
        invite_id=seed.invite_id,
        request_hashes=(request.request_hash, thief.request_hash),
    )
    for one in (request, thief):
        assert circle.roster.requests[one.request_hash].state is RequestState.CONTESTED
        for voucher in (ADA, BEN, CLEO):
            assert circle.rule_broken(voucher, vouch_for(one)) is Rule.VOUCH_CONTESTED
    assert not circle.roster.is_active(DAN.did)
    assert not circle.roster.is_active(EVE.did)


def test_third_request_on_a_contested_invitation_is_ignored_ROS_061() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    circle.act(ADA, request)
    circle.act(ADA, circle.request(EVE, seed))
    assert refused(circle, circle.request(person("Finn"), seed)) is Rule.CONTESTED


def test_seals_to_one_length_and_opens_for_members_only() -> None:
    circle = circle_of_three()
    seed = circle.invite(ADA)
    invite = circle.roster.invites[seed.invite_id].invite
    short = circle.request(DAN, seed)
    long = circle.request(DAN, seed, name="D" * 64)
    sealed = seal_join_request(short, invite.hpke_key.public)
    assert len(sealed) == len(seal_join_request(long, invite.hpke_key.public))
    assert len(sealed) == JOIN_REQUEST_PLAINTEXT_BYTES + 1136
    assert open_join_request(invite.hpke_key, seed.invite_id, sealed) == short
    with pytest.raises(DecryptError):
        open_join_request(HpkeKey(secret("relay")), seed.invite_id, sealed)
    other = InvitationSeed.generate(SeededEntropy("other")).invite_id
    with pytest.raises(DecryptError):
        open_join_request(invite.hpke_key, other, sealed)


def test_fingerprint_is_sixty_digits_and_covers_every_byte() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    digits = fingerprint(request)
    assert [len(group) for group in digits.split(" ")] == [5] * 12
    assert digits.replace(" ", "").isdigit()
    others = {
        fingerprint(signed(request, seed.inv_key, DAN.device_key, **change))
        for change in (
            {"name": "Dana"},
            {"seen_size": 2},
            {"member_id": MemberId(bytes(16))},
            {"device": replace(DAN.card, inbox_id=InboxId(bytes(16)))},
        )
    }
    assert len(others | {digits}) == 5


def test_newcomer_may_have_seen_any_size_up_to_the_entry_ROS_050() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    at = circle.roster.size
    for seen_size, rule in ((1, None), (at, None), (at + 1, Rule.JOIN_CIRCLE)):
        other = signed(request, seed.inv_key, DAN.device_key, seen_size=seen_size)
        assert circle.clone().rule_broken(BEN, other) is rule


@pytest.mark.parametrize(
    "size", [JOIN_REQUEST_PLAINTEXT_BYTES - 1, 2 * JOIN_REQUEST_PLAINTEXT_BYTES]
)
def test_sealed_request_of_another_length_does_not_open(size: int) -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    key = circle.roster.invites[seed.invite_id].invite.hpke_key
    inside = encode_opaque(request.encode()).ljust(size, b"\0")
    with pytest.raises(DecryptError):
        open_join_request(key, seed.invite_id, sealed_by_hand(seed, key, inside))


def test_sealed_request_has_one_form_inside() -> None:
    circle = circle_of_three()
    seed, request = asked(circle)
    other_seed = circle.invite(BEN)
    key = circle.roster.invites[seed.invite_id].invite.hpke_key
    good = encode_opaque(request.encode()).ljust(JOIN_REQUEST_PLAINTEXT_BYTES, b"\0")
    assert open_join_request(key, seed.invite_id, sealed_by_hand(seed, key, good)) == request
    elsewhere = encode_opaque(circle.request(DAN, other_seed).encode())
    for bad in (
        good[:-1] + b"\1",
        bytes(JOIN_REQUEST_PLAINTEXT_BYTES),
        elsewhere.ljust(JOIN_REQUEST_PLAINTEXT_BYTES, b"\0"),
    ):
        with pytest.raises(DecodeError):
            open_join_request(key, seed.invite_id, sealed_by_hand(seed, key, bad))


def sealed_by_hand(seed: InvitationSeed, key: HpkeKey, inside: bytes) -> bytes:
    """An item of the invite box with any plaintext."""
    return hpke_seal(key.public, framed(SEALED_REQUEST_LABEL) + seed.invite_id, inside)
