"""Doing it: the work, the training, the judging."""
