"""Why there is no link: what failed on which route since something last worked."""

from __future__ import annotations

from cloister.client.effects import Route
from cloister.errors import CloisterError, NetworkError


class Trouble:
    """Failures since the last event of a home relay."""

    def __init__(self) -> None:
        self.attempts = 0
        """Failures in all, to tell what failed since somebody began to wait."""
        self._failures: dict[Route, int] = {}
        self._errors: dict[Route, CloisterError] = {}
        self._routes: tuple[Route, ...] = ()
        self._lost: CloisterError | None = None

    def clear(self) -> None:
        """A relay has spoken, or there is nowhere to go."""
        self._failures = {}
        self._errors = {}
        self._routes = ()
        self._lost = None

    def failed(self, route: Route, error: CloisterError, routes: tuple[Route, ...]) -> None:
        """Note that a route could not be used."""
        self.attempts += 1
        self._routes = routes
        self._failures[route] = self._failures.get(route, 0) + 1
        self._errors[route] = error

    def lost(self, reason: CloisterError) -> None:
        """Note why a link ended that stood."""
        self._lost = reason

    @property
    def error(self) -> CloisterError | None:
        """The gravest of the present errors: what waiting will not heal comes first."""
        present = [self._errors[route] for route in self._routes if route in self._errors]
        lasting = [error for error in present if not isinstance(error, NetworkError)]
        return next(iter(lasting + present), self._lost)

    def hopeless(self, rounds: int, since: int = 0) -> CloisterError | None:
        """Return the error to give up with, or ``None`` while waiting makes sense.

        Somebody began to wait after ``since`` attempts: one must have failed since.  Every route
        must have failed: at once when one failed for a reason that waiting does not heal, else
        ``rounds`` times.
        """
        is_untried = any(route not in self._errors for route in self._routes)
        if self.attempts <= since or not self._routes or is_untried:
            return None
        error = self.error
        tired = all(self._failures[route] >= rounds for route in self._routes)
        return error if tired or not isinstance(error, NetworkError) else None
