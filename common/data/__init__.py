"""Bytes that are the same for all: data sets found and checked, and what is drawn from a seed."""
