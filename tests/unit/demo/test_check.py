"""The checker's own tools: what it searches for, and that every failure is an answer."""

from __future__ import annotations

import base64

import pytest

from cloister.demo.check.finding import Check, all_hold, demand
from cloister.demo.check.secrecy import encodings

CANARY = b"a1b2c3d4e5f60718"


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_a_needle_is_found_in_base64_whatever_stands_around_it(before: int, after: int) -> None:
    content = base64.b64encode(b"\xfb" * before + CANARY + b"\xff" * after)
    urlsafe = base64.urlsafe_b64encode(b"\xfb" * before + CANARY + b"\xff" * after)
    for hay in (content, urlsafe):
        assert any(form in hay for form in encodings(CANARY))


def test_a_needle_is_found_in_hex_and_both_kinds_of_utf_16() -> None:
    forms = encodings(CANARY)
    for hay in (
        CANARY,
        CANARY.hex().encode(),
        CANARY.hex().upper().encode(),
        CANARY.decode().encode("utf-16-le"),
        CANARY.decode().encode("utf-16-be"),
    ):
        assert hay in forms


def test_other_bytes_do_not_match() -> None:
    other = b"0123456789abcdef"
    assert not any(
        form in hay for form in encodings(CANARY) for hay in (other, base64.b64encode(other))
    )


def test_an_exception_while_asking_is_a_no() -> None:
    def broken() -> str:
        raise KeyError("gone")

    def wrong() -> str:
        demand(False, "not so")
        return "never"

    findings = [check.finding() for check in (Check("a", broken), Check("b", wrong))]
    assert [(finding.ok, finding.detail) for finding in findings] == [
        (False, "KeyError: 'gone'"),
        (False, "not so"),
    ]
    assert not all_hold([Check("c", lambda: "seen").finding(), *findings])
    assert all_hold([Check("c", lambda: "seen").finding()])
