"""What the architecture tests look at: the source files of this checkout and their imports."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


def package_of(module: str) -> str:
    """Return the second component: `mls` of `cloister.mls.group`; empty for `cloister` itself."""
    return module.partition(".")[2].partition(".")[0]


class Source(NamedTuple):
    """One module of the package: dotted name, path from the root, text, the same parsed, and what
    it imports."""

    module: str
    path: Path
    text: str
    tree: ast.Module
    imports: frozenset[str]

    @property
    def package(self) -> str:
        """The layer this module belongs to."""
        return package_of(self.module)


def _imports(tree: ast.Module, module: str, is_package: bool) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".") if is_package else module.split(".")[:-1]
            base = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.add(origin)
            # `from cloister import mls` imports the package cloister.mls
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return frozenset(found)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every module under src/cloister."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        relative = path.relative_to(ROOT / "src").with_suffix("")
        is_package = relative.name == "__init__"
        parts = relative.parts[:-1] if is_package else relative.parts
        text = path.read_text(encoding="utf-8")
        module = ".".join(parts)
        tree = ast.parse(text)
        imports = _imports(tree, module, is_package)
        found.append(Source(module, path.relative_to(ROOT), text, tree, imports))
    return found


@pytest.fixture(scope="session")
def committed_files(root: Path) -> list[Path]:
    """Every file that belongs to the project: what the folders hold, less what is generated."""
    generated = {
        ".git", ".venv", ".venv.lock", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
        ".import_linter_cache", ".fuzz", "__pycache__", "dist", "build", "node_modules",
    }  # fmt: skip
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not generated.intersection(path.relative_to(root).parts)
    ]
