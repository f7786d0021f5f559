"""docs/guide/member.md: its blocks run as they are printed, in circles of real relays."""

from __future__ import annotations

import json
import re

import pytest

from docs.prepared_circle import PIN, PreparedCircle
from docs.shell_session import Guide, Shell, lines_with

GUIDE = Guide("docs/guide/member.md")
TALKING = GUIDE.part(
    "Talking",
    "Answering, editing, taking back",
    "Receipts and cover",
    "Quiet, and on top",
    "People, as you know them",
)
CHANGING = GUIDE.part("Who changes a conversation")
LOOKING = GUIDE.part("Who is here, and what happened")
COMING_IN = GUIDE.part("Getting in")
TAKING_BACK = GUIDE.part("Taking back an invitation or a vouch")
LETTING_IN = GUIDE.part("Letting others in")
FORGOTTEN = GUIDE.part("A forgotten PIN")
PIN_ITSELF = GUIDE.part("The PIN")
DEVICES = GUIDE.part("Your devices, and a lost one")
INTERFACE = GUIDE.part("The interface", "Line by line")
KEEPING = GUIDE.part("Keeping your history", "A sealed backup, and your history on another device")
pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_talking(shell: Shell, circle: PreparedCircle) -> None:
    three_and_mei(circle)
    with TALKING.told(shell) as telling:
        said = telling.block("./cloister conversation list", "Jonas")
        assert lines_with(said.out, "commons: ")
        assert lines_with(said.out, "sent")
        assert re.search(r"^Jonas, .*: text$", said.out, re.M)
        circle.until("Lin", 'read "Front page"', "^Jonas, .*: text$")

        circle.do("Amira", 'send "Front page" "who takes it?"')
        said = telling.block("./cloister read", "Jonas")
        assert re.search(r"^[0-9a-f]{8}  Amira, .*: who takes it\?$", said.out, re.M)
        assert re.search(r"^1\. .*: I take it\n2\. .*: hold until seven$", said.out, re.M)
        circle.until("Lin", 'read "Front page"', r"\(taken back\)$")
        lin_reads = circle.do("Lin", 'read "Front page"').out
        assert re.search(r"^Amira, .*: who takes it\?.*\n.*thanks", lin_reads, re.M)
        assert "I take it" not in lin_reads

        said = telling.block("./cloister conversation receipts", "Amira")
        assert said.out == "delivered\noff\n48 cover messages a day\n"
        said = telling.block("./cloister conversation mute", "Amira")
        assert [line.split()[0] for line in said.out.splitlines()] == [
            "muted", "told", "pinned", "not",
        ]  # fmt: skip

        said = telling.block("./cloister contact list", "Amira")
        assert said.out.endswith("\nJo from the desk\nJonas\nMei: blocked\nMei: shown\n")

        shown = circle.do("Jonas", "contact verify Amira --show").out
        digits = re.findall(r"\b\d{5}\b", shown)
        words = re.findall(r"\b[a-z]+\b", shown.split(digits[-1])[1])[:12]
        code = re.findall(r"^CL1:.*$", shown, re.M)[0]
        shell.values["CL1:MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U"] = code
        of = r"Type (?:group|word) (\d+) of 12 as you hear it: "
        said = telling.block(
            "./cloister contact verify",
            "Amira",
            answers=[(of, lambda asked: digits[int(asked[1]) - 1] + "\n")] * 2
            + [(of, lambda asked: words[int(asked[1]) - 1] + "\n")] * 2,
        )
        assert len(lines_with(said.out, "Jonas: verified")) == 3
        assert lines_with(said.out, "Jonas: not verified")
        assert code in said.out
    with LOOKING.told(shell) as telling:
        said = telling.block("./cloister members --tree", "Amira")
        assert "├─ Jonas  (member)" in said.out
        assert "<svg" in (shell.folder / "circle.svg").read_text()
        assert len(lines_with(said.out, "    0  ")) == 2, "the log, twice"
        assert "All of it holds" in said.out
        assert re.match(r"size \d+, root [0-9a-f]{64}$", said.out.splitlines()[-1])


@pytest.mark.nightly
def test_changing_a_conversation(shell: Shell, circle: PreparedCircle) -> None:
    three_and_mei(circle)
    with CHANGING.told(shell) as telling:
        said = telling.block("./cloister conversation new Rota", "Jonas")
    assert said.out.splitlines()[1:4] == ["in: Mei", "out: Mei", "renamed: Rota, winter"]
    assert "admins changed\nchanged by: everyone\nposts: everyone\n" in said.out
    (rota,) = [v for v in circle.views("Jonas", "conversation list") if "Rota" in v["title"]]
    assert rota["state"] == "left", rota


