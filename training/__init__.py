"""Trains the demo checkpoint: `python -m training`. Nothing in lib_svd needs this folder."""
