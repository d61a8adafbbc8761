#!/usr/bin/env bash
# gradio 4.40.0 (Forge's and Neo's pin): an ImageEditor that was made with visible=False is put into the page all the
# same, with its canvas, and goes on drawing that canvas for as long as the page is open. Seen in Chromium without a GPU:
# such a page takes about 0.8 s of CPU time a second while nobody touches it, and the same page without the editor less
# than 0.1 s. In gradio 6.31.0 a hidden editor is no part of the page, and the page rests.
# Needs Debian's chromium-headless-shell.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
cat >idle.py <<'PY'
import sys

import gradio
import psutil
from playwright.sync_api import sync_playwright

SECONDS = 8


def measure(has_editor: bool) -> tuple[int, float]:
    """Canvases in the page, and CPU seconds that the browser takes a second while nothing happens."""
    with gradio.Blocks(analytics_enabled=False) as page:
        gradio.Textbox("a page")
        if has_editor:
            gradio.ImageEditor(visible=False)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium-headless-shell", args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(address)
        tab.wait_for_timeout(6000)
        before = count_cpu()
        tab.wait_for_timeout(1000 * SECONDS)
        found = tab.locator("canvas").count(), (count_cpu() - before) / SECONDS
        browser.close()
    page.close()
    return found


def count_cpu() -> float:
    total = 0.0
    for each in psutil.Process().children(recursive=True):
        if "chrom" in each.name():
            total += sum(each.cpu_times()[:2])
    return total


plain, hidden = measure(False), measure(True)
print("gradio", gradio.__version__)
print(f"without an editor: {plain[0]} canvases, {plain[1]:.2f} s of CPU a second")
print(f"with a hidden one: {hidden[0]} canvases, {hidden[1]:.2f} s of CPU a second")
never_rests = hidden[0] == 1 and hidden[1] > 5 * max(plain[1], 0.02)
assert never_rests == (sys.argv[1] == "draws"), "this has changed"
PY
for case in "4.40.0 draws huggingface_hub==0.36.2 starlette==0.50.0 fastapi==0.128.0" "6.31.0 rests"; do
  read -r version does pins <<<"$case"
  python3 -m venv "env-$version"
  # shellcheck disable=SC2086
  "env-$version/bin/python" -m pip install --quiet --disable-pip-version-check "gradio==$version" playwright==1.65.2 \
    psutil==7.2.2 $pins
  "env-$version/bin/python" -W ignore idle.py "$does"
done
echo "As found: in gradio 4 a hidden editor draws for ever."
