"""What changed about a member, shown as a screen of its own and one at a time."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cloister.client.contact_acts import NoteTold
from cloister.tui.actions.contacts import compare_with
from cloister.tui.actions.table import Action
from cloister.tui.screens.change import COMPARE, READ, ChangeScreen
from cloister.tui.session import quietly
from cloister.tui.trust import untold

if TYPE_CHECKING:
    from cloister.device.facade import View
    from cloister.tui.app import Interface


class Changes:
    """Keeps what was put off, so that it is told once each time the interface is started."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._put_off: set[tuple[str, str]] = set()

    def tell(self) -> None:
        """Show the first that the person does not know; only where nothing stands before it."""
        interface, home = self._interface, self._interface.home
        if home is None or not interface.is_watched or interface.is_asking():
            return
        view = home.session.view(home.conversation)
        looked_at = [view] if view else []
        for member in home.session.members:
            title, text = untold(member, looked_at)
            known = (str(member["member_id"]), text)
            if title and known not in self._put_off:
                self._put_off.add(known)
                screen = ChangeScreen(title, text, may_compare=member["state"] == "active")
                interface.push_screen(screen, functools.partial(self._take, member))
                return

    def _take(self, member: View, answer: tuple[str, ...] | None) -> None:
        interface, home = self._interface, self._interface.home
        if answer is None or home is None:
            return
        if answer[0] == READ:
            act = NoteTold(ref=0, member=str(member["member_id"]))
            interface.run_worker(quietly(home.session.device.act(act)))
        elif answer[0] == COMPARE:
            run = functools.partial(compare_with, member=member)
            interface.do(Action("compare", "Verify a member", run, "people"))
        home.session.touch()
