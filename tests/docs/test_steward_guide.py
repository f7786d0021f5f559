"""docs/guide/steward.md: its blocks run as they are printed, in circles of real relays."""

from __future__ import annotations

import re

import pytest

from docs.prepared_circle import DAY_S, PreparedCircle
from docs.shell_session import Guide, Shell, lines_with

GUIDE = Guide("docs/guide/steward.md")
WAITING = GUIDE.part("What waits")
BECOMING = GUIDE.part("Becoming a steward, and ceasing to be one")
RULES = GUIDE.part("What members may take out")
HOLDS = GUIDE.part("Legal holds")
RELAYS = GUIDE.part("Other entry relays")
LOST_DEVICE = GUIDE.part("A lost device", "Erasing")
HOME = GUIDE.part("Another home relay")
FOLLOWING = Guide("docs/guide/member.md").part("The circle moves to another home relay")
THREE = GUIDE.part("Three stewards or more were there")
OFFICERS = GUIDE.part("One steward, and two officers")
OFFICERS_AGAIN = GUIDE.part("The steward does not come back")
WORRIED = GUIDE.part("A member you worry about")
pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.nightly]


def stewards_and_members(circle: PreparedCircle) -> None:
    """Amira and Mei are stewards, Jonas and Lin members; all but Lin stay connected."""
    circle.found("Amira")
    circle.let_in("Mei", "Amira", steward=True)
    circle.make_stewards("Amira", "Mei")
    circle.let_in("Jonas", "Amira")
    circle.let_in("Lin", "Amira", "Mei")
    circle.stay("Jonas")


def test_offices_and_rules(shell: Shell, circle: PreparedCircle) -> None:
    stewards_and_members(circle)
    with BECOMING.told(shell) as telling:
        said = telling.block("./cloister steward offer", "Jonas", "Amira", ("Mei", "Jonas"))
        assert said.out.startswith("offered; ")
        assert "Jonas becomes steward, by Amira" in said.out
        assert said.out.endswith("\napproved\napproved\n")
        circle.until("Amira", "pending", "the day that was set")
        assert circle.do("Amira", "steward list").out == "Amira\nMei\n", "a day later"
        circle.pass_time(DAY_S, "Amira")
        circle.until("Amira", "steward list", "^Jonas$")
        said = telling.block("./cloister officer offer", "Lin", "Amira", ("Mei", "Lin"))
        assert "Lin becomes officer, by Amira" in said.out
        circle.pass_time(DAY_S, "Amira")
        circle.until("Amira", "officer list", "^Lin$")
        said = telling.block("./cloister steward list", "Amira")
        assert said.out.splitlines()[:3] == ["Amira", "Mei", "Jonas"]
        assert "Mei is steward no more, by Amira" in said.out
        assert "\nLin\n" in said.out
        assert "Lin is officer no more, by Amira" in said.out
    circle.do("Jonas", "policy set vouches=3")
    shell.values |= {
        "3f2a91c0": circle.reference("Amira", "by Jonas"),
        "5b77c0de": circle.reference("Amira", "stewards.*by Amira"),
    }
    with WAITING.told(shell) as telling:
        said = telling.block("./cloister pending", "Amira")
        (waiting, approved) = lines_with(said.out, shell.values["3f2a91c0"])
        assert "vouches 2 becomes 3, by Jonas; waits for another steward" in waiting
        assert "waits for the day that was set" in approved
        assert said.out.endswith("\nrefused\n")
    with RULES.told(shell) as telling:
        said = telling.block("./cloister policy set", "Amira")
        assert "export free becomes logged, by Amira" in said.out
        assert "export free becomes refused, by Amira" in said.out
    with HOLDS.told(shell) as telling:
        said = telling.block("./cloister hold place", "Amira")
        assert said.out.startswith("hold placed on Jonas\n")
        assert said.out.endswith(": request of 3 May\n")
        shell.values["97d96443"] = said.out.splitlines()[-1].partition(" ")[0]

        def name_release(said: str) -> str:
            if said:
                shell.values["3f2a91c0"] = circle.reference("Mei", "release")
            return ""

        telling.block("./cloister hold release", "Amira", "Mei", typed=name_release)
        assert circle.do("Jonas", "hold list").out == ""
    circle.make_relay("nz", "entry", "NZ", "east")
    circle.introduce("hk", "nz")
    circle.start("nz")
    shell.type("cp nz/relay.card entry-nz.card")

    def take_effect(said: str) -> str:
        if said:
            circle.do("Mei", f"approve {circle.reference('Mei', 'relays')}")
            circle.pass_time(DAY_S, "Amira")
            circle.until("Amira", "circle show", "gate.east")
        return ""

    with RELAYS.told(shell) as telling:
        said = telling.block("./cloister circle relays", "Amira", "Amira", typed=take_effect)
    assert "with gate.east (NZ, east), by Amira; waits for another steward" in said.out
    assert "without gate.south (PA, south), by Amira; waits for another steward" in said.out


