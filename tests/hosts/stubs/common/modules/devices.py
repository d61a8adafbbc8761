"""Where and in what a host computes, for those who ask here."""

from __future__ import annotations

import torch

cpu = torch.device("cpu")
device = torch.device("cpu")
dtype = torch.float32
dtype_vae = torch.float32
dtype_unet = torch.float32


def get_optimal_device():
    return device


def torch_gc():
    return None
