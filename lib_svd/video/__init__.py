"""Clips on disk: write them (`save`), see whether they can be written (`check_output`), look into them (`probe`)."""

from lib_svd.files import find_free_name
from lib_svd.video.coders import Encoders, explain_why_not, find_encoders, list_formats
from lib_svd.video.encoding import Encoding, find_format, list_copy_suffixes
from lib_svd.video.formats import FORMATS, MAIN, Format
from lib_svd.video.pictures import save_frames
from lib_svd.video.probe import Colour, Probe, probe
from lib_svd.video.read import read_frames, resize_as_made
from lib_svd.video.save import check_output, save

__all__ = [
    "FORMATS",
    "MAIN",
    "Colour",
    "Encoders",
    "Encoding",
    "Format",
    "Probe",
    "check_output",
    "explain_why_not",
    "find_encoders",
    "find_format",
    "find_free_name",
    "list_copy_suffixes",
    "list_formats",
    "probe",
    "read_frames",
    "resize_as_made",
    "save",
    "save_frames",
]
