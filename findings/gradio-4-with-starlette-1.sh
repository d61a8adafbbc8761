#!/usr/bin/env bash
# gradio 4.40.0 (Forge's and Neo's pin) names no upper bound for starlette. With starlette 1.10.0, which pip takes where
# nothing else stops it, the server starts and says that it runs, and answers every visit of its page with HTTP 500:
# starlette 1 takes the arguments of TemplateResponse in another order, and the page's context arrives as its name.
# With starlette 0.50.0 the same page is answered with 200.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
python3 -m venv env
cat >visit.py <<'PY'
import sys

import gradio
import starlette
from fastapi import FastAPI
from starlette.testclient import TestClient

with gradio.Blocks() as page:
    gradio.Markdown("a page")
app = gradio.mount_gradio_app(FastAPI(), page, path="/page")
status = TestClient(app, raise_server_exceptions=False).get("/page/").status_code
print("gradio", gradio.__version__, "starlette", starlette.__version__, "status", status)
assert status == int(sys.argv[1])
PY
visit() { # starlette, fastapi, status
  env/bin/python -m pip install --quiet --disable-pip-version-check gradio==4.40.0 "huggingface_hub==0.36.2" \
    "starlette==$1" "fastapi==$2" httpx==0.28.1
  env/bin/python -W ignore visit.py "$3"
}
visit 0.50.0 0.128.0 200
visit 1.10.0 0.165.0 500
echo "As found: the newer starlette is taken, and no page is shown."
