"""All that stands behind the first screen; imported while the person types the PIN."""

from __future__ import annotations

import cloister.tui.actions.table
import cloister.tui.changes
import cloister.tui.news
import cloister.tui.screen_talk
import cloister.tui.screens.home
import cloister.tui.screens.palette
import cloister.tui.session  # noqa: F401
