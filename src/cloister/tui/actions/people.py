"""Actions on people: who asks to be let in, vouching, inviting, going; and who is here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from cloister.client.inputs import Invite, Join, Leave, ShowInvitation, Vouch
from cloister.client.powers import WithdrawInvitation, WithdrawVouch
from cloister.client.safe_text import safe_line
from cloister.device.facade import View
from cloister.errors import CloisterError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.riddle import Riddle
from cloister.tui.talk import Choice, Talk
from cloister.tui.trust import label_of, trust_of_member
from cloister.tui.vouches import worth_of_vouch

HOW: Final = {"met": 1, "voice": 2, "neither": 3}
NOBODY: Final = "Nobody asks to be let in."
_HOW: Final = (
    Choice("met", "I met this person", "face to face, and they read the digits to me"),
    Choice("voice", "I know this voice", "and it read the digits to me"),
    Choice("neither", "neither", "everybody in the circle will see that"),
)


def tree_choices(views: list[View]) -> list[Choice]:
    """Return who came by whose word: everybody below one of those who vouched for them."""
    below: dict[str, list[View]] = defaultdict(list)
    known = {str(view["member_id"]) for view in views}
    for view in views:
        vouchers = [one for one in view["voucher_ids"] if one in known]
        below[vouchers[0] if vouchers else ""].append(view)
    choices: list[Choice] = []

    def write(view: View, depth: int) -> None:
        member_id, names = str(view["member_id"]), {str(view["name"]), str(view["shown"])}
        choices.append(
            Choice(
                member_id,
                label_of(view),
                _notes_in_tree(view),
                also=tuple(safe_line(name).casefold() for name in names),
                depth=depth,
            )
        )
        for child in below.pop(member_id, []):
            write(child, depth + 1)

    for root in below.pop("", []):
        write(root, 0)
    return choices


def notes_of(view: View) -> str:
    """Return how a member stands: office, bot, state, blocked."""
    bot = "a bot" if view.get("bot") else "has a bot" if view.get("bots") else ""
    role = str(view["role"]) if view["role"] != "member" else ""
    notes = (role, bot, words.member_state(view), "blocked" if view["blocked"] else "")
    return ", ".join(note for note in notes if note)


def _notes_in_tree(view: View) -> str:
    """The same with what the tree does not show: keys that were compared, and other vouchers."""
    trust = trust_of_member(view) if view["trust"] in {"verified", "changed"} else ""
    others = ", ".join(safe_line(str(name)) for name in view["vouched_by"][1:])
    also = f"also vouched for by {others}" if others else ""
    return ", ".join(filter(None, (notes_of(view), trust, also)))


async def join(talk: Talk) -> None:
    """Ask to be let into the circle of an invitation."""
    about = (
        "It begins with CLOISTER1: and is for you alone. Take it from the person who invites you,"
        " not from a picture in a chat."
    )
    await _join(talk, "The invitation's code", about, is_own=False)


async def join_own(talk: Talk) -> None:
    """Make this one more device of a member's own, with the code that another of them shows."""
    about = "On the device that is in already: the action “Add a device of yours” shows it."
    await _join(talk, "The code that your other device shows", about, is_own=True)


async def _join(talk: Talk, question: str, about: str, *, is_own: bool) -> None:
    """Ask for a code, and for a name unless the code is of a device of one's own: it has one."""
    code = name = ""
    while True:
        code = await talk.ask(question, about=about, text=code)
        try:
            _check_code(code, talk.now())
        except CloisterError as error:
            await talk.ask_again(error)
            continue
        if not is_own:
            name = await talk.ask(
                "Your name in the circle",
                about="Everybody in the circle sees it. With a code for coming back: the name that"
                " you have there.",
                text=name,
            )
        try:
            digits = await asking.do(talk, Join(ref=0, code=code, name=name, own=is_own))
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            talk.tell(read_out(digits))
            return


def _check_code(code: str, now: float) -> None:
    # With codes come the keys that follow from one: it is loaded where one was typed.
    from cloister.device.codes import check_code

    check_code(code, now)


def read_out(digits: str) -> str:
    """Return what a newcomer does with the digits."""
    return (
        "Your request is with the circle. Read these digits to those who vouch for you, face to"
        " face or by voice. They type two groups of them.\n\n"
        + words.digit_rows(words.groups_of(digits))
        + "\n\nYou are in as soon as enough have vouched."
    )


