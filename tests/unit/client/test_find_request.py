"""Which join request somebody means by a name or by digits."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest

from cloister.client import governing
from cloister.client.governing import find_request
from cloister.errors import NotFoundError, UsageError
from cloister.roster.join_request import JoinRequest
from cloister.roster.roster import Roster
from cloister.roster.state import OpenRequest, RequestState


@dataclass(frozen=True)
class _Request:
    name: str
    digits: str


def _asked(name: str, digits: str, state: RequestState = RequestState.OPEN) -> OpenRequest:
    return cast("OpenRequest", SimpleNamespace(request=_Request(name, digits), state=state))


def _roster(*asked: OpenRequest) -> Roster:
    return cast("Roster", SimpleNamespace(requests=dict(enumerate(asked))))


@pytest.fixture
def fingerprinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of those whose digits were worked out."""
    found: list[str] = []

    def fingerprint(request: JoinRequest) -> str:
        found.append(request.name)
        return cast("_Request", request).digits

    monkeypatch.setattr(governing, "fingerprint", fingerprint)
    return found


IN = RequestState.ADMITTED


def test_a_member_who_asks_for_another_device_is_meant_and_not_the_first_request() -> None:
    first, again = _asked("Ben", "11111 2", IN), _asked("Ben", "33333 4")
    assert find_request(_roster(first, again), "ben") is again
    assert find_request(_roster(again, first), "Ben") is again


def test_digits_of_members_are_worked_out_only_when_no_open_one_fits(
    fingerprinted: list[str],
) -> None:
    """Six milliseconds each, and a circle has hundreds of members."""
    members = [_asked(f"member {n}", f"{n:05d} 9", IN) for n in range(20)]
    dan = _asked("Dan", "77777 12345")
    roster = _roster(*members, dan)
    assert find_request(roster, "77777 1") is dan
    assert find_request(roster, "Dan") is dan
    assert fingerprinted == ["Dan"]
    # Who is in already is found, so that it can be said.
    assert find_request(roster, "00007") is members[7]


def test_who_fits_no_request_or_several_is_told(fingerprinted: list[str]) -> None:
    roster = _roster(_asked("Dan", "77777 1"), _asked("Dan", "77777 2"))
    for wanted in ("Dan", "77777"):
        with pytest.raises(UsageError, match="several"):
            find_request(roster, wanted)
    for wanted in ("Eve", "7777", "88888", "77777x"):
        with pytest.raises(NotFoundError):
            find_request(roster, wanted)
