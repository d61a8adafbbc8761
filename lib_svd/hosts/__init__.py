"""Adapters to the programs that we run in; the only place that imports them."""
