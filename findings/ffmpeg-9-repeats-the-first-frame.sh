#!/usr/bin/env bash
# ffmpeg 9.0.2 (imageio-ffmpeg 0.8.1) and a clip whose frames are renumbered by setpts=N: where 7.0.2 (0.6.0) gives each of
# 8 frames once, 9.0.2 gives 11 with `-r 25` (the first one four times) and 5 with `-fps_mode cfr`.
# The filter fps=25 gives each frame once in both.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"

frames() { # ffmpeg, output options...: how many frames come out, and how many of them differ
  local ffmpeg=$1 hashes
  shift
  hashes=$("$ffmpeg" -v error -i clip.mp4 "$@" -f framemd5 - | grep -v '^#' | awk '{print $NF}')
  echo "$(wc -l <<<"$hashes") $(sort -u <<<"$hashes" | wc -l)"
}

expect() { # what, wanted, seen
  echo "$1: $3"
  [ "$2" = "$3" ] || { echo "expected $2" >&2; exit 1; }
}

for version in 0.6.0 0.8.1; do
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$version" "imageio-ffmpeg==$version"
  ffmpeg=$(PYTHONPATH="$version" python3 -c "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())")
  "$ffmpeg" -version | head -1
  [ -e clip.mp4 ] || "$ffmpeg" -v error -f lavfi -i testsrc2=size=64x48:rate=7 -frames:v 8 -pix_fmt yuv420p clip.mp4
  case $version in
    0.6.0) repeated="8 8" constant="8 8" ;;
    0.8.1) repeated="11 8" constant="5 5" ;;
  esac
  expect "settb=1/25,setpts=N -r 25, frames and different ones" "$repeated" \
    "$(frames "$ffmpeg" -vf settb=1/25,setpts=N -r 25)"
  expect "settb=1/25,setpts=N -fps_mode cfr" "$constant" "$(frames "$ffmpeg" -vf settb=1/25,setpts=N -fps_mode cfr)"
  expect "settb=1/25,setpts=N,fps=25" "8 8" "$(frames "$ffmpeg" -vf settb=1/25,setpts=N,fps=25)"
done
echo "As found: only a filter gives the same frames in both."
