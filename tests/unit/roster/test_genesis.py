"""The genesis: what makes a log the beginning of a circle."""

from __future__ import annotations

import pytest

from cloister.crypto.aead import aes256gcm_seal
from cloister.crypto.hybrid_signature import HybridSignature
from cloister.crypto.signature import Ed25519Key
from cloister.errors import LocalError
from cloister.ids import ChannelId
from cloister.roster.content import Tick
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import NO_CIRCLE, Entry
from cloister.roster.errors import LogBroken, NameRefused, RelayRefused, UpdateNeeded
from cloister.roster.genesis import (
    FOUNDING_AAD_LABEL,
    FOUNDING_SIGNATURE_LABEL,
    Founding,
    Genesis,
    GenesisTerms,
    circle_id_of,
    commons_commitment_of,
    make_genesis,
    read_genesis,
)
from cloister.roster.labels import framed
from cloister.roster.log_keys import log_key_commitment
from cloister.roster.policy import Policy, default_policy, unknown_in_policy
from cloister.roster.readable import (
    READABLE_SIGNATURE_LABEL,
    ReadableBody,
    ReadableSigned,
    ReadableType,
    make_readable,
)
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import OpenedReceipt, SeatTerm
from cloister.transparency.merkle import EMPTY_ROOT
from cloister.values import replace
from unit.roster.circle import (
    COMMONS,
    DAY,
    FOUNDED,
    ORIGIN,
    SeededEntropy,
    circle_of_three,
    forming_circle,
    person,
    relay,
    relay_set,
    secret,
    steward_key,
)

ADA, EVE = person("Ada"), person("Eve")
LOG_KEY = secret("log key 0")
GENESIS = forming_circle().entries[0]


def forged(
    *,
    terms: GenesisTerms | None = None,
    founder: DeviceCard = ADA.card,
    device_key: Ed25519Key = ADA.device_key,
    channel: ChannelId = COMMONS,
    name: str = "Ada",
    receipts: tuple[OpenedReceipt, ...] = (),
    seat: SeatTerm | None = None,
    readable_type: int = ReadableType.GENESIS,
    signer: str = "steward",
) -> bytes:
    """A genesis made by hand, whatever rule it breaks."""
    terms = terms or read_genesis(GENESIS).terms
    unsigned = Founding(
        founder=founder,
        commons_channel=channel,
        member_id=ADA.member_id,
        name=name,
        receipts=receipts,
        seat=seat,
        signature=bytes(64),
    ).encode()[:-64]
    founding = unsigned + device_key.sign(FOUNDING_SIGNATURE_LABEL, terms.encode() + unsigned)
    aad = framed(FOUNDING_AAD_LABEL) + terms.encode()
    sealed = bytes(12) + aes256gcm_seal(LOG_KEY, bytes(12), founding, aad)
    return make_readable(
        readable_type,
        Genesis(terms=terms, sealed_founding=sealed).encode(),
        steward_key=steward_key(signer),
        circle_id=NO_CIRCLE,
        seq=0,
        root=EMPTY_ROOT,
        ts=FOUNDED,
    )


def broken_rule(genesis: bytes) -> Rule:
    """The rule for which a genesis founds nothing."""
    try:
        Roster.found(genesis, LOG_KEY)
    except (LogBroken, UpdateNeeded) as refused:
        return refused.rule
    pytest.fail("the genesis founded a circle")


def with_terms(**changes: object) -> GenesisTerms:
    """The terms of the test circle with some changed."""
    return replace(read_genesis(GENESIS).terms, **changes)  # type: ignore[arg-type]


def test_genesis_made_by_hand_founds_the_circle() -> None:
    assert Roster.found(forged(), LOG_KEY).members == Roster.found(GENESIS, LOG_KEY).members


def test_circle_id_is_the_hash_of_the_genesis() -> None:
    assert Roster.found(GENESIS, LOG_KEY).circle_id == circle_id_of(GENESIS)
    assert RelayFold.found(GENESIS).circle_id == circle_id_of(GENESIS)


def test_relay_learns_neither_founder_nor_commons_channel() -> None:
    for hidden in (b"Ada", COMMONS, ADA.card.device_key, ADA.member_id, ADA.card.inbox_id):
        assert hidden not in GENESIS
    assert RelayFold.found(GENESIS).commons_commitment == commons_commitment_of(COMMONS)


