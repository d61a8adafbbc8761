"""The environments, each a row of the table in docs/hosts.md."""

from __future__ import annotations

from dataclasses import dataclass

SUITES = (
    "tests/golden",
    "tests/engine",
    "tests/checkpoints",
    "tests/images",
    "tests/video",
    "tests/test_animate.py",
    "tests/test_studio.py",
    "tests/test_studio_models.py",
    "tests/hosts",
)
"""What is run in each; the rest is about the page, the command line and training, or needs linters."""
WEBUIS = "tests/hosts/webpage"
"""Of those, what needs a second gradio beside the row's own."""
STREAMING = "tests/hosts/test_streaming.py"
"""And what needs a diffusers newer than some web UIs carry, which bring weights to the device themselves."""
TOOLS = ("pytest==9.0.2", "pytest-xdist", "hypothesis", "playwright")
"""What the tests need beside a row's packages."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One environment: which Python, and what pip is asked for."""

    python: str  # such as 3.10
    packages: tuple[str, ...]  # requirements
    over: tuple[str, ...] = ()  # installed after those and over them, as a web UI does: pip would refuse both at once
    without: tuple[str, ...] = (WEBUIS,)  # of SUITES


ROWS = {
    "forge": Row(
        python="3.10",
        packages=(
            "torch==2.3.1",
            "accelerate==0.31.0",
            "diffusers==0.31.0",
            "einops==0.4.1",
            "fastapi==0.104.1",
            "gradio==4.40.0",
            "httpx==0.24.1",
            "huggingface-hub==0.26.2",
            "imageio-ffmpeg==0.8.1",
            "numpy==1.26.2",
            "pillow==9.5.0",
            "psutil==5.9.5",
            "pydantic==2.8.2",
            "safetensors==0.4.2",
            "tqdm==4.66.1",
            "transformers==4.46.1",
        ),
        without=(WEBUIS, STREAMING),
    ),
    "reforge": Row(
        python="3.10",
        packages=(
            "torch==2.9.0",
            "accelerate==0.21.0",
            "diffusers==0.32.2",
            "einops==0.8.0",
            "fastapi==0.94.0",
            "gradio==3.41.2",
            "httpcore==0.15",
            "httpx==0.24.1",
            "huggingface-hub==0.25.0",
            "imageio-ffmpeg==0.6.0",
            "numpy==1.26.4",
            "pillow==10.4.0",
            "psutil==5.9.5",
            "pydantic==1.10.15",
            "safetensors==0.5.2",
            "transformers==4.48.1",
        ),
        without=(WEBUIS, STREAMING),
    ),
    "classic": Row(
        python="3.11",
        packages=(
            "torch==2.6.0",
            "accelerate==0.21.0",
            "diffusers==0.31.0",
            "einops==0.4.1",
            "fastapi==0.94.0",
            "gradio==3.41.2",
            "httpcore==0.15",
            "httpx==0.24.1",
            "huggingface-hub==0.26.5",
            "imageio-ffmpeg==0.6.0",
            "numpy==1.26.2",
            "pillow==9.5.0",
            "psutil==5.9.5",
            "pydantic==1.10.20",
            "safetensors==0.4.2",
            "transformers==4.30.2",
        ),
        without=(WEBUIS, STREAMING),
    ),
    "neo": Row(
        python="3.13",
        packages=(
            "torch==2.11.0",
            "accelerate==1.13.0",
            "audioop-lts==0.2.2",
            "diffusers==0.37.1",
            "einops==0.8.2",
            "fastapi==0.127.1",
            "gradio==4.40.0",
            "httpx==0.24.1",
            "huggingface-hub==0.36.2",
            "imageio-ffmpeg==0.8.1",
            "numpy==2.3.5",
            "psutil==6.1.1",
            "pydantic==2.10.6",
            "safetensors==0.7.0",
            "tqdm==4.67.3",
            "transformers==4.56.2",
        ),
        over=("pillow==12.2.0",),
    ),
    "lower": Row(
        python="3.10",
        packages=(
            "torch==2.1.2",
            "accelerate==0.31.0",
            "click==8.1.0",
            "diffusers==0.33.0",
            "fastapi==0.94.0",
            "gradio==3.41.2",
            "httpx==0.24.1",
            "huggingface-hub==0.36.2",
            "imageio-ffmpeg==0.4.9",
            "numpy==1.26.0",
            "pillow==9.5.0",
            "psutil==5.9.0",
            "pydantic==1.10.15",
            "safetensors==0.4.2",
            "tqdm==4.64.0",
            "transformers==4.46.1",
        ),
    ),
    "newest": Row(
        python="3.13",
        packages=(
            "torch==2.15.0",
            "accelerate==1.15.0",
            "click==8.5.1",
            "diffusers==0.42.1",
            "gradio==6.31.0",
            "imageio-ffmpeg==0.8.1",
            "numpy==2.5.5",
            "opencv-python-headless==5.0.0.93",
            "psutil==7.2.2",
            "safetensors==0.8.0",
            "tqdm==4.70.1",
            "transformers==5.24.0",
        ),
        over=("pillow==13.0.0",),
    ),
}
