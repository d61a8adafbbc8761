"""Clips on disk: write them (`save`), see whether they can be written (`check_output`), look into them (`probe`)."""

from lib_svd.files import free_name
from lib_svd.video.copies import COPIES
from lib_svd.video.encode import Encoding
from lib_svd.video.ffmpeg import Encoders, encoders
from lib_svd.video.probe import Colour, Probe, probe
from lib_svd.video.read import as_made, read_frames
from lib_svd.video.save import check_output, save, save_frames

__all__ = [
    "COPIES",
    "Colour",
    "Encoders",
    "Encoding",
    "Probe",
    "as_made",
    "check_output",
    "encoders",
    "free_name",
    "probe",
    "read_frames",
    "save",
    "save_frames",
]
