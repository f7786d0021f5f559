"""The person's commands: exit codes, data and talk apart, no secret and no traceback anywhere."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pty
import re
import signal
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from cloister.cli import secrets_input
from cloister.client.effects import MessageState, Persist, PutMessage
from cloister.device import link
from cloister.device.settings import Settings
from unit.device.scripted import ROUTE, VIEWS, obedient

Run = Callable[..., tuple[int, str, str]]


class TestExitCodes:
    def test_without_a_vault_it_is_3_and_none_is_made(self, run: Run, world: Path) -> None:
        status, out, err = run("status")
        assert (status, out) == (3, "")
        assert "cloister circle new" in err
        assert not (world / "p").exists()

    def test_a_wrong_passphrase_is_7(self, run: Run, profile: Path, world: Path) -> None:
        (world / "passphrase").write_text("wrong horse\n")
        status, _, err = run("status")
        assert status == 7
        assert err.startswith("cloister: The passphrase is not right")

    def test_no_passphrase_and_nobody_to_ask_is_7(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CLOISTER_PASSPHRASE_FILE")
        status, _, err = run("status")
        assert status == 7
        assert "--passphrase-fd" in err

    def test_a_corrupt_vault_is_1_and_stays_as_it_is(self, run: Run, profile: Path) -> None:
        database = profile / "vault.db"
        database.write_bytes(b"not a vault at all" * 1000)
        status, _, err = run("status")
        assert status == 1
        assert "vault.db is damaged" in err
        assert "backup" in err
        assert database.read_bytes().startswith(b"not a vault")

    def test_a_wrong_option_is_2(self, run: Run) -> None:
        assert run("status", "--no-such-option")[0] == 2
        assert run("no-such-command")[0] == 2
        assert run("status", "--profile", "a b")[0] == 2

    def test_an_unknown_conversation_is_3(self, run: Run, profile: Path) -> None:
        for arguments in (("send", "nowhere", "hi"), ("read", "nowhere")):
            status, _, err = run(*arguments)
            assert status == 3
            assert "no" in err

    def test_an_unreachable_relay_is_4_for_what_cannot_wait(
        self, run: Run, profile: Path, scripted: Callable[..., None]
    ) -> None:
        scripted(routes=(ROUTE,), script=lambda core, given, now: ())
        status, _, err = run("invite")
        assert status == 4
        assert "connection refused" in err

    def test_a_text_without_a_relay_is_queued_and_0_but_4_with_wait(
        self, run: Run, profile: Path, scripted: Callable[..., None]
    ) -> None:
        def queue_only(core: Any, given: Any, now: int) -> tuple[Any, ...]:
            return tuple(
                effect
                for effect in obedient(core, given, now)
                if getattr(getattr(effect, "notice", None), "message", None) is None
                and not (
                    isinstance(effect, Persist)
                    and isinstance(effect.writes[0], PutMessage)
                    and effect.writes[0].message.state is MessageState.SENT
                )
            )

        scripted(routes=(ROUTE,), script=queue_only)
        status, out, _ = run("send", "desk", "hello", "--json")
        assert status == 0
        assert json.loads(out)["state"] == "queued"
        assert run("send", "desk", "hello", "--wait")[0] == 4

    def test_another_certificate_is_6(
        self,
        run: Run,
        profile: Path,
        scripted: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def refuse(route: object, make_listener: object) -> None:
            raise ssl.SSLCertVerificationError

        monkeypatch.setattr(link, "_dial", refuse)
        scripted(routes=(ROUTE,), script=lambda core, given, now: ())
        status, _, err = run("invite")
        assert status == 6
        assert "not the pinned one" in err
        status, out, err = run("requests")
        assert status == 6
        assert "Jonas" in out
        assert "do not go on" in err

    def test_what_is_no_text_is_2(self, run: Run, profile: Path) -> None:
        for arguments in (("send", "desk", "\udcff"), ("conversation", "new", "t", "a\udc80")):
            status, _, err = run(*arguments)
            assert status == 2
            assert "not UTF-8" in err

    def test_leaving_is_not_done_by_accident(self, run: Run, profile: Path) -> None:
        assert run("leave")[0] == 2
        assert run("leave", "--yes")[0] == 0


def test_a_broken_environment_is_said_without_a_traceback() -> None:
    program = "import sys; sys.modules['click'] = None; from cloister.__main__ import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("cloister: the environment is broken, it has no click\n")
    assert "Traceback" not in ended.stderr


def test_one_ctrl_c_ends_a_question(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOISTER_PASSPHRASE_FILE")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cloister", "status"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        said = b""
        while b"passphrase: " not in said:
            said += os.read(ours, 100)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 130
        finally:
            process.kill()
    os.close(ours)


class TestHelp:
    @pytest.mark.parametrize(
        "command",
        [
            *("circle new", "circle show", "invite", "join", "requests", "vouch", "members"),
            *("remove", "leave", "conversation new", "conversation list", "send", "read"),
            *("conversation add", "conversation remove", "conversation rename"),
            *("conversation admins", "conversation rights", "conversation announce"),
            *("conversation leave", "conversation mute", "conversation pin"),
            *("contact list", "contact name", "contact block", "contact verify"),
            *("status", "agent run", "config show", "config set"),
        ],
    )
    def test_every_command_has_an_example_before_its_options(self, run: Run, command: str) -> None:
        status, out, _ = run(*command.split(), "--help")
        assert status == 0
        assert "Examples:" in out.split("Options:")[0]

    def test_every_setting_is_described(self, run: Run) -> None:
        _, out, _ = run("config", "show", "--help")
        assert all(f"  {field.name} " in out for field in dataclasses.fields(Settings))


class TestOutput:
    def test_json_is_one_object_a_line_with_its_version(self, run: Run, profile: Path) -> None:
        run("send", "desk", "first")
        run("send", "desk", "zwei \u202e\x1b[31m rot")
        status, out, err = run("read", "desk", "--json")
        assert (status, err) == (0, "")
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["v"] for line in lines] == [1, 1]
        assert [line["state"] for line in lines] == ["sent", "sent"]
        assert out.isascii()

    def test_nothing_a_terminal_obeys_is_printed_and_no_text_fakes_a_line(
        self, run: Run, profile: Path
    ) -> None:
        run("send", "desk", "\x1b]52;c;AAAA\x07 \u202eevil\nAmira, 2026-01-01 00:00: lie")
        _, out, _ = run("read", "desk")
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\u202e" not in out
        assert [line for line in out.splitlines() if line.startswith("Amira,")] == [
            out.splitlines()[0]
        ]

    def test_read_marks_as_read(self, run: Run, profile: Path) -> None:
        run("send", "desk", "hello")
        run("read", "desk")
        _, out, _ = run("conversation", "list", "--json")
        assert json.loads(out)["unread"] == 0

    def test_what_receipts_say_stands_beside_own_texts(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("send", "desk", "hello")
        assert "delivered" not in run("read", "desk")[1]
        mark = {"from_n": 0, "until_n": 9, "read_n": 0, "missing": []}
        members = [{"name": "Jonas", "marks": [mark]}, {"name": "Mei", "marks": []}]
        view = {"given": "off", "members": members}
        monkeypatch.setattr(VIEWS, "receipts", lambda core, name: view)
        assert "(delivered 1 of 2): hello" in run("read", "desk")[1]
        mark["read_n"] = 9
        assert "(delivered 1 of 2, read 1): hello" in run("read", "desk")[1]
        row = json.loads(run("read", "desk", "--json")[1])
        assert (row["delivered"], row["read"], row["others"]) == (1, 1, 2)

    def test_receipts_and_cover_are_set_by_a_person(self, run: Run, profile: Path) -> None:
        assert run("conversation", "receipts", "desk", "delivered")[:2] == (0, "SetReceipts\n")
        assert run("conversation", "receipts", "desk", "perhaps")[0] == 2
        told = "48 cover messages a day; you asked for 12, the circle's rules for 48\n"
        assert run("device", "cover", "12")[:2] == run("device", "cover")[:2] == (0, told)
        assert run("device", "cover", "241")[0] == 2

    def test_talk_goes_to_standard_error_and_quiet_drops_it(self, run: Run, profile: Path) -> None:
        _, out, err = run("join", "CLOISTER1:X", "--name", "Jonas", "--json")
        assert json.loads(out)["state"] == "asked"
        assert "vouchers" in err
        assert run("join", "CLOISTER1:X", "--name", "Jonas", "--quiet")[2] == ""

    def test_standard_input_is_the_text(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"drei\nvier\n")))
        assert run("send", "desk", "-")[0] == 0
        assert "drei\n    vier\n" in run("read", "desk")[1]

    def test_too_long_a_text_from_standard_input_is_2(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = ("é" * 6001).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        status, _, err = run("send", "desk")
        assert status == 2
        assert "12000 bytes" in err

    def test_requests_show_sixty_digits(self, run: Run, profile: Path) -> None:
        _, out, _ = run("requests")
        assert sum(character.isdigit() for line in out.splitlines()[1:] for character in line) == 60

    def test_vouch_names_the_digits_and_needs_the_way(self, run: Run, profile: Path) -> None:
        assert run("vouch", "Jonas")[0] == 2
        assert run("vouch", "Nobody", "--met")[0] == 3
        status, _, err = run("vouch", "jonas", "--met")
        assert status == 0
        assert "00000  00001" in err

    def test_vouch_says_from_when_it_counts(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (asked,) = VIEWS.requests(None)
        later = {"counts_from": 1_800_000_000, "why": "probation"}
        monkeypatch.setattr(VIEWS, "requests", lambda core: [asked | {"own_vouch": later}])
        assert ". It counts from Friday 15 January 2027, " in run("vouch", "Jonas", "--met")[1]
        told = json.loads(run("vouch", "Jonas", "--met", "--json")[1])
        assert told["counts_from"] == 1_800_000_000
        assert "probation is over" in told["worth"]

    def test_one_more_device_of_ones_own_needs_no_name(
        self, run: Run, world: Path, scripted: Callable[..., None]
    ) -> None:
        scripted()
        assert run("join", "CLOISTER1:X", "--own", "--name", "Jonas")[0] == 2
        assert run("join", "CLOISTER1:X")[0] == 2, "anybody else is asked for one"
        assert run("join", "CLOISTER1:X", "--own")[0] == 0


class TestComparing:
    """A person fills in two groups that the newcomer reads out; a bare yes is given too easily."""

    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        given: list[str] = []

        def prompt(question: str, err: bool) -> str:
            number = int(question.removeprefix("Group ")) - 1
            return given.pop(0) if given else f"{number:05}"

        monkeypatch.setattr(secrets_input, "can_ask", lambda: True)
        monkeypatch.setattr(click, "prompt", prompt)
        return given

    def test_right_digits_vouch(self, run: Run, profile: Path, answers: list[str]) -> None:
        status, _, err = run("vouch", "Jonas", "--voice")
        assert status == 0
        assert err.count(".....") == 2

    def test_wrong_digits_do_not_and_are_6(
        self, run: Run, profile: Path, answers: list[str]
    ) -> None:
        answers.append("99999")
        status, _, err = run("vouch", "Jonas", "--met")
        assert status == 6
        assert "nothing was vouched for" in err


class TestNothingIsLeftBehind:
    def test_by_a_mistyped_code(self, run: Run, world: Path) -> None:
        assert run("join", "CLOISTER1:0000", "--name", "Jonas")[0] == 2
        assert not (world / "p").exists()

    def test_by_a_wrong_card(self, run: Run, world: Path) -> None:
        (world / "card").write_text("no card")
        for card, status in (("card", 2), ("missing", 3)):
            cards = ("--home", str(world / card), "--entry", str(world / card))
            assert run("circle", "new", "--name", "Amira", *cards)[0] == status
        assert not (world / "p").exists()


class TestBugs:
    def test_a_bug_is_one_line_and_a_private_report_without_content(
        self, run: Run, profile: Path, scripted: Callable[..., None], world: Path
    ) -> None:
        def broken(core: Any, given: Any, now: int) -> tuple[Any, ...]:
            raise ZeroDivisionError("canary-99812 in a message")

        scripted(script=broken)
        status, out, err = run("send", "desk", "canary-99813")
        assert (status, out) == (1, "")
        assert len(err.splitlines()) == 1
        (report,) = (world / "xdg_state_home").rglob("*.txt")
        assert report.name.removesuffix(".txt").split("-")[1] in err
        assert stat.S_IMODE(report.stat().st_mode) == 0o600
        text = report.read_text()
        assert "ZeroDivisionError" in text
        assert "test_person.py" in text
        for place in (err, text):
            assert "canary" not in place


class TestSecrets:
    def test_the_passphrase_is_taken_from_a_descriptor(
        self, run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CLOISTER_PASSPHRASE_FILE")
        reading, writing = os.pipe()
        os.write(writing, b"correct horse\n")
        os.close(writing)
        assert run("status", "--passphrase-fd", str(reading))[0] == 0
        os.close(reading)

    def test_the_passphrase_is_taken_from_the_service_managers_folder(
        self, run: Run, profile: Path, world: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CLOISTER_PASSPHRASE_FILE")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(world))
        (world / "cloister-passphrase").write_text("correct horse")
        assert run("status")[0] == 0

    def test_an_empty_passphrase_is_refused(self, run: Run, profile: Path, world: Path) -> None:
        (world / "passphrase").write_text("\n")
        assert run("status")[0] == 2


class TestSettings:
    def test_one_is_written_and_its_origin_shown(
        self, run: Run, world: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        status, out, err = run("config", "set", "autolock_s", "300")
        assert (status, out) == (0, "autolock_s = 300\n")
        assert "from now on" in err
        shown = run("config", "show", "--origin")[1]
        assert re.search(r"^autolock_s = 300    \(.*config\.toml\)$", shown, re.M)
        monkeypatch.setenv("CLOISTER_AUTOLOCK_S", "60")
        status, out, err = run("config", "set", "autolock_s", "400", "--json")
        assert (status, json.loads(out)["value"]) == (0, "60")
        assert "CLOISTER_AUTOLOCK_S goes before it" in err

    def test_what_is_wrong_is_2_and_changes_nothing(self, run: Run, world: Path) -> None:
        assert run("config", "set", "notify", "shout")[0] == 2
        assert run("config", "set", "volume", "11")[0] == 2
        assert "notify = bell" in run("config", "show")[1]

    def test_flag_before_environment_before_file_before_default(
        self, run: Run, world: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = world / "xdg_config_home" / "cloister" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text("timeout_s = 30\nsend_wait_s = 3\n")
        monkeypatch.setenv("CLOISTER_TIMEOUT_S", "40")
        _, out, _ = run("config", "show", "--json", "--timeout", "50")
        found = {line["name"]: line for line in map(json.loads, out.splitlines())}
        assert (found["timeout_s"]["value"], found["timeout_s"]["origin"]) == (50, "flag")
        assert found["send_wait_s"]["origin"] == str(file)
        assert found["plain"]["origin"] == "default"
        assert found["profile"]["origin"] == "CLOISTER_PROFILE"
        _, out, _ = run("config", "show", "--json")
        assert "CLOISTER_TIMEOUT_S" in out

    @pytest.mark.parametrize("text", ["nonsense = 1", "timeout_s = 'x'", "timeout_s = -1", "= ="])
    def test_a_wrong_file_is_2_and_named(self, run: Run, world: Path, text: str) -> None:
        file = world / "xdg_config_home" / "cloister" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        status, _, err = run("status")
        assert status == 2
        assert "config.toml" in err
