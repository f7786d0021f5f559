"""Invitations as they go from hand to hand: seeds, codes, letters."""

from __future__ import annotations

import pytest

from cloister.crypto.aead import aes256gcm_seal
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.secret import Secret
from cloister.ids import CircleId
from cloister.roster.content import InviteKind
from cloister.roster.errors import InvitationError, InvitationExpired, LetterRefused, RelayRefused
from cloister.roster.invitation import (
    CODE_PREFIX,
    InvitationCode,
    InvitationSeed,
    parse_invitation,
    parse_typed_seed,
    typed_seed,
)
from cloister.roster.labels import framed
from cloister.roster.letter import LETTER_AAD_LABEL, Letter, open_letter, seal_letter
from cloister.roster.policy import default_policy
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.values import replace
from unit.roster.circle import FOUNDED, ORIGIN, SeededEntropy, relay, relay_set, secret

SEED = InvitationSeed.generate(SeededEntropy("invitation"))
CIRCLE = CircleId(secret("circle").expose())
CODE = InvitationCode(
    circle_id=CIRCLE,
    size=7,
    root=secret("root").expose(),
    seed=SEED,
    expires=FOUNDED + 100,
    entry_host="entry.example",
    entry_port=443,
    home_host="home.example",
    home_port=8443,
)
LETTER = Letter(
    circle_id=CIRCLE,
    origin=ORIGIN,
    relay_set=relay_set(),
    policy=default_policy(),
    checkpoint=b"a signed note",
    invite_hpke_key=HpkeKey(secret("invite hpke")).public,
    kind=InviteKind.MEMBER,
    subject=None,
    tickets=(),
    owner_secret=b"",
)


def test_code_comes_back() -> None:
    again = parse_invitation(CODE.to_text(), now=FOUNDED)
    assert again == CODE
    assert again.seed.invite_id == SEED.invite_id
    assert again.entry_address == ("entry.example", 443)
    assert again.home_address == ("home.example", 8443)


def test_code_may_be_typed_carelessly() -> None:
    text = CODE.to_text().lower()
    spaced = "\n  ".join(text[start : start + 11] for start in range(0, len(text), 11))
    assert parse_invitation(spaced, now=FOUNDED) == CODE
    mistaken = CODE.to_text()[len(CODE_PREFIX) :].replace("0", "O").replace("1", "l")
    assert parse_invitation(CODE_PREFIX + mistaken, now=FOUNDED) == CODE


def test_code_fits_a_qr_code_in_its_alphanumeric_mode() -> None:
    assert set(CODE.to_text()) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    assert len(CODE.to_text()) < 300


def test_every_wrong_symbol_is_noticed() -> None:
    text = CODE.to_text()
    for position in range(len(CODE_PREFIX), len(text)):
        wrong = "7" if text[position] != "7" else "8"
        with pytest.raises(InvitationError):
            parse_invitation(text[:position] + wrong + text[position + 1 :], now=FOUNDED)


def test_swapped_neighbours_are_noticed() -> None:
    text = CODE.to_text()
    for position in range(len(CODE_PREFIX), len(text) - 3):
        first, second = text[position], text[position + 1]
        if first != second:
            swapped = text[:position] + second + first + text[position + 2 :]
            with pytest.raises(InvitationError):
                parse_invitation(swapped, now=FOUNDED)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "CLOISTER2:0000", CODE_PREFIX, CODE_PREFIX + "00", CODE_PREFIX + "0000", "😀"],
)
def test_what_is_no_code_is_refused_as_wrong_usage(text: str) -> None:
    with pytest.raises(InvitationError) as refused:
        parse_invitation(text, now=FOUNDED)
    assert refused.value.exit_code == 2


def test_cut_code_is_refused() -> None:
    text = CODE.to_text()
    for length in range(len(text)):
        with pytest.raises(InvitationError):
            parse_invitation(text[:length], now=FOUNDED)


def test_expired_code_is_refused_by_policy() -> None:
    parse_invitation(CODE.to_text(), now=CODE.expires)
    with pytest.raises(InvitationExpired) as refused:
        parse_invitation(CODE.to_text(), now=CODE.expires + 1)
    assert refused.value.exit_code == 5


def test_typed_seed_is_28_symbols_and_comes_back() -> None:
    typed = typed_seed(SEED)
    assert len(typed.replace("-", "")) == 28
    assert parse_typed_seed(typed.lower().replace("-", " ")).seed == SEED.seed


def test_typing_errors_in_a_seed_are_noticed() -> None:
    typed = typed_seed(SEED)
    for position, symbol in enumerate(typed):
        if symbol != "-":
            wrong = typed[:position] + ("7" if symbol != "7" else "8") + typed[position + 1 :]
            with pytest.raises(InvitationError):
                parse_typed_seed(wrong)
    for short in ("", "7", typed[:-5], typed + "0"):
        with pytest.raises(InvitationError):
            parse_typed_seed(short)


def test_keys_of_a_seed_are_all_different() -> None:
    keys = [
        SEED.box_id,
        SEED.box_key.public,
        SEED.box_key.seed.expose(),
        SEED.inv_key.public,
        SEED.inv_key.seed.expose(),
        SEED.letter_key.expose(),
        SEED.seed.expose(),
    ]
    assert len({key[:16] for key in keys}) == len(keys)


def test_seed_shows_in_no_repr() -> None:
    assert SEED.seed.expose().hex() not in repr(CODE)
    assert str(SEED.seed.expose()) not in repr(CODE)


