"""The benchmark's tables say what its rows say, and quote no seconds from a CPU."""

import re

import pytest
import torch
import torch.nn.functional as F

from benchmarks import table
from benchmarks.roofline import BANDWIDTH, Counter
from benchmarks.scales import SCALES
from lib_svd.engine.config import UNET_HEAD_WIDTH, NetworkConfigs
from lib_svd.speeds import SPEEDS

README = table.README.read_text(encoding="utf-8")


def test_tables_equal_the_rows():
    assert table.write_tables(README, table.read_rows()) == README, "run python -m benchmarks.table"


def test_there_are_rows_of_a_known_kind():
    assert table.read_rows()
    assert {row["kind"] for row in table.read_rows()} <= set(table.KINDS)


@pytest.mark.parametrize("row", table.read_rows(), ids=lambda row: f"{row['kind']} {row['device']}")
def test_row_gives_its_conditions(row):
    named = ["date", "revision", "device_name", "torch"]
    if row["kind"] in ("clip", "choices"):  # shortcuts are of the demo in float32, the roofline of the released model
        named += ["diffusers", "dtype", "scale", "frames", "size", "steps"]
    assert all(row[name] for name in named)


@pytest.mark.parametrize(
    ("speed", "measured"), [("balanced", "Align Your Steps, 10"), ("draft", "Align Your Steps, 6")]
)
def test_what_a_speed_is_said_to_cost_is_what_was_measured(speed, measured):
    (row,) = [row for row in table.read_rows() if row["kind"] == "shortcuts"]
    least = next(line["least_psnr"] for line in row["shortcuts"] if line["name"] == measured)
    assert f"{255 / 10 ** (least / 20):.1f} of 255" in SPEEDS[speed].cost


def test_cpu_tables_quote_no_seconds():
    cpu = [row for row in table.read_rows() if row["device"] == "cpu"]
    text = "".join(table.make_tables(cpu).values())
    assert not re.search(r"\| (s|peak GB)[ |]", text)


def test_readme_names_every_scale():
    for name, scale in SCALES.items():
        line = next(line for line in README.splitlines() if line.startswith(f"| {name} "))
        widths = [", ".join(map(str, widths)) for widths in (scale.unet, scale.vae)]
        size = f"{scale.frames} frames {scale.size[0]}x{scale.size[1]}, {scale.steps} step"
        assert all(part in line for part in (*widths, f"{scale.vision}, {scale.vision_layers} layers", size))


def test_full_scale_is_the_released_one():
    released = NetworkConfigs(**{name: type(part)() for name, part in vars(SCALES["full"].configs).items()})
    assert SCALES["full"].configs == released


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_scales_fit_the_grid_and_the_heads(scale):
    assert all(width % UNET_HEAD_WIDTH == 0 for width in scale.unet)
    assert all(side % scale.configs.size_grid == 0 for side in scale.size)


def test_an_operation_counts_as_its_arithmetic_and_what_it_touches():
    with Counter() as counter:
        x = torch.zeros(3, 5).half()
        F.gelu(F.linear(x, torch.zeros(7, 5).half()).view(7, 3))
    assert counter.counts["matrix products"].flops == 2 * 3 * 5 * 7
    assert counter.counts["matrix products"].bytes == 2 * (3 * 5 + 7 * 5 + 3 * 7)
    assert counter.counts["activations"].bytes == 2 * (3 * 7 + 3 * 7)
    assert counter.counts["activations"].calls == 1
    assert counter.counts["activations"].seconds == 2 * (3 * 7 + 3 * 7) / BANDWIDTH


def test_the_peers_arithmetic_is_the_references():
    """80.0 and 173.6 TFLOP were counted in Stability's own code: one branch, and the decoder."""
    (row,) = [row for row in table.read_rows() if row["kind"] == "roofline"]
    flops = {
        stage: sum(kind["flops"] for kind in by["diffusers"].values()) / 1e12 for stage, by in row["stages"].items()
    }
    assert flops == {"a step": pytest.approx(2 * 79.95, rel=1e-3), "decoding": pytest.approx(173.6, rel=1e-3)}