def test_a_lost_device_and_its_owner(shell: Shell, circle: PreparedCircle) -> None:
    stewards_and_members(circle)
    circle.do("Amira", "conversation new Desk Jonas")
    circle.add_device("Jonas", "second", "Amira")
    circle.stay("second")

    def consent(said: str) -> str:
        if said.endswith("approved\n"):
            circle.do("Amira", "lost Jonas/1 --yes")
        if lines := lines_with(said, "CLOISTER-CONSENT:"):
            shell.values["CLOISTER-CONSENT:AAH"] = lines[0]
        return ""

    with LOST_DEVICE.told(shell) as telling:
        said = telling.block("./cloister device list", "Amira")
        assert re.search(r"^Jonas/1  [0-9a-f]{8}  active$", said.out, re.M)
        assert lines_with(said.out, "Jonas/1: locked")
        for text in ("locked at gate.north", "locked at gate.south", "in the log"):
            assert lines_with(said.err, text)
        assert lines_with(said.err, "dropped from 2 of 2 groups")
        assert "This report cannot know:" in said.out
        said = telling.block(
            "./cloister unlock-device", "Amira", "Mei", "second", "Amira", typed=consent
        )
        assert "\napproved\n" in said.out
        assert said.out.endswith("\nJonas/1 is unlocked\n")
        circle.until("Jonas", "status", "^phase: member$")
        said = telling.block("./cloister erase", "Amira", "Lin", answers=[(r"\[y/N\]", "y\n")])
        assert "Jonas/1 (stolen): proposed" in said.out
        assert said.out.endswith("objected\n")
    circle.do("Amira", "refuse Jonas/1")
    with WORRIED.told(shell) as telling:
        shell.values["--since 112"] = "--since 9"
        said = telling.block("./cloister suspend", "Amira")
        assert "suspension of Jonas (telephone taken at the border), by Amira" in said.out
        assert said.out.endswith("\nJonas is reinstated\nproposed\n")


def test_another_home(shell: Shell, circle: PreparedCircle) -> None:
    stewards_and_members(circle)
    circle.do("Amira", "conversation new Desk Jonas Mei")
    circle.make_relay("new", "home", "IS", "geyser")
    circle.introduce("new", "pa")
    circle.start("new")
    shell.type("cp new/relay.card new-home.card")
    code = (circle.folder / "new.code").read_text()

    def approve(said: str) -> str:
        if said:
            shell.values["3f2a91c0"] = circle.reference("Mei", "another home")
        return ""

    with HOME.told(shell) as telling:
        said = telling.block(
            "./cloister home show",
            "Amira",
            "Mei",
            typed=approve,
            answers=[(r"\[y/N\]", "y\n"), ("Activation code: ", code + "\n")],
        )
        assert "home: gate.north" in said.out
        assert "waits for the day that was set" in said.out
        circle.pass_time(DAY_S, "Amira")
        circle.until("Jonas", "home show", "home: gate.geyser")
        circle.do("Amira", "send Desk 'from the new home' --wait")
        circle.until("Jonas", "read Desk", ": from the new home$")
        # The new home is gone as well.
        passed: list[str] = []

        def let_a_day_pass(said: str) -> str:
            if "not complete" in said and not passed:
                passed.append(said)
                circle.set_clocks_on(DAY_S)
            return ""

        circle.make_relay("third", "home", "CH", "alp")
        circle.introduce("third", "pa")
        circle.start("third")
        shell.type("cp third/relay.card new-home.card")
        circle.elsewhere.type("./cloister relay drain new")
        code = (circle.folder / "third.code").read_text()
        said = telling.block(
            "./cloister home move",
            "Amira",
            "Mei",
            ("Amira", "Mei"),
            typed=let_a_day_pass,
            answers=[(r"\[y/N\]", "y\n"), ("Activation code: ", code + "\n")],
        )
        assert (shell.folder / "notice.move").is_file()
    with FOLLOWING.told(shell) as telling:
        said = telling.block("./cloister home follow", "Jonas")
    # It may be there already when the command ends.
    assert re.search(r"^This device (follows|has moved) to gate\.alp\.", said.out, re.M)
    assert re.search(r"^(home|candidate): gate\.alp", said.out, re.M)
    circle.until("Jonas", "home show --offline", "^home: gate.alp")
    assert "former home: gate.geyser" in circle.do("Jonas", "home show --offline").out
    circle.do("Amira", "send Desk 'from the third' --wait")
    circle.until("Jonas", "read Desk", ": from the third$")


