# Each target is one line that also works typed by hand.
PYTHON ?= python3

.PHONY: venv demo test lint clean

venv: .venv/installed

.venv/installed: requirements-dev.txt
	$(PYTHON) -m venv .venv && .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt && touch $@

# Gradio 3 for the page's tests; torch and the rest come from .venv, behind its own packages.
.venv-gradio3/installed: requirements-gradio3.txt .venv/installed
	$(PYTHON) -m venv .venv-gradio3 && .venv-gradio3/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-gradio3.txt && .venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$(.venv-gradio3/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_main.pth" && touch $@

models/demo.safetensors: .venv/installed
	.venv/bin/python -m lib_svd.testing $@

demo: models/demo.safetensors
	rm -f demo.mp4 demo.txt && .venv/bin/python -m lib_svd animate examples/lighthouse.jpg --checkpoint models/demo.safetensors --seed 1 --out demo.mp4
	@echo "The clip is in $(CURDIR)/demo.mp4. The demo's weights are random, so the clip is noise: it shows that everything works. For a real clip give --checkpoint svd_xt.safetensors."

test: .venv/installed .venv-gradio3/installed lint
	.venv/bin/python -m pytest

lint: .venv/installed
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

clean:
	rm -rf .venv .venv-gradio3 models/demo.safetensors demo.mp4 demo.txt
