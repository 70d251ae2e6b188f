"""Source side by side, and lessons."""
