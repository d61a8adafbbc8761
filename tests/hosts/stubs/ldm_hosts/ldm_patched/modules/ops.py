"""Layers that take the place of torch's while a model is built; `manual_cast` casts weights to what it is given."""

from __future__ import annotations

import contextlib

import torch
import torch.nn.functional as F


def cast_bias_weight(s, input=None, dtype=None, device=None, bias_dtype=None):
    weight = s.weight.to(device or input.device, dtype or input.dtype)
    bias = None if s.bias is None else s.bias.to(device or input.device, bias_dtype or dtype or input.dtype)
    return weight, bias


class _Layer:
    ldm_patched_cast_weights = False

    def reset_parameters(self):
        return None

    def forward(self, x):
        return self._cast_forward(x) if self.ldm_patched_cast_weights else super().forward(x)


class disable_weight_init:
    class Linear(_Layer, torch.nn.Linear):
        def _cast_forward(self, x):
            return F.linear(x, *cast_bias_weight(self, x))

    class Conv2d(_Layer, torch.nn.Conv2d):
        def _cast_forward(self, x):
            return self._conv_forward(x, *cast_bias_weight(self, x))

    class Conv3d(_Layer, torch.nn.Conv3d):
        def _cast_forward(self, x):
            return self._conv_forward(x, *cast_bias_weight(self, x))

    class GroupNorm(_Layer, torch.nn.GroupNorm):
        def _cast_forward(self, x):
            return F.group_norm(x, self.num_groups, *cast_bias_weight(self, x), self.eps)

    class LayerNorm(_Layer, torch.nn.LayerNorm):
        def _cast_forward(self, x):
            return F.layer_norm(x, self.normalized_shape, *cast_bias_weight(self, x), self.eps)


class manual_cast(disable_weight_init):
    class Linear(disable_weight_init.Linear):
        ldm_patched_cast_weights = True

    class Conv2d(disable_weight_init.Conv2d):
        ldm_patched_cast_weights = True

    class Conv3d(disable_weight_init.Conv3d):
        ldm_patched_cast_weights = True

    class GroupNorm(disable_weight_init.GroupNorm):
        ldm_patched_cast_weights = True

    class LayerNorm(disable_weight_init.LayerNorm):
        ldm_patched_cast_weights = True


@contextlib.contextmanager
def use_patched_ops(operations):
    names = ("Linear", "Conv2d", "Conv3d", "GroupNorm", "LayerNorm")
    plain = {name: getattr(torch.nn, name) for name in names}
    try:
        for name in names:
            setattr(torch.nn, name, getattr(operations, name))
        yield
    finally:
        for name in names:
            setattr(torch.nn, name, plain[name])
