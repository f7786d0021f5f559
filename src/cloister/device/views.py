"""The core's state as the facade shows it: plain JSON values."""

from __future__ import annotations

from typing import Any, Protocol, cast

from cloister.client import views
from cloister.client.core import Core
from cloister.client.seam import ClientCore
from cloister.device.facade import View


class Views(Protocol):
    """What the facade wants to know of a core.  A seam for tests."""

    def status(self, core: ClientCore, now: int) -> View:
        """Return the device's state; ``phase`` is "member" when it is in."""
        ...

    def circle(self, core: ClientCore) -> View:
        """Return the circle.  Raises ``NotFoundError`` without one."""
        ...

    def members(self, core: ClientCore) -> list[View]:
        """Return the members."""
        ...

    def requests(self, core: ClientCore) -> list[View]:
        """Return the open join requests."""
        ...

    def conversations(self, core: ClientCore) -> list[View]:
        """Return the conversations."""
        ...

    def channel_id(self, core: ClientCore, conversation: str) -> bytes:
        """Return a conversation's channel by name.  Raises ``NotFoundError``."""
        ...


class CoreViews:
    """The views of the client's own core."""

    def status(self, core: ClientCore, now: int) -> View:
        """Return the device's state."""
        return _plain(views.status_view(_state(core), now))

    def circle(self, core: ClientCore) -> View:
        """Return the circle."""
        return _plain(views.circle_view(_state(core)))

    def members(self, core: ClientCore) -> list[View]:
        """Return the members."""
        return [_plain(view) for view in views.members_view(_state(core))]

    def requests(self, core: ClientCore) -> list[View]:
        """Return the open join requests."""
        return [_plain(view) for view in views.requests_view(_state(core))]

    def conversations(self, core: ClientCore) -> list[View]:
        """Return the conversations."""
        return [_plain(view) for view in views.conversations_view(_state(core))]

    def channel_id(self, core: ClientCore, conversation: str) -> bytes:
        """Return a conversation's channel by name."""
        return bytes(views.channel_named(_state(core), conversation).channel_id)


def _state(core: ClientCore) -> Any:
    return cast("Core", core).state


def _plain(view: object) -> View:
    return cast("View", view)
