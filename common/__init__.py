"""The parent side: everything that knows no framework."""
