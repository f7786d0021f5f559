"""One profile for all property tests: no deadline, and in CI the same examples every time."""

from __future__ import annotations

import os

from hypothesis import settings

# A deadline measures the machine, not the code. In CI a failure must be the change's own: new
# examples are searched for on developers' machines, and what they find becomes a test.
settings.register_profile("developer", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
