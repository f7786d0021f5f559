"""What stands behind a member's keys, and what changed about a member, in words.

Out of the views alone, so that lists, screens, lines and commands say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cloister.client.safe_text import safe_line
from cloister.tui.ordering import Written

View = Mapping[str, Any]

NOBODY: Final = "nobody that is known"
NOT_COMPARED: Final = "new device, not compared"
"""Of a verified member, in a list: cut off, it must not read "verified"."""


def label_of(member: View) -> str:
    """Return what this device calls a member, and the circle's name where it is another."""
    own, name = str(member.get("own_name") or ""), safe_line(str(member["name"]))
    shown = safe_line(str(member.get("shown") or name))
    return f"{safe_line(own)} ({name})" if own else Written(shown)


def trust_of_member(member: View) -> str:
    """Return what stands behind a member's keys; nothing for oneself."""
    match member.get("trust"):
        case "verified":
            return "verified"
        case "changed":
            return f"verified, then {_what_came(member)}"
        case "vouched":
            by = [safe_line(str(name)) for name in member.get("vouched_by") or ()]
            return "vouched for by " + ", ".join(by)
        case "founder":
            return "founded the circle"
        case _:
            return ""


def is_changed(member: View) -> bool:
    """Tell whether a verified member has a device that was not compared."""
    return member.get("trust") == "changed"


def _what_came(member: View) -> str:
    added = list(member.get("added_devices") or ())
    by = sorted({safe_line(str(name)) for one in added for name in one["vouched_by"]})
    what = "a device was added" if len(added) == 1 else f"{len(added)} devices were added"
    if member.get("replaced"):
        what = "came back on a new device" if len(added) == 1 else "came back on new devices"
    return f"{what} (vouched for by {', '.join(by) or NOBODY})"


def untold(member: View, conversations: Iterable[View]) -> tuple[str, str]:
    """Return title and text of what the person must be told of a member; empty: nothing.

    ``conversations``: those that are looked at.  That somebody is out is told where a conversation
    of two with them is among them.
    """
    added = [one for one in member.get("added_devices") or () if not one["told"]]
    if added:
        return "The keys have changed", _changed_text(member)
    is_partner = any(view.get("partner") == member["member_id"] for view in conversations)
    if member.get("untold_state") and is_partner:
        return _out_text(member)
    return "", ""


def _changed_text(member: View) -> str:
    name = label_of(member)
    lines = [f"You have verified {name}. Since then there is:"]
    for one in member["added_devices"]:
        by = ", ".join(safe_line(str(voucher)) for voucher in one["vouched_by"])
        lines.append(f"  {safe_line(str(one['device']))}, vouched for by {by or NOBODY}")
    if member.get("replaced"):
        lines.append("None of the devices that you compared is in use any more.")
    advice = (
        f"Ask {name} in person, or by a voice that you know, whether it is theirs, and ask those"
        " who vouched. Then compare again: the action “Verify a member”. Until you have, what you"
        " write reaches a device that you have not compared."
    )
    return "\n".join([*lines, "", advice])


def _out_text(member: View) -> tuple[str, str]:
    name = label_of(member)
    match member.get("state"):
        case "removed":
            title, what = "Removed from the circle", f"{name} was removed from the circle."
        case "left":
            title, what = "Left the circle", f"{name} has left the circle."
        case _:
            return "Suspended", (
                f"{name} is suspended: their devices send and read nothing until it is over. What"
                " you write now they will not get. The circle's log says who decided it."
            )
    return title, (
        f"{what} Nobody reads in this conversation any more but you. What was said before stays"
        " with both of you. The circle's log says who decided it."
    )
