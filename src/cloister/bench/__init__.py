"""Measurements, each with its floor or its peer beside it."""
