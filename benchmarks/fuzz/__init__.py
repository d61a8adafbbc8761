"""Doors that are tried with what nobody should send; one script a door, `--count` says how often."""
