#!/usr/bin/env bash
# gradio 4.40.0 (Forge's and Neo's pin): Blocks(delete_cache=(frequency, age)) is to remove copies older than `age` seconds.
# The age is taken as the seconds of a time difference without its days, which never reach 86400: with an age of a day
# nothing is ever removed, however old, and with an age of an hour a copy two days and a minute old stays as well.
# With a clock set ahead: a copy that is 3 hours old goes at an age of one hour; 49 hours, of an hour, goes too.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check gradio==4.40.0 "huggingface_hub==0.36.2" \
  starlette==0.50.0 fastapi==0.128.0
cat >age.py <<'PY'
import datetime
import pathlib
import tempfile

import gradio
from gradio import route_utils

HOUR, DAY = 3600, 86400


def stays(older_by: int, age: int) -> bool:
    """Whether a copy is there still when so many seconds have gone by."""

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) + datetime.timedelta(seconds=older_by)

    with gradio.Blocks(delete_cache=(HOUR, age)) as page:
        image = gradio.Image()
    copy = pathlib.Path(tempfile.mkdtemp()) / "copy.png"
    copy.write_bytes(b"pixels")
    image.temp_files.add(str(copy))
    route_utils.datetime = Later
    route_utils.delete_files_created_by_app(page, age)
    return copy.exists()


print("gradio", gradio.__version__)
for older_by, age, expected in (
    (3 * HOUR, HOUR, False),
    (2 * DAY + HOUR + 60, HOUR, False),
    (2 * DAY + 60, HOUR, True),
    (30 * DAY + 12 * HOUR, DAY, True),
):
    found = stays(older_by, age)
    print(f"{older_by} s old, age {age} s:", "stays" if found else "is removed")
    assert found == expected
PY
env/bin/python -W ignore age.py
echo "As found: whole days do not count."
