"""Lines of shell blocks that no test runs, each with its reason.

All other lines of all shell blocks are run (``test_shell_blocks.py``): none can be forgotten.
"""

from __future__ import annotations

from typing import Final

SELF: Final = "it is the run that would run it"
FUZZING: Final = "fetches atheris and takes minutes; every run replays what it has found"
BROKEN: Final = "needs a member whose program breaks the group: tests/scenario/test_reset.py"
MUTATION: Final = "fetches mutmut, and takes half an hour"

INSTALL: Final = (
    ".mutation/bin/pip install --require-hashes -r requirements.lock"
    " -r requirements-test.lock -r requirements-mutation.lock"
)

NOT_RUN: Final[dict[tuple[str, str], str]] = {
    ("README.md", "./cloister test"): SELF,
    ("CONTRIBUTING.md", "./cloister test"): SELF,
    ("CONTRIBUTING.md", "./cloister test --all"): SELF,
    ("CONTRIBUTING.md", "./cloister fuzz"): FUZZING,
    ("CONTRIBUTING.md", "./cloister fuzz Commit join-tree --seconds 600"): FUZZING,
    (
        "docs/guide/contributor.md",
        "./cloister soak --minutes 60 --rate 100 --every 60 --json",
    ): "an hour",
    ("docs/guide/steward.md", "./cloister commons reset"): BROKEN,
    ("docs/guide/contributor.md", "python3 -m venv .mutation"): MUTATION,
    ("docs/guide/contributor.md", INSTALL): MUTATION,
    ("docs/guide/contributor.md", ".mutation/bin/mutmut run --max-children 2"): MUTATION,
    ("docs/guide/contributor.md", ".mutation/bin/mutmut results"): MUTATION,
    ("docs/guide/contributor.md", ".mutation/bin/mutmut show NAME"): MUTATION,
}
