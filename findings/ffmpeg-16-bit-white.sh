#!/usr/bin/env bash
# ffmpeg 7.0.2 and 9.0.2 (imageio-ffmpeg 0.6.0 and 0.8.1) turn 8 bit RGB into 16 bit RGB (`-pix_fmt rgb48be`) so that white
# does not stay white: of grey levels 255 becomes 65,283, 0.4 % below 65,535, and 1, 2 and 128 become 256, 512 and 32,767;
# `accurate_rnd+full_chroma_int+bitexact` changes nothing. Pictures of 16 bits made so are a little dark in whatever reads
# them; multiplied by 257 before they are handed over as rgb48be, levels arrive as they are.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check numpy==2.2.6
cat >look.py <<'PY'
import subprocess
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import imageio_ffmpeg

levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)


def through(given, data, *more):
    pipe = ["-f", "rawvideo", "-video_size", "16x16"]
    words = [*pipe, "-pix_fmt", given, "-i", "-", *more, "-pix_fmt", "rgb48be", "-f", "rawvideo", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *words]
    made = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return np.frombuffer(made, ">u2").reshape(levels.shape)[..., 0].ravel()


asked = ("-vf", "scale=flags=accurate_rnd+full_chroma_int+bitexact")
plain, exact = through("rgb24", levels.tobytes()), through("rgb24", levels.tobytes(), *asked)
ours = through("rgb48be", (levels.astype(">u2") * 257).astype(">u2").tobytes())
print("imageio-ffmpeg", imageio_ffmpeg.__version__, *(int(plain[level]) for level in (1, 2, 128, 255)))
assert [int(plain[level]) for level in (1, 2, 128, 255)] == [256, 512, 32767, 65283]
assert (exact == plain).all()
assert (ours == np.arange(256) * 257).all()
PY
for version in 0.6.0 0.8.1; do
  env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$version" "imageio-ffmpeg==$version"
  env/bin/python look.py "$version"
done
echo "As found: white comes out as 65,283."
