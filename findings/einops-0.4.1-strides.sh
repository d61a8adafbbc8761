#!/usr/bin/env bash
# einops 0.4.1 (Forge's pin) gives a dimension of size 1 another stride than 0.8.1 does, and torch 2.13.0 is of two minds
# about such a view: `is_contiguous(memory_format=torch.channels_last)` says yes, `torch.native_group_norm` on a CPU raises
# "Expected X.is_contiguous(memory_format) to be true", and `group_norm` of the same view silently answers in another layout.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.2.6
cat >look.py <<'PY'
import sys

sys.path.insert(0, sys.argv[1])
import einops
import torch
import torch.nn.functional as F

frame = torch.rand(1, 32, 4, 5).contiguous(memory_format=torch.channels_last)
rows = einops.rearrange(frame, "(b t) c h w -> b t (h w) c", t=1)
view = einops.rearrange(rows, "b t s c -> b c t s")
try:
    normed = str(torch.native_group_norm(view, None, None, 1, 32, 20, 8, 1e-5)[0].stride())
except RuntimeError as error:
    normed = str(error).partition(",")[0]
seen = [view.stride(), view.is_contiguous(memory_format=torch.channels_last), normed, F.group_norm(view, 8).stride()]
print("einops", einops.__version__, "torch", torch.__version__.partition("+")[0], *seen, sep=" | ")
wanted = {
    "0.4.1": [(32, 1, 640, 32), True, "Expected X.is_contiguous(memory_format) to be true", (640, 20, 20, 1)],
    "0.8.1": [(640, 1, 640, 32), True, "(640, 1, 640, 32)", (640, 1, 640, 32)],
}
assert seen == wanted[einops.__version__], wanted[einops.__version__]
PY
for version in 0.4.1 0.8.1; do
  env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$version" "einops==$version"
  env/bin/python look.py "$version"
done
echo "As found: the view of a single frame has the layout that torch expects with 0.8.1 alone."