@pytest.mark.nightly
def test_coming_in(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    circle.let_in("Lin", "Amira")
    circle.let_in("Oskar", "Amira")
    circle.stay("Lin")
    with TAKING_BACK.told(shell) as telling:
        circle.do("Lin", "invite")
        code = circle.do("Amira", "invite").out
        circle.ask("Jonas", code, profile="early")
        circle.do("Amira", "vouch Jonas --met --yes")
        circle.do("Amira", "invite")
        said = telling.block("./cloister withdraw", "Amira")
        assert said.out.splitlines() == [
            "the invitation is closed",
            "your vouch does not count any more",
        ]
    shell.type("unset CLOISTER_PASSPHRASE_FILE")
    code = circle.do("Amira", "invite").out

    def have_them_vouch(said: re.Match[str]) -> str:
        for voucher in ("Amira", "Lin"):
            circle.do(voucher, f"vouch {said[1]}{said[2]} --met --yes")
        return ""

    with COMING_IN.told(shell) as telling:
        said = telling.block(
            "./cloister join - --name Jonas --wait",
            "Jonas",
            answers=[
                ("", code),
                ("New PIN or passphrase: ", PIN + "\n"),
                ("The same again: ", PIN + "\n"),
                (r"(\d{5})  (\d{5})[^W]*Waiting to be admitted", have_them_vouch),
            ],
        )
        assert "admitted" in said.out
    circle.ask("Mei", circle.do("Lin", "invite").out)
    circle.do("Lin", "vouch Mei --met --yes")
    asked = circle.views("Mei", "status")[0]["digits"]
    fives = re.findall(r"\d{5}", asked)
    with LETTING_IN.told(shell) as telling:
        said = telling.block(
            "./cloister requests",
            "Oskar",
            answers=[
                ("PIN or passphrase: ", PIN + "\n"),
                ("PIN or passphrase: ", PIN + "\n"),
                *[(r"Group (\d+): ", lambda asked: fives[int(asked[1]) - 1] + "\n")] * 2,
            ],
        )
        assert "Mei: " in said.out
    circle.until("Mei", "status", "^phase: member$")


@pytest.mark.nightly
def test_a_forgotten_pin(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    circle.let_in("Mei", "Amira", steward=True)
    circle.make_stewards("Amira", "Mei")
    circle.let_in("Jonas", "Amira")
    circle.do("Amira", 'conversation new "Front page" Mei Jonas')
    circle.phase("Jonas")
    with FORGOTTEN.told(shell) as telling:
        said = telling.block("./cloister lost", "Amira", "Mei")
        assert lines_with(said.out, "Jonas/1: locked")
        assert "unlock of Jonas/1, by Amira; waits for another steward" in said.out
        assert said.out.endswith("\napproved\n")
        circle.until("Jonas", "status", "^phase: member$")
        circle.stay("Jonas")
        circle.add_device("Jonas", "second", "Amira")
        said = telling.block("./cloister device revoke Jonas/1", "second")
        assert lines_with(said.out, "Jonas/1 is retired")
        assert lines_with(said.out, "CLOISTER1:")
        circle.do("Amira", "lost Jonas --yes")

        def code_or_wait(said: str) -> str:
            if said.count("vouched") == 2:
                circle.until("jonas-2", "status", "^phase: member$")
            return said

        said = telling.block(
            "./cloister invite --return",
            "Amira", "Jonas", ("Amira", "Mei"), "Jonas", "Amira",
            typed=code_or_wait,
        )  # fmt: skip
        assert "phase: member" in said.out
        assert said.out.splitlines()[-1] == "in: Jonas"


@pytest.mark.nightly
def test_devices(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    circle.let_in("Mei", "Amira")
    circle.let_in("Jonas", "Amira")
    circle.add_device("Amira", "second", "Mei")
    circle.add_device("Amira", "third", "Mei")
    with DEVICES.told(shell) as telling:
        said = telling.block("./cloister device list", "third")
        assert len(lines_with(said.out, "Amira/")) == 4
        assert lines_with(said.out, "CLOISTER1:")
        assert lines_with(said.out, "Amira/2 is retired")
        said = telling.block("./cloister lost", "third")
        assert lines_with(said.out, "Amira/1: locked")
        assert len(lines_with(said.out + said.err, "This report cannot know:")) == 2
        assert lines_with(said.out, "CLOISTER-CONSENT:")
        said = telling.block("./cloister keycard", "third")
        assert re.search(r"^  Amira/1 .* locked$", said.out, re.M)
        assert "cloister lost Amira/" in said.out
    shell.type("unset CLOISTER_PASSPHRASE_FILE")
    with PIN_ITSELF.told(shell) as telling:
        circle.elsewhere.type("./cloister agent run > agent 2>&1 &", who="Mei")
        circle.elsewhere.type("until grep -q running agent; do sleep 0.05; done")
        said = telling.block(
            "./cloister lock",
            "Mei",
            answers=[
                ("PIN or passphrase: ", PIN + "\n"),
                ("PIN or passphrase: ", PIN + "\n"),
                ("New PIN or passphrase: ", "93-kestrel\n"),
                ("The same again: ", "93-kestrel\n"),
            ],
        )
        assert re.search(r"^locked; the PIN alone unlocks for \d+ min$", said.out, re.M)
        assert re.search(r"^open\n(.*\n)+the PIN is changed\nlocked$", said.out, re.M)
        # The lease is dropped: the relays are asked, and it is the new PIN that they help to open.
        (shell.folder / "new").write_text("93-kestrel")
        unlock = "./cloister unlock --passphrase-fd 3 3<"
        assert circle.elsewhere.type(f"{unlock} pin || echo $?", who="Mei").out == "7\n"
        assert circle.elsewhere.type(f"{unlock} new", who="Mei").out == "open\n"


@pytest.mark.nightly
def test_the_interface_and_keeping(shell: Shell, circle: PreparedCircle) -> None:
    circle.found("Amira")
    circle.let_in("Mei", "Amira")
    circle.let_in("Jonas", "Amira")
    circle.do("Amira", "conversation new Newsdesk Mei")
    circle.do("Mei", 'send Newsdesk "the budget is ready"')
    with INTERFACE.told(shell) as telling:
        said = telling.block(
            "./cloister open",
            "Mei",
            answers=[("PIN or passphrase", PIN + "\r"), ("Newsdesk", "\x0bquit\r")],
        )
        assert "Newsdesk" in said.out, "until it was left"
        said = telling.block(
            "./cloister chat", "Amira", answers=[("/quit ends", "from a terminal\n/quit\n")]
        )
        assert re.search(r"^Mei, .*: the budget is ready$", said.out, re.M)
        circle.until("Mei", "read Newsdesk", ": from a terminal\n.*: lead is confirmed\n.*ok")
        said = telling.block("./cloister search", "Amira")
        assert re.search(r"^Newsdesk: Mei, .*: the budget is ready$", said.out, re.M)
        assert '"text":"lead is confirmed"' in said.out
    # Somebody who moves to another device, to which nothing of before has come.
    circle.add_device("Amira", "second", "Mei")
    with KEEPING.told(shell) as telling:
        said = telling.block("./cloister export", "Amira")
        assert said.out.splitlines()[-1] == "1"
        plain = (shell.folder / "newsdesk.txt").read_text()
        assert re.search(r"^Mei, .*: the budget is ready$", plain, re.M)
        assert (shell.folder / "newsdesk.txt").stat().st_mode & 0o777 == 0o600
        rows = [
            json.loads(one) for one in (shell.folder / "history.jsonl").read_text().splitlines()
        ]
        assert "lead is confirmed" in {row.get("text") for row in rows}
        (shell.folder / "words.txt").write_text("six random words are good ones\n")
        shell.type("export CLOISTER_BACKUP_PASSPHRASE_FILE=words.txt")
        said = telling.block("./cloister backup", "Amira", "second")
        assert re.search(r"^\d+ messages are in history.cloister, sealed", said.out, re.M)
        first, again = re.findall(r"^\d+ messages, (\d+) of them new here", said.out, re.M)
        assert int(first) > 0
        assert again == "0"
        restored = circle.do("second", "read Newsdesk").out
        assert "the budget is ready" in restored


def three_and_mei(circle: PreparedCircle) -> None:
    """Amira, Jonas, Lin and Mei, all but the last connected."""
    circle.found("Amira")
    circle.let_in("Jonas", "Amira")
    circle.let_in("Lin", "Amira")
    circle.stay("Jonas", "Lin")
    circle.let_in("Mei", "Amira", "Jonas")