def test_entry_zero_of_another_kind_founds_nothing_ROS_010() -> None:
    circle = circle_of_three()
    assert broken_rule(circle.sealed(ADA, Tick(), seq=0)) is Rule.GENESIS_FORM
    assert broken_rule(forged(readable_type=ReadableType.RELAY_SET)) is Rule.GENESIS_FORM
    assert broken_rule(forged(terms=with_terms(origin="two words"))) is Rule.GENESIS_FORM


@pytest.mark.parametrize(
    "change",
    [{"circle_id": bytes(31) + b"\1"}, {"seq": 1}, {"root": bytes(32)}, {"lk_gen": 1}],
    ids=lambda change: next(iter(change)),
)
def test_genesis_stands_at_the_beginning_of_nothing_ROS_010(change: dict[str, object]) -> None:
    entry = Entry.decode(GENESIS)
    header = replace(entry.header, **change)  # type: ignore[arg-type]
    assert broken_rule(Entry(header=header, body=entry.body).encode()) is Rule.GENESIS_FORM


def test_genesis_signed_by_another_key_founds_nothing_ROS_011() -> None:
    assert broken_rule(forged(signer="somebody else")) is Rule.GENESIS_SIGNATURE


@pytest.mark.parametrize("half", ["ed25519", "ml_dsa_44"])
def test_both_halves_of_the_steward_signature_must_verify_ROS_011(half: str) -> None:
    entry = Entry.decode(GENESIS)
    body = ReadableBody.decode(entry.body)
    other = {half: bytes(64 if half == "ed25519" else 2420)}
    signature = replace(body.signature, **other)
    assert isinstance(signature, HybridSignature)
    bad = Entry(header=entry.header, body=replace(body, signature=signature).encode())
    assert broken_rule(bad.encode()) is Rule.GENESIS_SIGNATURE


def test_relays_of_one_jurisdiction_found_nothing_ROS_012() -> None:
    same = RelaySet(
        home=relay("home.example", RelayRole.HOME, "HK", "Harbour"),
        entries=(relay("near.example", RelayRole.ENTRY, "HK", "Canal"),),
    )
    assert broken_rule(forged(terms=with_terms(relay_set=same))) is Rule.GENESIS_RELAYS
    with pytest.raises(RelayRefused):
        found_with(relay_set_=same)


@pytest.mark.parametrize(
    "change",
    [
        {"unlock_shares": 2},
        {"seats": 1},
        {"flags": 64},
        {"flags": 12},
        {"vouches": 1},
        {"vouches": 0},
        {"vouches_large": 1},
        {"max_open_invites": 0},
        {"vouch_lifetime_s": 0},
        {"probation_s": 2**32 - 1},
        {"veto_s": 2**32 - 1},
    ],
    ids=str,
)
def test_policy_this_program_cannot_apply_asks_for_an_update_ROS_013(
    change: dict[str, int],
) -> None:
    policy = replace(default_policy(), **change)
    assert broken_rule(forged(terms=with_terms(policy=policy))) is Rule.GENESIS_POLICY


@pytest.mark.parametrize(
    ("name", "known", "unknown"),
    [
        ("probation_s", 366 * DAY, 366 * DAY + 1),
        ("veto_s", 366 * DAY, 366 * DAY + 1),
        ("vouch_lifetime_s", 366 * DAY, 366 * DAY + 1),
        ("vouch_lifetime_s", 60, 59),
        ("max_open_invites", 1, 0),
        ("vouches", 3, 4),
        ("vouches_large", 2, 1),
        ("flags", 51, 64),
        ("flags", 7, 12),
        ("flags", 8, 13),
    ],
)
def test_bounds_of_a_policy_ROS_013(name: str, known: int, unknown: int) -> None:
    assert unknown_in_policy(replace(default_policy(), **{name: known})) is None
    assert unknown_in_policy(replace(default_policy(), **{name: unknown})) in {
        name,
        "vouches",
    }


def test_test_circle_may_admit_on_one_vouch_ROS_013() -> None:
    policy = replace(default_policy(test_circle=True), vouches=1)
    assert Roster.found(forged(terms=with_terms(policy=policy)), LOG_KEY).policy == policy


def test_wrong_log_key_opens_no_founding_ROS_014() -> None:
    with pytest.raises(LogBroken) as refused:
        Roster.found(GENESIS, secret("another"))
    assert refused.value.rule is Rule.GENESIS_FOUNDING