def return_as(circle: PreparedCircle, name: str, profile: str, *vouchers: str) -> None:
    """Have somebody whose devices are lost come back on a new one."""
    circle.ask(name, circle.do(vouchers[0], f"invite --return {name}").out, profile=profile)
    circle.vouch(name, *vouchers, profile=profile)
    circle.stay(profile)
    circle.do(profile, "steward offer")


def test_a_steward_of_three_is_lost(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    circle.let_in("Mei", "Amira", steward=True)
    circle.let_in("Jonas", "Amira", steward=True)
    circle.make_stewards("Amira", "Mei", "Jonas")
    circle.do("Mei", "lost Amira --yes")
    return_as(circle, "Amira", "amira-2", "Mei", "Jonas")
    with THREE.told(shell) as telling:
        said = telling.block("./cloister steward add Amira", "Mei", ("Jonas", "amira-2"))
    assert "Amira becomes steward, Amira is steward no more, by Mei" in said.out
    circle.until("Mei", "pending", "the day that was set")
    circle.pass_time(DAY_S, "Mei")
    # With the new key.
    circle.do("amira-2", "suspend Jonas")


def test_a_lone_steward_is_lost(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    for name in ("Lin", "Noor", "Jonas", "Mei"):
        circle.let_in(name, "Amira", *(["Lin"] if name in ("Jonas", "Mei") else []))
        circle.stay(name)
    for name in ("Lin", "Noor"):
        circle.do(name, "officer offer")
    circle.do("Amira", "officer add Lin Noor")
    for name in ("Lin", "Noor"):
        circle.do(name, f"approve {circle.reference(name, 'change of stewards')}")
    circle.until("Amira", "pending", "the day that was set")
    circle.pass_time(DAY_S, "Amira")
    circle.until("Lin", "officer list", "^Noor$")
    circle.do("Amira", "lock")
    return_as(circle, "Amira", "amira-2", "Lin", "Noor")
    with OFFICERS.told(shell) as telling:
        said = telling.block("./cloister steward add Amira", "Lin", ("Noor", "amira-2"))
        assert "fourteen silent days of the stewards" in said.out
        circle.pass_time(14 * DAY_S, "Lin")
        circle.do("amira-2", "suspend Mei")
        circle.do("amira-2", "reinstate Mei")
    for name in ("Jonas", "Mei"):
        circle.do(name, "steward offer")

    def let_time_pass(said: str) -> str:
        if said.endswith(3 * "approved\n"):
            circle.pass_time(14 * DAY_S, "Lin")
            circle.until("Jonas", "steward list", "^Jonas$")
        return ""

    with OFFICERS_AGAIN.told(shell) as telling:
        said = telling.block(
            "./cloister steward add Jonas Mei",
            "Lin",
            ("Noor", "Jonas", "Mei"),
            "Jonas",
            "Mei",
            typed=let_time_pass,
        )
    assert "Mei becomes steward, Jonas becomes steward, by Lin" in said.out
    assert "Amira is steward no more, by Jonas" in said.out
    circle.pass_time(DAY_S, "Lin")
    assert circle.do("Lin", "steward list").out == "Jonas\nMei\n"
