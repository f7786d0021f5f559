"""docs/guide/quickstart.md: its blocks run as they are printed."""

from __future__ import annotations

import re

import pytest

from docs.shell_session import Guide, Shell, lines_with

GUIDE = Guide("docs/guide/quickstart.md")
DEMO = GUIDE.part("1. A circle that plays itself")
BY_HAND = GUIDE.part(
    "2. Two relays",
    "3. Amira founds a circle",
    "4. Jonas comes in",
    "5. Lin comes in, vouched for by Jonas",
    "6. They talk",
    "7. Lin is removed",
    "8. Jonas loses his device",
    "9. What the relays know",
)
pytestmark = [pytest.mark.process, pytest.mark.slow]
DIGITS = re.compile(r"(?:\d{5}\s+){11}\d{5}")


@pytest.mark.nightly
def test_the_circle_that_plays_itself(shell: Shell) -> None:
    with DEMO.told(shell) as telling:
        said = telling.block("./cloister demo --no-input --keep try/demo")
    assert said.out.splitlines()[-2].endswith("All of it holds.")
    assert (shell.folder / "try/demo").is_dir()


def test_ten_minutes_to_a_circle_of_three(shell: Shell) -> None:
    with BY_HAND.told(shell) as telling:
        telling.block("mkdir -p try")
        assert (shell.folder / "try/code").read_text().strip()
        said = telling.block("export")
        circle_id = said.out.splitlines()[0]
        assert re.fullmatch(r"[0-9a-f]+", circle_id)
        assert "forming: yes" in said.out

        said = telling.block("./cloister invite")
        asked, requested, vouched = DIGITS.findall(said.out + said.err)
        assert asked.split() == requested.split() == vouched.split()
        assert "phase: member" in said.out

        said = telling.block("./cloister invite")
        assert "phase: member" in said.out
        assert lines_with(said.out, "Lin: member, active, vouched by Jonas")

        said = telling.block("./cloister conversation new")
        assert re.search(r"^Amira, .*: lead is confirmed$", said.out, re.M)
        assert re.search(r"^Jonas, .*: two lines\n.*of text$", said.out, re.M)
        assert re.search(r"^Lin, .*: everybody reads this$", said.out, re.M)

        said = telling.block("./cloister remove")
        assert said.out.splitlines()[:2] == ["proposed", "removed"]
        assert len(re.findall(r"^Amira, .*: without Lin$", said.out, re.M)) == 1
        assert "phase: removed" in said.out

        said = telling.block("./cloister lost")
        assert "exit status 7" in said.out
        said = telling.block("./cloister relay status")
        assert not re.search("Amira|Jonas|Lin", said.out)
        shell.type("wait")
    for name in ("hk", "pa"):
        assert '"event": "stopped"' in (shell.folder / f"try/{name}.log").read_text("utf-8")