def test_attack_founding_that_another_device_signed_ROS_014() -> None:
    assert broken_rule(forged(device_key=EVE.device_key)) is Rule.GENESIS_FOUNDING


def test_attack_founder_with_a_small_order_key_ROS_014() -> None:
    weak = replace(ADA.card, device_key=b"\1" + bytes(31))
    assert broken_rule(forged(founder=weak)) is Rule.GENESIS_FOUNDING


def test_founder_with_a_name_of_no_form_founds_nothing_ROS_014() -> None:
    assert broken_rule(forged(name="Ada\x1b[2J")) is Rule.GENESIS_FOUNDING


def test_commitment_that_does_not_fit_the_log_key_founds_nothing_ROS_014() -> None:
    terms = with_terms(log_key_commitment=log_key_commitment(secret("another")))
    assert broken_rule(forged(terms=terms)) is Rule.GENESIS_FOUNDING


def test_attack_founder_shows_relays_another_commons_than_members_ROS_015() -> None:
    assert broken_rule(forged(channel=ChannelId(bytes(16)))) is Rule.GENESIS_COMMONS


def found_with(
    *,
    relay_set_: RelaySet | None = None,
    policy: Policy | None = None,
    name: str = "Ada",
    origin: str = ORIGIN,
) -> bytes:
    """What make_genesis makes of these."""
    return make_genesis(
        origin=origin,
        relay_set=relay_set_ or relay_set(),
        policy=policy or default_policy(),
        steward_key=steward_key(),
        device_key=ADA.device_key,
        device=ADA.card,
        member_id=ADA.member_id,
        name=name,
        commons_channel=COMMONS,
        log_key=LOG_KEY,
        ts=FOUNDED,
        entropy=SeededEntropy("genesis"),
    )


def test_founder_with_an_unusable_name_is_told() -> None:
    with pytest.raises(NameRefused):
        found_with(name="   ")


def rebodied(body: bytes) -> bytes:
    """The genesis with another body under the same header."""
    return Entry(header=Entry.decode(GENESIS).header, body=body).encode()


def test_genesis_whose_inside_does_not_decode_founds_nothing_ROS_010() -> None:
    body = ReadableBody.decode(Entry.decode(GENESIS).body)
    assert broken_rule(rebodied(b"junk")) is Rule.GENESIS_FORM
    cut = replace(body, content=body.content[:-1])
    assert broken_rule(rebodied(cut.encode())) is Rule.GENESIS_FORM


def test_genesis_names_the_key_that_signs_it_ROS_011() -> None:
    terms = read_genesis(GENESIS).terms
    unsigned = ReadableSigned(
        header=Entry.decode(GENESIS).header,
        type=ReadableType.GENESIS,
        key_id=bytes(32),
        content=ReadableBody.decode(Entry.decode(GENESIS).body).content,
    )
    body = ReadableBody(
        type=unsigned.type,
        key_id=unsigned.key_id,
        content=unsigned.content,
        signature=steward_key().sign(READABLE_SIGNATURE_LABEL, unsigned.encode()),
    )
    assert terms.steward_key == steward_key().public
    assert broken_rule(rebodied(body.encode())) is Rule.GENESIS_SIGNATURE


def test_sealed_founding_too_short_to_open_founds_nothing_ROS_014() -> None:
    terms = read_genesis(GENESIS).terms
    for sealed in (b"", bytes(12), bytes(28)):
        genesis = make_readable(
            ReadableType.GENESIS,
            Genesis(terms=terms, sealed_founding=sealed).encode(),
            steward_key=steward_key(),
            circle_id=NO_CIRCLE,
            seq=0,
            root=EMPTY_ROOT,
            ts=FOUNDED,
        )
        assert broken_rule(genesis) is Rule.GENESIS_FOUNDING


def test_founder_with_an_unusable_policy_is_told() -> None:
    with pytest.raises(LocalError):
        found_with(policy=replace(default_policy(), seats=1))


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "a\x7f", "ä"])
def test_founder_with_an_unusable_origin_is_told(origin: str) -> None:
    with pytest.raises(LocalError):
        found_with(origin=origin)
    if origin:
        assert broken_rule(forged(terms=with_terms(origin=origin))) is Rule.GENESIS_FORM


def test_origin_may_be_any_visible_ascii_but_plus() -> None:
    origin = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "+")
    assert read_genesis(found_with(origin=origin)).terms.origin == origin
