"""A megabyte of any text is read, or refused, without reading it over and over.

Where time grows by the square of the length, a megabyte takes hours: the child process would not end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz.texts import LENGTH, PIECES
from lib_svd.errors import BadInput
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history
from lib_svd.presets import Presets
from lib_svd.request import MOST_TEXT, ClipRequest, add_source

ROOT = Path(__file__).parents[1]
UNITS = (*PIECES, "+-", ".", "lcm", "x.")
READERS = {
    "settings": "from lib_svd.request import ClipRequest; read = ClipRequest.from_infotext",
    "tags of a video": "from lib_svd.video.encode import read_tags as read",
    "what ffmpeg says": "from lib_svd.video.probe import _read\n"
    "read = lambda text: _read(f'Input #0, mp4, from\\n Stream #0:0: Video: {text}', '', {}, '0:V:0', True)",
    "a model's title": "from pathlib import Path; from lib_svd.checkpoints.naming import _find_told, FAMILIES\n"
    "read = lambda text: _find_told(Path('x'), {'modelspec.title': text}, list(FAMILIES.values())[:2], None)",
    "a model's keys": "from lib_svd.checkpoints.diffusers_layout import map_vision\n"
    "read = lambda text: map_vision([text])",
}
READ = """
import json, sys
{reader}
from lib_svd.errors import SvdError
for unit in json.loads(sys.argv[1]):
    for text in (unit * ({length} // len(unit)), 'a:"' + unit * ({length} // len(unit)), 'a:b' + unit * 999_000 + 'c'):
        try:
            read(text[:{length}])
        except (SvdError, ValueError):
            pass
print("all")
"""


@pytest.mark.parametrize("what", READERS)
def test_a_megabyte_of_any_text_comes_to_an_end(what):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    code = READ.format(reader=READERS[what], length=LENGTH)
    command = [sys.executable, "-c", code, json.dumps(UNITS)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ran.stdout == "all\n", ran.stderr


def test_settings_that_are_too_long_are_refused_and_a_file_of_them_is_not_read_to_its_end(tmp_path):
    with pytest.raises(BadInput, match="at most 1,000,000 characters"):
        ClipRequest.from_infotext("Steps: 20, " + "x" * MOST_TEXT)
    path = tmp_path / "clip.txt"
    path.write_text("SVD frames: 14, " + "x" * 3 * MOST_TEXT)
    assert len(read_infotext(path)) == MOST_TEXT + 1


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a lighthouse\nSteps: 20, Size: 64x64", 20),
        ("(masterpiece:1.2), 12 Steps: 20", 20),
        ("Negative prompt:\nSteps: 20", 20),
        ('Prompt: "Steps: 1, Steps: 2", Steps: 20', 20),
        ('Prompt: "Steps: 1" and more, Steps: 20', 20),
        ('Prompt: "never closed\nSteps: 20', 20),
        ("Steps : 20", None),
        ("more Steps: 20", None),
        ("prompt: Steps: 20", None),
        ("Steps, 20", None),
    ],
)
def test_a_setting_is_what_stands_behind_its_own_label_alone(text, steps):
    assert ClipRequest.from_infotext(text).num_steps == steps


@pytest.mark.parametrize("source", ["x" * MOST_TEXT, "(a:1.2) " * 6000, chr(1) * 200_000])
def test_a_clip_is_read_back_however_long_its_pictures_text_is(source):
    text = add_source("Steps: 20, SVD frames: 14", source)
    assert ClipRequest.from_infotext(text).num_frames == 14


def test_a_sidecar_and_a_note_of_any_length_are_not_read_to_their_end(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"")
    history.mark(clip, note="n" * history.MOST_NOTE)
    assert len(history.find_entry(clip).note) == history.MOST_NOTE
    with pytest.raises(BadInput, match="A note is at most 10,000 characters long"):
        history.mark(clip, note="n" * (history.MOST_NOTE + 1))
    (tmp_path / "clip.json").write_text('{"note": "' + "x" * MOST_TEXT)
    assert history.find_entry(clip).note == ""


def test_presets_that_are_too_long_are_refused(tmp_path):
    with pytest.raises(BadInput, match="Presets are at most 1,000,000 characters long"):
        Presets(tmp_path / "presets.json").take(" " * (MOST_TEXT + 1))
