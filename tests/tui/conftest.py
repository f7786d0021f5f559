"""What the tests of the interface share: one clock, one time zone, one pair of hidden groups."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest
import textual._callback
import textual.app
import textual.pilot
import textual.strip
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

import cloister.tui.screens.behind  # noqa: F401 (so that no test waits for a first import)
from cloister.tui import ending, session, type_ahead, words


@pytest.fixture(scope="session", autouse=True)
def parsed_once() -> Iterator[None]:
    """Each app parses some twenty style sheets, always the same: once is enough for all apps."""
    parse = Stylesheet._parse_rules
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}

    def of_all_apps(self: Stylesheet, *what: Any, **how: Any) -> list[RuleSet]:
        key = (tuple(self._variables.items()), what, tuple(how.items()))
        if key not in parsed:
            parsed[key] = parse(self, *what, **how)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", of_all_apps)
        yield


@pytest.fixture(scope="session", autouse=True)
def counted_once() -> Iterator[None]:
    """The pilot asks each widget to call it back, and each time the toolkit inspects the signature
    of the same few functions to see how many arguments they take."""
    count = textual._callback._count_parameters
    counted: dict[CodeType, int] = {}

    def of_all_calls(func: Callable[..., Any]) -> int:
        if not isinstance(func, FunctionType) or func.__dict__:  # which may name another signature
            return count(func)
        if func.__code__ not in counted:
            counted[func.__code__] = count(func)
        return counted[func.__code__]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textual._callback, "_count_parameters", of_all_calls)
        yield


@pytest.fixture(scope="session", autouse=True)
def light_strips() -> Iterator[None]:
    """Each strip of a screen is made with seven caches, and most of them stay empty. A dictionary
    remembers the same while a test lasts, and as long as it is empty no collector looks at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textual.strip, "FIFOCache", lambda _size: {})
        yield


@pytest.fixture
def utc() -> Iterator[None]:
    """Have local time be UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    words.day_of_quarter.cache_clear()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture
def always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the same two groups of digits every time."""
    monkeypatch.setattr(secrets, "SystemRandom", lambda: random.Random(5))


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for turns of the loop and not for a processor that others use too."""

    async def some_turns(min_sleep: float = 0, max_sleep: float = 0) -> None:
        for _ in range(12):
            await asyncio.sleep(0)

    monkeypatch.setattr(textual.app, "wait_for_idle", some_turns)
    monkeypatch.setattr(textual.pilot, "wait_for_idle", some_turns)
    monkeypatch.setattr(session, "TOGETHER_S", 0)
    monkeypatch.setattr(type_ahead, "LOOK_S", 0.001)
    # What a person is not kept waiting for: keys would land elsewhere on a machine that stands.
    monkeypatch.setattr(type_ahead, "READY_S", 60)
    monkeypatch.setattr(type_ahead, "BETWEEN_S", 60)
    # What is kept at the end is kept on such a machine, too.
    monkeypatch.setattr(ending, "KEEP_S", 60)
