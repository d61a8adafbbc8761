# Each target is a line or two that also work typed by hand.
PYTHON ?= python3
INSTALL = -m pip install --quiet --disable-pip-version-check
NEEDS = $(or $(wildcard .venv/bin/python),$(PYTHON)) tests/needs.py

.PHONY: venv demo train test lint pins clean test-needs

venv: .venv/installed

# What the program runs on, in the versions of requirements-dev.txt.
.venv/runs: requirements-dev.txt pyproject.toml
	@$(NEEDS) demo
	@echo "Installing into .venv. Where pip takes PyTorch with CUDA, as on Linux, that is 3 GB to load and 5 GB on the disk."
	$(PYTHON) -m venv .venv && .venv/bin/python $(INSTALL) --constraint requirements-dev.txt --editable . && touch $@

# And what it is tested with.
.venv/installed: .venv/runs
	.venv/bin/python $(INSTALL) --requirement requirements-dev.txt && touch $@

# Other versions of gradio for the page's tests; torch and the rest come from .venv, behind their own packages.
.venv-gradio%/installed: requirements-gradio%.txt .venv/installed
	$(PYTHON) -m venv $(@D) && $(@D)/bin/python $(INSTALL) --requirement $< && .venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_main.pth" && touch $@

demo: .venv/runs
	rm -f demo.mp4 demo.txt demo.json && .venv/bin/python -m lib_svd animate examples/lighthouse.jpg --checkpoint demo --seed 1 --enlarge 8 --out demo.mp4
	@echo "The clip is in $(CURDIR)/demo.mp4, its pixels enlarged to squares: the demo is a toy of 64 pixels. For a real clip give --checkpoint svd_xt.safetensors."

# Trains lib_svd/demo/demo.safetensors anew, into runs/demo; goes on where it was stopped.
train: .venv/installed
	.venv/bin/python -W ignore -m training runs/demo

test: test-needs .venv/installed .venv-gradio3/installed .venv-gradio6/installed lint
	.venv/bin/python -m pytest --numprocesses logical --dist loadgroup --no-loadscope-reorder

# Said before anything is installed.
test-needs:
	@$(NEEDS) test

lint: .venv/installed
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

# Whether all that is pinned is there for every Python that `make test` takes, whatever pip is told on this machine.
pins: .venv/installed
	for python in 3.10 3.11 3.12; do for pins in requirements-*.txt; do .venv/bin/uv pip compile --quiet --no-config --only-binary :all: --python-platform x86_64-manylinux_2_28 --python-version $$python $$pins -o /dev/null || exit 1; done; done

clean:
	rm -rf .venv .venv-gradio3 .venv-gradio6 demo.mp4 demo.txt demo.json
