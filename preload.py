"""Flags of the web UI's command line."""

from argparse import ArgumentParser


def preload(parser: ArgumentParser) -> None:
    """Called by the web UI before it reads its command line."""
    models = "folder with SVD models; may be given several times"
    parser.add_argument("--svd-dir", action="append", default=[], metavar="DIR", help=models)
