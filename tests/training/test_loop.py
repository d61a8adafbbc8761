"""Training goes on to the bit where it was stopped, and writes figures."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from training import loop
from training.loop import Plan, draw_normal, train

pytestmark = pytest.mark.usefixtures("one_thread")
both = pytest.mark.parametrize("muon", [False, True], ids=["adamw", "muon"])
TRUE = torch.tensor([[1.0, -2.0, 0.5]])


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""


def train_narrow(folder, *, stop_at=None, seed=0, parts=2, muon=False):
    torch.manual_seed(1)
    network = nn.Linear(3, 1, bias=muon)
    seen = 0

    def compute_loss(rng, step):
        nonlocal seen
        seen += 1
        if stop_at is not None and seen > stop_at * parts:
            raise Stopped
        x = draw_normal(rng, (16, 3))
        return {"loss": (network(x) - x @ TRUE.T).pow(2).mean()}

    plan = Plan(
        steps=60, lr=0.8 if muon else 0.2, parts=parts, warm_up=5, look_every=30, weight_decay=0.0, ema=0.9, muon=muon
    )
    return train(
        "line", network, compute_loss, lambda averaged, step: {"off": measure_error(averaged)}, plan, folder, seed
    )


def measure_error(network):
    return float((network.weight.detach() - TRUE).abs().max())


@pytest.fixture
def often_saved(monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 10)


@both
def test_it_learns(muon, tmp_path):
    assert measure_error(train_narrow(tmp_path, muon=muon)) < 0.05


@both
def test_a_run_that_was_stopped_ends_where_one_that_was_not_does(muon, tmp_path, often_saved):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = train_narrow(tmp_path / "a", muon=muon)
    with pytest.raises(Stopped):
        train_narrow(tmp_path / "b", stop_at=37, muon=muon)
    resumed = train_narrow(tmp_path / "b", muon=muon)
    torch.testing.assert_close(resumed.weight, whole.weight, rtol=0, atol=0)


def test_a_finished_stage_is_not_trained_again(tmp_path, often_saved):
    whole = train_narrow(tmp_path)
    again = train_narrow(tmp_path, stop_at=0)
    torch.testing.assert_close(again.weight, whole.weight, rtol=0, atol=0)


def test_another_seed_trains_another_network(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert not torch.equal(train_narrow(tmp_path / "a").weight, train_narrow(tmp_path / "b", seed=1).weight)


def test_figures_are_lines_of_json(tmp_path):
    train_narrow(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"line"}
    assert [line["step"] for line in lines if "off" in line] == [30, 60]
    assert lines[0]["loss"] > lines[-1]["loss"] >= 0


@pytest.mark.parametrize("flat_until", [0, 0.6])
def test_the_rate_warms_up_and_ends_low(flat_until):
    plan = Plan(steps=1000, lr=1.0, flat_until=flat_until, warm_up=100)
    rates = [plan.compute_rate(step) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) <= 1.0
    assert rates[-1] == pytest.approx(0.02, abs=0.01)
    assert all(a >= b for a, b in zip(rates[100:], rates[101:], strict=False))
