"""Somebody's network, as its framework has it, held against another layer by layer."""