def test_letter_opens_with_its_seed_only() -> None:
    sealed = seal_letter(LETTER, SEED, entropy=SeededEntropy("letter"))
    assert open_letter(sealed, SEED, circle_id=CIRCLE) == LETTER
    assert open_letter(sealed, SEED, circle_id=None) == LETTER
    other = InvitationSeed.generate(SeededEntropy("other"))
    with pytest.raises(LetterRefused):
        open_letter(sealed, other, circle_id=CIRCLE)
    for bad in (b"", sealed[:20], sealed[:-1], sealed + b"\0", b"\1" + sealed[1:]):
        with pytest.raises(LetterRefused):
            open_letter(bad, SEED, circle_id=CIRCLE)


def test_attack_newcomer_is_shown_a_fake_circle() -> None:
    fake = replace(LETTER, circle_id=CircleId(bytes(32)))
    sealed = seal_letter(fake, SEED, entropy=SeededEntropy("letter"))
    with pytest.raises(LetterRefused) as refused:
        open_letter(sealed, SEED, circle_id=CIRCLE)
    assert refused.value.exit_code == 6


def test_letter_with_relays_of_one_jurisdiction_is_refused_unless_it_is_a_test_circle() -> None:
    near = RelaySet(
        home=relay("home.example", RelayRole.HOME, "HK", "Harbour"),
        entries=(relay("near.example", RelayRole.ENTRY, "HK", "Canal"),),
    )
    letter = replace(LETTER, relay_set=near)
    with pytest.raises(RelayRefused):
        open_letter(seal_letter(letter, SEED, entropy=SeededEntropy("1")), SEED, circle_id=CIRCLE)
    test = replace(letter, policy=default_policy(test_circle=True))
    sealed = seal_letter(test, SEED, entropy=SeededEntropy("2"))
    assert open_letter(sealed, SEED, circle_id=CIRCLE) == test


def checked(body: bytes, spare_bits: int = 0) -> str:
    """A code with a right check over any bytes, and these bits where zeros belong."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    spare = -8 * len(body) % 5
    number = int.from_bytes(body, "big") << spare | spare_bits
    symbols = ""
    for shift in range(8 * len(body) + spare - 5, -1, -5):
        symbols += alphabet[number >> shift & 31]
    check = number % 1021
    return symbols + alphabet[check >> 5] + alphabet[check & 31]


def body_of(code: InvitationCode) -> bytes:
    """The bytes behind a code's symbols."""
    symbols = code.to_text()[len(CODE_PREFIX) : -2]
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for symbol in symbols:
        number = number << 5 | alphabet.index(symbol)
    return (number >> 5 * len(symbols) % 8).to_bytes(5 * len(symbols) // 8, "big")


def test_right_check_does_not_make_a_code_of_other_bytes() -> None:
    body = body_of(CODE)
    assert parse_invitation(CODE_PREFIX + checked(body), now=FOUNDED) == CODE
    for bad in (b"", body[:-1], body + b"\0", b"\2" + body[1:]):
        with pytest.raises(InvitationError):
            parse_invitation(CODE_PREFIX + checked(bad), now=FOUNDED)


def test_seed_has_one_typed_form() -> None:
    seed = SEED.seed.expose()
    assert parse_typed_seed(checked(seed)).seed == SEED.seed
    for spare_bits in (1, 2, 3):
        with pytest.raises(InvitationError):
            parse_typed_seed(checked(seed, spare_bits))
    for other in (seed[:-1], seed + b"\0"):
        with pytest.raises(InvitationError):
            parse_typed_seed(checked(other))


def test_code_of_another_version_asks_for_an_update() -> None:
    with pytest.raises(InvitationError) as refused:
        parse_invitation(CODE_PREFIX + checked(b"\2" + body_of(CODE)[1:]), now=FOUNDED)
    assert refused.value.hint == "Update Cloister."


def test_seed_of_another_length_is_refused() -> None:
    for length in (15, 17):
        with pytest.raises(InvitationError):
            InvitationSeed(Secret(bytes(length)))


def test_letter_that_opens_but_has_no_form_is_refused() -> None:
    letters = [b"", LETTER.encode()[:-1], LETTER.encode() + b"\0"]
    letters.append(replace(LETTER, invite_hpke_key=bytes(1216)).encode())
    for inside in letters:
        aad = framed(LETTER_AAD_LABEL) + SEED.box_id
        item = bytes(12) + aes256gcm_seal(SEED.letter_key, bytes(12), inside, aad)
        with pytest.raises(LetterRefused):
            open_letter(item, SEED, circle_id=CIRCLE)


def test_letter_with_a_forged_relay_card_is_refused() -> None:
    home = replace(LETTER.relay_set.home, host="evil.example")
    forged = replace(LETTER, relay_set=replace(LETTER.relay_set, home=home))
    with pytest.raises(RelayRefused):
        open_letter(seal_letter(forged, SEED, entropy=SeededEntropy("3")), SEED, circle_id=CIRCLE)


def test_code_under_another_prefix_is_none_of_ours() -> None:
    body = CODE.to_text()[len(CODE_PREFIX) :]
    for prefix in ("CLOISTER2:", "CLOISTERX:", ""):
        with pytest.raises(InvitationError):
            parse_invitation(prefix + body, now=FOUNDED)


@pytest.mark.parametrize("symbol", ["U", "!", "ß", "٣"])
def test_symbol_that_is_in_no_code_is_named(symbol: str) -> None:
    text = CODE.to_text()
    with pytest.raises(InvitationError, match="does not occur"):
        parse_invitation(text[:20] + symbol + text[21:], now=FOUNDED)
    typed = typed_seed(SEED)
    with pytest.raises(InvitationError, match="does not occur"):
        parse_typed_seed(symbol + typed[1:])
