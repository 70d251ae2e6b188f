"""Rounding or a bug, and where."""
