"""The key card: one page to print, with what a person needs when the device is gone.

No secret is on it, so a file or a printer may have it.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from cloister.errors import NotFoundError

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

WIDTH: Final = 72
MOST_ROWS: Final = 8
"""Devices, stewards and relays each: the card stays one page."""
BLANK: Final = "." * 24


async def card_of(device: Facade) -> View:
    """Return what stands on the card of this device's person.

    Raises ``NotFoundError`` where the device is in no circle.
    """
    status = await device.status()
    devices = await device.governance("devices") if status["phase"] == "member" else []
    names = [one["member"] for one in devices if one["id"] == status["device"]]
    if not names:
        raise NotFoundError(
            "this device is not in a circle", hint="`cloister status` says where it stands"
        )
    name = names[0]
    members = await device.members()
    circle = await device.circle()
    return {
        "circle_id": circle["circle_id"],
        "name": name,
        "devices": [
            {
                "device": one["device"],
                "short_id": one["short_id"],
                "state": one["state"],
                "this": one["id"] == status["device"],
            }
            for one in devices
            if one["member"] == name
        ],
        "stewards": [
            one["name"] for one in members if one["role"] == "steward" and one["state"] == "active"
        ],
        "relays": circle["relays"],
    }


def card_lines(card: View, day: str) -> list[str]:
    """Return the card as lines of a page."""
    name = str(card["name"])
    own = next((str(one["device"]) for one in card["devices"] if one["this"]), name)
    rule, typed, typed_own = "-" * WIDTH, quote(name), quote(own)
    return [
        f"{'CLOISTER KEY CARD':<{WIDTH - len(day)}}{day}",
        rule,
        f"Member   {name}",
        f"Circle   {_groups(str(card['circle_id'])[:32])}",
        "",
        "Devices of mine",
        *_some([_device(one) for one in card["devices"]]),
        "",
        "Stewards: one of them locks a lost device          telephone",
        *_some([_to_fill_in(str(one)) for one in card["stewards"] if one != name]),
        "",
        "Relays                                             operator's telephone",
        *_some([_to_fill_in(_relay(one)) for one in card["relays"]]),
        rule,
        "LOST OR STOLEN: at once, before you look for it",
        "  1. From another device of mine:",
        f"         cloister lost {typed_own} --yes",
        "  2. Or call a steward, who types the same. My PIN is not needed for it,",
        "     and nothing is destroyed.",
        "  3. Say if a backup had been restored on it: then all of it was there.",
        "",
        "FOUND AGAIN: another device of mine prints a line for a steward",
        f"         cloister unlock-device {typed_own} --consent",
        "",
        "GONE FOR GOOD, OR THE PIN FORGOTTEN",
        f"  1. Another member:   cloister invite --return {typed}",
        f"  2. On a new device:  cloister join - --name {typed} --wait",
        "     and read the sixty digits to those who vouch, face to face.",
        "  3. My last backup:   cloister restore FILE",
        f"     It lies: {BLANK}  (its passphrase elsewhere)",
        rule,
        "No secret is on this card. Nobody ever asks for a PIN or a passphrase:",
        "not a steward, not an operator. Who asks is lying.",
    ]


def _some(lines: list[str]) -> list[str]:
    left = len(lines) - MOST_ROWS
    return lines if left <= 0 else [*lines[:MOST_ROWS], f"  and {left} more"]


def _groups(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _device(one: dict[str, Any]) -> str:
    here = "  (printed on it)" if one["this"] else ""
    return f"  {one['device']:<24} {one['short_id']}  {one['state']}{here}"


def _relay(one: dict[str, Any]) -> str:
    return f"{one['role']} {one['name']}, {one['operator']} ({one['jurisdiction']})"


def _to_fill_in(text: str) -> str:
    return f"  {text[:44]:<46} {BLANK[: WIDTH - 49]}"
