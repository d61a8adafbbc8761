"""Clips on disk: write them (`save`), see whether they can be written (`check_output`), look into them (`probe`)."""

from lib_svd.files import free_name
from lib_svd.video.coders import Encoders, encoders, format_names, why_not
from lib_svd.video.encoding import Encoding, copy_suffixes, find_format
from lib_svd.video.formats import FORMATS, MAIN, Format
from lib_svd.video.pictures import save_frames
from lib_svd.video.probe import Colour, Probe, probe
from lib_svd.video.read import as_made, read_frames
from lib_svd.video.save import check_output, save

__all__ = [
    "FORMATS",
    "MAIN",
    "Colour",
    "Encoders",
    "Encoding",
    "Format",
    "Probe",
    "as_made",
    "check_output",
    "copy_suffixes",
    "encoders",
    "find_format",
    "format_names",
    "free_name",
    "probe",
    "read_frames",
    "save",
    "save_frames",
    "why_not",
]
