"""What is painted anew when a part of the screen has changed: that part, and no more.

The toolkit asks every widget in sight for all its lines, and then drops what does not lie in the
part.  At a key in the composer these are a dozen widgets for one line.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class FrugalCompositor(Compositor):
    """Asks only widgets that lie in the part, and only for its rows, until one covers it."""

    def _get_renders(
        self, crop: Region | None = None
    ) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if not crop:
            yield from super()._get_renders(crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():  # from front to back
            shown = region.intersection(clip)
            if not shown.overlaps(crop):
                continue
            # Whole rows: the toolkit puts them together at the edges of widgets, and there alone.
            rows = shown.intersection(Region(shown.x, crop.y, shown.width, crop.height))
            yield region, rows, widget.render_lines(rows.translate(-region.offset))
            if shown.contains_region(crop):
                return
