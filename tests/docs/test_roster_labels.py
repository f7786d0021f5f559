"""Every label of the roster has one meaning, and a place in the specification."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import cloister.roster

ROOT = Path(__file__).resolve().parents[2]
PAGES = "".join(
    (ROOT / "docs/spec" / page).read_text(encoding="utf-8")
    for page in ("roster.md", "invitation.md", "unlock.md")
)


def labels() -> dict[str, bytes]:
    """All label constants, under the name of the module that defines them."""
    found: dict[str, bytes] = {}
    for module in pkgutil.iter_modules(cloister.roster.__path__, "cloister.roster."):
        path = ROOT / "src" / Path(*module.name.split(".")).with_suffix(".py")
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.endswith("_LABEL") and f"\n{name}: Final" in path.read_text(encoding="utf-8"):
                found[f"{module.name}.{name}"] = value
    return found


def test_there_are_labels() -> None:
    assert len(labels()) >= 20


def test_no_two_structures_share_a_label() -> None:
    values = list(labels().values())
    assert len(set(values)) == len(values)


def test_specification_names_every_label() -> None:
    for name, value in labels().items():
        assert f"`{value.decode('ascii')}`" in PAGES or f'"{value.decode("ascii")}"' in PAGES, name
