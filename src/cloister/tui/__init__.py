"""People: the full-screen interface and the line mode, on a device's facade and nothing below it.

The modules that draw (``app``, ``screens``, ``widgets``) import Textual; everything else here does
without, so that the line mode starts quickly and words are tested without a terminal.
"""
