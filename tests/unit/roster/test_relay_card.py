"""Relay cards and the pair rule."""

from __future__ import annotations

import pytest

from cloister.crypto.hybrid_signature import HybridKey
from cloister.roster.errors import RelayRefused
from cloister.roster.policy import default_policy
from cloister.roster.relay_card import (
    RELAY_CARD_LABEL,
    RelayCard,
    RelayRole,
    RelaySet,
    check_pair,
    check_relay_card,
    check_relay_set,
    make_relay_card,
)
from cloister.values import replace
from unit.roster.circle import relay, relay_set, secret, steward_key

HOME = relay("home.example", RelayRole.HOME, "HK", "Harbour")
ENTRY = relay("entry.example", RelayRole.ENTRY, "PA", "Canal")
POLICY = default_policy()


def test_cards_of_the_test_circle_pass() -> None:
    check_relay_set(relay_set(), POLICY)
    assert RelayCard.decode(HOME.encode()) == HOME


@pytest.mark.parametrize(
    "change",
    [
        {"host": "evil.example"},
        {"tls_certificate": b"another certificate"},
        {"jurisdiction": "DE"},
        {"operator": "Somebody"},
        {"port": 444},
    ],
    ids=lambda change: next(iter(change)),
)
def test_attack_card_with_another_certificate_or_address(change: dict[str, object]) -> None:
    with pytest.raises(RelayRefused):
        check_relay_card(replace(HOME, **change))  # type: ignore[arg-type]


def test_attack_card_under_the_name_of_another_key() -> None:
    with pytest.raises(RelayRefused):
        check_relay_card(replace(HOME, key=ENTRY.key))
    with pytest.raises(RelayRefused):
        check_relay_card(replace(HOME, relay_id=ENTRY.relay_id))


@pytest.mark.parametrize(
    "change",
    [
        {"jurisdiction": "hk"},
        {"jurisdiction": "H"},
        {"operator": ""},
        {"operator": " Harbour"},
        {"operator": "Har\nbour"},
        {"name": "two words"},
        {"name": "a+b"},
        {"name": "a\x7f"},
        {"host": ""},
        {"port": 0},
        {"roles": 0},
        {"roles": 4},
        {"mirror_port": 1},
        {"mirror_host": "home.example", "mirror_port": 1},
        {"unlock_port": 1},
        {"unlock_host": "home.example", "unlock_port": 1},
        {"roles": 1},
    ],
    ids=str,
)
def test_card_that_is_not_filled_in_is_refused(change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "tls_certificate": b"certificate",
        "jurisdiction": "HK",
        "operator": "Harbour",
        "host": "home.example",
        "port": 443,
        "roles": RelayRole.HOME,
        "name": "home.example",
    }
    make_relay_card(steward_key(), **fields)  # type: ignore[arg-type]
    make_relay_card(steward_key(), **(fields | {"name": "!~"}))  # type: ignore[arg-type]
    with pytest.raises(RelayRefused):
        make_relay_card(steward_key(), **(fields | change))  # type: ignore[arg-type]


def test_home_and_entry_differ_in_jurisdiction_and_operator() -> None:
    near = relay("near.example", RelayRole.ENTRY, "HK", "Canal")
    ours = relay("ours.example", RelayRole.ENTRY, "PA", "Harbour")
    check_pair(HOME, ENTRY, POLICY)
    for entry in (near, ours):
        with pytest.raises(RelayRefused) as refused:
            check_pair(HOME, entry, POLICY)
        assert refused.value.exit_code == 6
        assert refused.value.hint
        check_pair(HOME, entry, default_policy(test_circle=True))
    check_pair(HOME, ours, default_policy(single_operator=True))
    with pytest.raises(RelayRefused):
        check_pair(HOME, near, default_policy(single_operator=True))


def test_relay_set_has_its_roles_and_no_relay_twice() -> None:
    for bad in (
        RelaySet(home=HOME, entries=(HOME,)),
        RelaySet(home=HOME, entries=(ENTRY, ENTRY)),
        RelaySet(home=relay("y.example", RelayRole.ENTRY, "HK", "Harbour"), entries=(ENTRY,)),
        RelaySet(home=HOME, entries=(relay("x.example", RelayRole.HOME, "PA", "Canal"),)),
    ):
        with pytest.raises(RelayRefused):
            check_relay_set(bad, POLICY)


def test_attack_one_key_or_name_stands_for_two_relays() -> None:
    """A home that shares half of its key with its cosigner would be its own second opinion."""
    for ed25519, ml_dsa, name in (
        ("home.example", "entry.example", "entry.example"),
        ("entry.example", "home.example", "entry.example"),
        ("entry.example", "entry.example", "home.example"),
    ):
        twin = make_relay_card(
            HybridKey(secret(f"{ed25519} ed25519"), secret(f"{ml_dsa} ml-dsa")),
            tls_certificate=b"certificate",
            jurisdiction="PA",
            operator="Canal",
            host="entry.example",
            port=443,
            roles=RelayRole.ENTRY,
            name=name,
            mirror_host="entry.example",
            mirror_port=444,
            unlock_host="entry.example",
            unlock_port=445,
        )
        with pytest.raises(RelayRefused, match="share"):
            check_relay_set(RelaySet(home=HOME, entries=(twin,)), POLICY)


def test_attack_relay_signs_a_card_under_the_id_of_another() -> None:
    key = steward_key("home.example")
    assert key.public == HOME.key
    unsigned = replace(HOME, relay_id=ENTRY.relay_id)
    forged = replace(unsigned, self_signature=key.sign(RELAY_CARD_LABEL, unsigned.signed_bytes))
    with pytest.raises(RelayRefused):
        check_relay_card(forged)


@pytest.mark.parametrize(("host", "port"), [("", 0), ("m.example", 0), ("", 1), ("m m", 1)])
@pytest.mark.parametrize("face", ["mirror", "unlock"])
def test_entry_relay_says_where_its_other_faces_are(face: str, host: str, port: int) -> None:
    fields: dict[str, object] = {
        "tls_certificate": b"certificate",
        "jurisdiction": "PA",
        "operator": "Canal",
        "host": "entry.example",
        "port": 443,
        "roles": RelayRole.ENTRY,
        "name": "entry.example",
        "mirror_host": "entry.example",
        "mirror_port": 444,
        "unlock_host": "entry.example",
        "unlock_port": 445,
    }
    make_relay_card(steward_key(), **fields)  # type: ignore[arg-type]
    change = {f"{face}_host": host, f"{face}_port": port}
    with pytest.raises(RelayRefused, match=face):
        make_relay_card(steward_key(), **(fields | change))  # type: ignore[arg-type]
