"""The language that is spoken: English, or Chinese by its catalogue."""
