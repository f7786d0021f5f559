"""Actions on this device and the person's others: where it stands, the PIN, locking."""

from __future__ import annotations

from cloister.client.inputs import Invite
from cloister.client.powers import LockDevice, RetireDevice
from cloister.device.facade import View
from cloister.errors import UsageError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.talk import Talk


async def status(talk: Talk) -> None:
    """Say where this device stands: relay, circle, seat, what waits."""
    status, circle = await talk.device.status(), await _circle(talk)
    lines = [words.state_line(status)]
    if status.get("trouble"):
        lines.append(f"Why: {status['trouble']}")
    standing = status.get("standing") or {}
    if standing.get("state", "active") != "active":
        lines += [str(standing["reason"]), str(standing["hint"])]
    lines.append(
        f"You are {status['name'] or 'nobody yet'}; the vault opens by {status['vault_key']}."
    )
    if status.get("term"):
        lines.append(_seat(status))
    for stuck in status.get("stuck", ()):
        lines.append(f"{stuck['title']} stands still: {stuck['reason']}. {stuck['hint']}")
    if status.get("digits"):
        lines += [
            "Read these to those who vouch for you:",
            words.digit_rows(words.groups_of(str(status["digits"]))),
        ]
    talk.tell("\n".join([*lines, *circle]))


def _seat(status: View) -> str:
    term = status["term"]
    end, grace = (words.day_of(int(term[one])) for one in ("ends_at", "grace_until"))
    match term["state"]:
        case "lapsed":
            then = "this device gets and sends nothing new until the operator is paid"
            return f"The seat ended on {end}: {then}."
        case "grace":
            then = "then nothing new is got or sent until the operator is paid"
            return f"The seat ended on {end}. All works until {grace}; {then}."
        case "office":
            return f"The seat ended on {end}; stewards and officers keep their place."
        case _:
            return f"The seat is paid until {end}."


async def _circle(talk: Talk) -> list[str]:
    status = await talk.device.status()
    if status["phase"] != "member":
        return []
    circle = await talk.device.circle()
    relays = [
        f"{one['role']} relay {one['name']}: {one['operator']}, {one['jurisdiction']}"
        for one in circle["relays"]
    ]
    notes = []
    if circle["test_circle"]:
        notes.append("This is a test circle.")
    if circle["single_operator"]:
        notes.append("One operator runs all relays: it could see both who and what.")
    needed = circle["vouches_needed"]
    return [
        f"Circle {str(circle['circle_id'])[:8]}, {circle['members']} members.",
        f"Vouches that a newcomer needs: {needed}.",
        *relays,
        *notes,
    ]


async def log(talk: Talk) -> None:
    """Read what the circle has decided, the newest last."""
    size = int((await talk.device.status())["log_size"])
    views = await talk.device.log(max(size - 50, 0), 50)
    lines = [f"{view['seq']}  {words.day_of(view['ts'])}: {view['text']}" for view in views]
    talk.tell("\n".join(lines) or "The log is empty.")


async def verify(talk: Talk) -> None:
    """Derive everything that the circle has decided anew, from the bytes in the vault."""
    view = await talk.device.verify_log()
    lines = [f"{one['what']}: {one['count']}" for one in view["checks"]]
    root = str(view["log_root"])[:16]
    lines.append(f"All of it holds: {view['log_size']} entries, root {root}.")
    talk.tell("\n".join(lines))


async def pin(talk: Talk) -> None:
    """Change the PIN that opens the vault."""
    old = await talk.ask("The PIN of now", secret=True)
    new = await talk.ask(
        "The new PIN", about="Nobody can reset it. All relays must be in reach.", secret=True
    )
    if new != await talk.ask("The new PIN again", secret=True):
        raise UsageError("the two differ: the PIN of now is in force")
    await talk.device.change_pin(old, new)
    talk.tell("The PIN is changed.")


async def lock(talk: Talk) -> None:
    """Close the vault now, and clear the screen."""
    talk.lock()


async def leave_interface(talk: Talk) -> None:
    """End the interface."""
    talk.leave()


async def devices(talk: Talk) -> None:
    """Show the devices of everybody, and how long their seats are paid for."""
    views = await talk.device.governance("devices")
    lines = []
    for view in views:
        until = view["seat_until"]
        seat = f", seat {view['seat']}, until {words.day_of(int(until))}" if until else ""
        bot = ", a bot" if view["bot"] else ""
        held = ", under legal hold" if view["held"] else ""
        state = f"{view['state']}{bot}{seat}{held}"
        lines.append(f"{view['device']}  {view['short_id']}  {state}")
    talk.tell("\n".join(lines) or "No device is listed yet.")


async def add_device(talk: Talk) -> None:
    """Invite one more device of your own."""
    await talk.confirm(
        "The code is for your other device: “I am in on another device” there, or `cloister join -"
        " --own`. Another member has to vouch for it.",
        "make the code",
    )
    talk.tell("For your own device only:\n" + await asking.do(talk, Invite(ref=0, kind="device")))


async def retire(talk: Talk) -> None:
    """Take another device of your own out of use, for good."""
    name = await asking.some_device(talk, "Which device of yours?")
    await talk.confirm(f"{name} is out for good; what is on it stays readable there.", "retire it")
    await asking.exercise(talk, RetireDevice(ref=0, device=name), f"{name} is retired")


async def lost(talk: Talk) -> None:
    """Lock a lost device at once: one of yours or, as a steward, anybody's."""
    await lock_device(talk, await asking.some_device(talk, "Which device is lost?"))


async def lock_device(talk: Talk, name: str) -> None:
    """Lock this device, or all devices of the member that is named."""
    await talk.confirm(
        f"No relay opens {name} any more, and it leaves every conversation. Nothing is destroyed:"
        " two stewards, or its owner and one, unlock it.",
        "lock it now",
    )
    await asking.exercise(talk, LockDevice(ref=0, device=name), f"{name} is locked")
