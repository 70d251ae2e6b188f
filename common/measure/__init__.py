"""Numbers about time and the machine."""
