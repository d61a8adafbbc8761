"""Doors that take what strangers made, with inputs spoiled at random: run longer with --count; see docs/security.md."""
