# Each target is one line that also works typed by hand.
PYTHON ?= python3

.PHONY: venv demo train test lint clean

venv: .venv/installed

.venv/installed: requirements-dev.txt
	$(PYTHON) -m venv .venv && .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt && touch $@

# Other versions of gradio for the page's tests; torch and the rest come from .venv, behind their own packages.
.venv-gradio%/installed: requirements-gradio%.txt .venv/installed
	$(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $< && .venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_main.pth" && touch $@

demo: .venv/installed
	rm -f demo.mp4 demo.txt && .venv/bin/python -m lib_svd animate examples/lighthouse.jpg --checkpoint demo --seed 1 --enlarge 8 --out demo.mp4
	@echo "The clip is in $(CURDIR)/demo.mp4, its pixels enlarged to squares: the demo is a toy of 64 pixels. For a real clip give --checkpoint svd_xt.safetensors."

# Trains lib_svd/demo/demo.safetensors anew, into runs/demo; goes on where it was stopped.
train: .venv/installed
	.venv/bin/python -W ignore -m training runs/demo

test: .venv/installed .venv-gradio3/installed .venv-gradio6/installed lint
	.venv/bin/python -m pytest

lint: .venv/installed
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

clean:
	rm -rf .venv .venv-gradio3 .venv-gradio6 demo.mp4 demo.txt
