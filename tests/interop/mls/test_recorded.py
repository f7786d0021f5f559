"""What ts-mls made once (record.py), followed by a passive client: needs no node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.mls import ApplicationReceived, Group
from cloister.mls.passive import PassiveCase, Verdict, decode_cases, follow, join_case, run_case
from interop.mls.ours import PSKS
from interop.mls.record import EPOCHS, FOLDER
from interop.mls.suites import SUITES, plain_x_wing_known

FILES = sorted(FOLDER.glob("*.json"))


def read(file: Path) -> PassiveCase:
    (case,) = decode_cases(file.read_bytes())
    return case


def test_every_suite_was_recorded() -> None:
    recorded = {case.cipher_suite: len(case.epochs) for case in map(read, FILES)}
    assert recorded == {SUITES[suite]: count for suite, count in EPOCHS.items()}


def check_epoch(group: Group, fields: dict[str, str]) -> Group:
    assert group.export("label", b"context", 20).expose().hex() == fields["exported"]
    received = group.process(bytes.fromhex(fields["message"]), now=None)
    assert isinstance(received, ApplicationReceived)
    assert received.plaintext.hex() == fields["plaintext"]
    return received.next


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_followed_through_every_epoch(file: Path) -> None:
    (fields,) = json.loads(file.read_bytes())
    with plain_x_wing_known():
        case = read(file)
        group = join_case(case)
        for epoch, more in zip(case.epochs, fields["epochs"], strict=True):
            group = follow(group, epoch, PSKS)
            group = check_epoch(group, more)
            group = Group.decode(group.encode())


def test_x_wing_in_the_plain_form_is_not_for_the_product() -> None:
    case = read(FOLDER / "x-wing-as-shipped.json")
    assert run_case(0, case).verdict is Verdict.UNSUPPORTED