async def requests(talk: Talk) -> None:
    """Show who asks to be let in, with the sixty digits."""
    views = await talk.device.requests()
    lines = []
    for view in views:
        lines.append(f"{called(view)}: {view['state']}, {_vouches(view)}")
        lines.append(words.digit_rows(words.groups_of(str(view["fingerprint"]))))
    talk.tell("\n".join(lines) or NOBODY)


async def vouch(talk: Talk) -> None:
    """Vouch for somebody who asks: say how you know them, and compare digits by typing them."""
    views = await talk.device.requests()
    choices = [Choice(str(v["request_hash"]), called(v), _vouches(v)) for v in views]
    picked = await talk.choose("For whose request?", choices, nothing=NOBODY)
    view = next(v for v in views if v["request_hash"] == picked)
    how = await talk.choose(
        f"How do you know that this is {called(view)}?",
        _HOW,
        about="Everybody in the circle can read your answer, and your name with it, for good.",
    )
    groups = words.groups_of(str(view["fingerprint"]))
    if how == "neither":
        await talk.confirm(
            f"You vouch for {called(view)} without having met or heard them:\n"
            + words.digit_rows(groups),
            "vouch all the same",
        )
    else:
        await compare(talk, called(view), groups, "nothing was vouched for")
    digits = "".join(groups)
    answer = await asking.do(talk, Vouch(ref=0, request=digits, how=HOW[how]))
    worth = worth_of_vouch(view)
    talk.tell(" ".join(filter(None, (f"You have vouched for {called(view)}.", answer, worth))))


async def compare(talk: Talk, name: str, parts: Sequence[str], otherwise: str) -> None:
    """Have two groups, or words, typed that the other person reads aloud.

    Raises ``TrustError`` when what was typed is not what stands here; ``otherwise``: what was not
    done then.
    """
    riddle = Riddle.of(parts)
    about = f"Let {name} read {'the digits' if parts[0].isdigit() else 'the words'} to you.\n"
    for place in riddle.hidden:
        typed = await talk.ask(riddle.question(place), about=about + riddle.rows)
        riddle.check(place, typed, otherwise)


async def invite(talk: Talk) -> None:
    """Make a code that lets one person ask to be let in."""
    await talk.confirm(
        "Hand the code to one person only: whoever has it can ask to be let in, for seven days."
        " Members who vouch decide.",
        "make the code",
    )
    talk.tell("For one person only:\n" + await asking.do(talk, Invite(ref=0)))


async def show_invitation(talk: Talk) -> None:
    """Show the code of your last invitation again, if nobody has used it."""
    talk.tell("For one person only:\n" + await asking.do(talk, ShowInvitation(ref=0)))


async def invite_back(talk: Talk) -> None:
    """Invite a member who has no device left."""
    name = await asking.member(talk, "Who comes back?")
    await talk.confirm(
        f"{name}'s old devices are retired for good when the vouches are there. As many members"
        " vouch as for a newcomer.",
        "make the code",
    )
    act = Invite(ref=0, kind="return", member=name)
    talk.tell(f"For {name} only:\n" + await asking.do(talk, act))


async def withdraw_invitation(talk: Talk) -> None:
    """Close your newest open invitation."""
    await talk.confirm("Nobody can be admitted on it any more.", "close the invitation")
    await asking.exercise(talk, WithdrawInvitation(ref=0), "the invitation is closed")


async def withdraw_vouch(talk: Talk) -> None:
    """Take back a vouch, as long as nobody has been admitted on it."""
    views = await talk.device.requests()
    choices = [Choice("".join(words.groups_of(str(v["fingerprint"]))), called(v)) for v in views]
    picked = await talk.choose("Which vouch?", choices, nothing=NOBODY)
    await asking.exercise(talk, WithdrawVouch(ref=0, request=picked), "your vouch does not count")


async def leave(talk: Talk) -> None:
    """Leave the circle."""
    await talk.confirm(
        "You leave the circle with all your devices. Coming back takes a new invitation and new"
        " vouches. What this device has received stays in its vault.",
        "leave the circle",
    )
    talk.tell(await asking.do(talk, Leave(ref=0)) or "You have left the circle.")


def called(view: View) -> str:
    """Return the name on a request and, when a member asks for a device, whose it would be."""
    return f"{view['name']} ({view['asks_as']})" if view["asks_as"] else str(view["name"])


def _vouches(view: View) -> str:
    return f"{len(view['vouches'])} of {view['needed']} vouches"
