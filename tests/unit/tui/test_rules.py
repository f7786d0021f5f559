"""The circle's rules as sentences."""

from __future__ import annotations

import pytest

from cloister.client.powers import COVER_FIELD, EXPORT_FIELD, POLICY_FIELDS, SetPolicy
from cloister.errors import UsageError
from cloister.roster.policy import COVER_RATES, ExportRule, default_policy
from cloister.testing.paper_device import PaperDevice
from cloister.tui.rules import COVERS, EXPORTS, number_of, rule_lines
from unit.tui.test_line import talk


def lines(field: str, value: object, *, can_change: bool = True) -> list[str]:
    return rule_lines([{"field": field, "value": value, "can_change": can_change}])


def test_every_rule_of_a_circle_is_a_sentence() -> None:
    policy = default_policy(test_circle=True, single_operator=True, unlock_shares=1, seats=1)
    fields = policy.as_dict() | {EXPORT_FIELD: "free", COVER_FIELD: 12}
    for field, value in fields.items():
        said = lines(field, value)
        assert said
        assert not any("_" in one or field == one.split(":")[0] for one in said), said
    for rule in ExportRule:
        (said_of_exports,) = lines(EXPORT_FIELD, rule.name.lower())
        assert "export:" not in said_of_exports


def test_numbers_and_spans_are_words() -> None:
    assert lines("vouches", 1) == ["A newcomer needs 1 vouch."]
    assert lines("probation_s", 1_209_600) == [
        "A newcomer's own vouches count 14 days after admission."
    ]
    assert lines("veto_s", 0) == ["Who has enough vouches is in at once."]
    assert lines("seats", 0, can_change=False) == ["No seats are sold. (fixed)"]
    assert lines("flags", 0) == []
    assert lines("flags", 3) == ["This is a test circle.", "One operator runs all relays."]


def test_a_rule_of_a_newer_program_is_shown_as_it_is() -> None:
    assert lines("moons", 7) == ["moons: 7."]


def test_exports_have_the_numbers_of_the_rules() -> None:
    assert [(rule.value, rule.name.lower()) for rule in ExportRule] == list(enumerate(EXPORTS))


def test_cover_has_the_rates_of_the_policy() -> None:
    assert COVERS == COVER_RATES


@pytest.mark.parametrize(
    ("field", "typed", "number"),
    [
        ("vouches", "3", 3),
        ("veto_s", "0", 0),
        ("veto_s", "1 d", 86_400),
        ("probation_s", "12H", 43_200),
        ("vouch_lifetime_s", "90m", 5400),
        ("vouch_lifetime_s", "60s", 60),
    ],
)
def test_a_value_is_typed_as_people_write_it(field: str, typed: str, number: int) -> None:
    assert number_of(field, typed) == number


@pytest.mark.parametrize(
    ("field", "typed"),
    [("vouches", "3d"), ("vouches", ""), ("veto_s", "14"), ("veto_s", "d"), ("veto_s", "-1d")],
)
def test_what_could_mean_something_else_is_refused(field: str, typed: str) -> None:
    with pytest.raises(UsageError):
        number_of(field, typed)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> PaperDevice:
    made = PaperDevice()
    made.add_member("Amira")
    made.add_conversation("Desk", ("Amira",))
    values = default_policy().as_dict()
    views = [
        {"field": one, "value": values[one], "can_change": one in POLICY_FIELDS} for one in values
    ]
    views.append({"field": EXPORT_FIELD, "value": "free", "can_change": True})
    views.append({"field": COVER_FIELD, "value": 0, "can_change": True})

    async def governance(what: str, about: str = "") -> list[dict[str, object]]:
        return views if what == "policy" else []

    monkeypatch.setattr(made, "governance", governance)
    return made


@pytest.mark.parametrize(
    ("script", "change", "said"),
    [
        (("/rule vouches", "3", "yes"), ("vouches", 3), "A newcomer needs 3 vouches. So it is"),
        (
            ("/rule veto_s", "2d", "yes"),
            ("veto_s", 172_800),
            "Who has enough vouches is in 2 days after asking. So it is",
        ),
        (("/rule export logged", "yes"), ("export", 1), "and it stands in the log. So it is"),
        (
            ("/rule cover_per_day 48", "yes"),
            ("cover_per_day", 48),
            "Every device sends 48 messages a day at the least that say nothing. So it is",
        ),
    ],
)
def test_a_rule_is_proposed_with_what_it_will_say(
    device: PaperDevice, script: tuple[str, ...], change: tuple[str, int], said: str
) -> None:
    typist = talk(device, *script)
    assert device.acts == [SetPolicy(ref=0, changes=(change,))]
    assert said in "\n".join(typist.said)


def test_what_relays_apply_is_not_offered(device: PaperDevice) -> None:
    said = "\n".join(talk(device, "/rule", "").said)
    assert "A newcomer needs 2 vouches" in said
    assert "erasure" not in said
    assert not device.acts
