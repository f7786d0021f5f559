"""Actions that look after this device: what is wrong with it, its cover, a card for its loss."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cloister.client.inputs import SetCover
from cloister.client.safe_text import safe_text
from cloister.device.complete_file import complete_file
from cloister.device.facade import View
from cloister.errors import CloisterError
from cloister.finding import Finding, Grade, wrong
from cloister.tui.actions import asking
from cloister.tui.checkup import of_folder, of_status
from cloister.tui.key_card import card_lines, card_of
from cloister.tui.lines import sentence
from cloister.tui.rules import COVERS
from cloister.tui.talk import Choice, Talk

_WORST_FIRST: Final = (Grade.WRONG, Grade.DOUBTFUL, Grade.GOOD)


async def doctor(talk: Talk) -> None:
    """Look for what is wrong with this device: files, vault, relays, clock, term."""
    findings: list[Finding] = []
    try:
        folder = talk.settings.present().folder if talk.settings is not None else None
    except CloisterError as error:
        findings.append(wrong("settings", error))
    else:
        findings += of_folder(folder) if folder is not None else ()
    await talk.device.check_shares()
    findings += of_status(await talk.device.status(), offline=False)
    findings.sort(key=lambda one: _WORST_FIRST.index(one.grade))
    bad = sum(one.grade is not Grade.GOOD for one in findings)
    lines = [f"{bad} of {len(findings)} need a look." if bad else "Nothing is wrong."]
    for one in findings:
        lines.append(f"{one.grade.upper()}, {one.subject}: {one.text}.")
        lines += [f"  To do: {sentence(one.hint)}"] if one.hint else []
    talk.tell("\n".join(lines))


async def cover(talk: Talk) -> None:
    """Say how many messages a day this device sends that say nothing."""
    status = await talk.device.status()
    own = int(status["cover_own"])
    choices = [
        Choice(str(rate), _rate(rate), "as it is now" if rate == own else "")
        for rate in sorted({*COVERS, own})
    ]
    picked = await talk.choose(
        "How much cover traffic?",
        choices,
        about="At random times, into your conversations, while this device is connected. Relays"
        " take them for short texts, and nobody is shown them. They cost battery and traffic.",
    )
    await asking.do(talk, SetCover(ref=0, per_day=int(picked)))
    talk.tell(_cover_of(await talk.device.status()))


def _rate(rate: int) -> str:
    return f"{rate} a day" if rate else "none"


def _cover_of(status: View) -> str:
    rate, own = int(status["cover_per_day"]), int(status["cover_own"])
    if rate > own:
        return f"Cover traffic: {_rate(rate)}, which the circle's rules ask for at the least."
    return f"Cover traffic: {_rate(rate)}."


async def key_card(talk: Talk) -> None:
    """Write the key card to a file: a page to print, for when a device is lost."""
    card = await card_of(talk.device)
    path = asking.file_named(
        await talk.ask(
            "Which file?",
            about="A new one. No secret is on the card. Whoever finds it learns your name in the"
            " circle, who its stewards are and which relays it uses.",
        )
    )
    day = datetime.fromtimestamp(talk.now()).astimezone().strftime("%Y-%m-%d")
    with complete_file(path) as file:
        file.write(safe_text("\n".join(card_lines(card, day)) + "\n").encode("utf-8"))
    talk.tell(f"The card is in {path}. Print it, fill in the telephones, and keep it with you.")
