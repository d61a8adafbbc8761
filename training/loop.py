"""One training run of one network: optimiser, averaged weights, log, and resuming to the bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.scenes import Rng

SAVE_EVERY = 200  # steps
LOG_EVERY = 20

Loss = Callable[[Rng, int], Mapping[str, Tensor]]
"""Losses of one part of a step by name, from the step's own random numbers and its number; "loss" is followed."""
Look = Callable[[nn.Module, int], Mapping[str, float]]
"""Figures of the averaged network after a number of steps; may draw a contact sheet."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast."""

    steps: int
    lr: float
    parts: int = 1  # of a step, one after the other
    weight_decay: float = 0.01
    muon: bool = False  # for matrices and kernels (Jordan et al. 2024), as fast as AdamW is for the rest
    warm_up: int = 100
    flat_until: float = 0.6  # share of the steps; then linear down to `last`; 0: cosine all along
    last: float = 0.02  # of lr
    ema: float = 0.998
    look_every: int = 500

    def compute_rate(self, step: int) -> float:
        """Learning rate at a step."""
        done = step / self.steps
        if self.flat_until == 0:
            fall = self.last + (1 - self.last) * (1 + math.cos(math.pi * done)) / 2
        else:
            fall = 1 - (1 - self.last) * max(0.0, (done - self.flat_until) / (1 - self.flat_until))
        return self.lr * fall * min(1.0, (step + 1) / self.warm_up)


def train(name: str, network: nn.Module, loss: Loss, look: Look, plan: Plan, folder: Path, seed: int) -> nn.Module:
    """Train what of the network requires gradients; go on where an earlier run was stopped.

    Args:
        name: of the stage; its state is `{name}.pt` in the folder, its figures are lines of `log.jsonl`.
        network: trained in place.
        loss: of one step.
        look: called every `plan.look_every` steps and at the end.
        plan: how long and how fast.
        folder: of the run.
        seed: with the number of a step, all that its random numbers depend on.

    Returns:
        The network with averaged weights.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = _Optimiser(weights, plan)
    averaged = deepcopy(network)
    state = folder / f"{name}.pt"
    first = _resume(state, network, averaged, optimiser)
    began = time.monotonic()
    bar = tqdm(range(first, plan.steps), initial=first, total=plan.steps, desc=name, mininterval=5)
    for step in bar:
        rngs = [np.random.default_rng([seed, step, part, *name.encode()]) for part in range(plan.parts)]
        losses = _follow(loss, weights, step, rngs)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step(plan.compute_rate(step))
        _average(averaged, network, min(plan.ema, (step + 1) / (step + 10)))
        done = step + 1
        figures: dict[str, float] = {}
        if done % LOG_EVERY == 0:
            figures = {key: round(value, 5) for key, value in losses.items()}
            bar.set_postfix(figures)
        if done % plan.look_every == 0 or done == plan.steps:
            figures |= look(averaged, done)
        if figures:
            spent = round(time.monotonic() - began, 1)
            _log(folder, {"stage": name, "step": done, "seconds": spent, **figures})
        if done % SAVE_EVERY == 0 or done == plan.steps:
            _save(state, done, network, averaged, optimiser)
    return averaged.eval()


class _Optimiser:
    """AdamW; or Muon for what has rows and columns, with steps of AdamW's size, and AdamW for the rest."""

    def __init__(self, weights: Sequence[nn.Parameter], plan: Plan) -> None:
        matrices = [weight for weight in weights if plan.muon and weight.ndim > 1]
        flat = [nn.Parameter(weight.detach().view(len(weight), -1)) for weight in matrices]  # the same memory
        self._matrices = list(zip(matrices, flat, strict=True))
        rest = [weight for weight in weights if not plan.muon or weight.ndim == 1]
        self._parts: list[torch.optim.Optimizer] = []
        if rest:
            self._parts.append(torch.optim.AdamW(rest, weight_decay=plan.weight_decay, betas=(0.9, 0.99)))
        if flat:
            self._parts.append(torch.optim.Muon(flat, weight_decay=plan.weight_decay, adjust_lr_fn="match_rms_adamw"))

    def step(self, rate: float) -> None:
        """Change the weights after their gradients."""
        for weight, flat in self._matrices:
            flat.grad = None if weight.grad is None else weight.grad.view_as(flat)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def _follow(loss: Loss, weights: Sequence[nn.Parameter], step: int, rngs: Sequence[Rng]) -> dict[str, float]:
    """Put the mean gradient of a step's parts into the weights; the mean of each loss over the parts that have it.

    Parts run side by side, a core each, where there are several: half again as fast as two cores at each small layer.
    """

    def compute_part(rng: Rng) -> tuple[dict[str, float], tuple[Tensor, ...]]:
        losses = loss(rng, step)
        return {key: float(value.detach()) for key, value in losses.items()}, torch.autograd.grad(
            losses["loss"], weights
        )

    with _run_on_cores(len(rngs)) as mapped:
        done = list(mapped(compute_part, rngs))
    for weight, *gradients in zip(weights, *(gradients for _, gradients in done), strict=True):
        weight.grad = torch.stack(gradients).mean(0)
    keys = {key for losses, _ in done for key in losses}
    found = {key: [losses[key] for losses, _ in done if key in losses] for key in sorted(keys)}
    return {key: sum(values) / len(values) for key, values in found.items()}


@contextmanager
def _run_on_cores(parts: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` for that many parts."""
    cores = torch.get_num_threads()
    if parts == 1:
        yield map
        return
    torch.set_num_threads(1)
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool.map
    torch.set_num_threads(cores)


def draw_normal(rng: Rng, shape: Sequence[int]) -> Tensor:
    """Unit noise."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    for a, b in zip(averaged.parameters(), network.parameters(), strict=True):
        a.lerp_(b, 1 - keep)


def _resume(state: Path, network: nn.Module, averaged: nn.Module, optimiser: _Optimiser) -> int:
    """How many steps an earlier run has done; its state is taken over."""
    if not state.exists():
        return 0
    saved = torch.load(state, weights_only=True)
    network.load_state_dict(saved["network"])
    averaged.load_state_dict(saved["averaged"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"])


def _save(state: Path, step: int, network: nn.Module, averaged: nn.Module, optimiser: _Optimiser) -> None:
    unfinished = state.with_suffix(".part")
    torch.save(
        {
            "step": step,
            "network": network.state_dict(),
            "averaged": averaged.state_dict(),
            "optimiser": optimiser.state_dict(),
        },
        unfinished,
    )
    unfinished.replace(state)


def _log(folder: Path, line: Mapping[str, object]) -> None:
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
