"""Layers that take the place of torch's while a model is built, and cast their weights to what they are given."""

from __future__ import annotations

import contextlib

import stub_traits
import torch
import torch.nn.functional as F

current_device = None
current_dtype = None
current_manual_cast_enabled = False


def _weights(layer, x):
    """The weights for an input: as they are, or copied to its device and dtype."""
    pair = (layer.weight, layer.bias)
    if not layer.parameters_manual_cast:
        return pair
    return tuple(w if w is None else w.to(x.device, x.dtype) for w in pair)


class _Casting:
    """Made without initial values; casts where it was built to, or where the host swaps it."""

    def __init__(self, *given, **named):
        super().__init__(*given, **{**named, "device": current_device, "dtype": current_dtype})
        self.parameters_manual_cast = current_manual_cast_enabled

    def reset_parameters(self):
        return None


class _Conv(_Casting):
    def forward(self, x):
        return self._conv_forward(x, *_weights(self, x))


class ForgeOperations:
    class Linear(torch.nn.Module):
        """No nn.Linear, and without a weight until one is loaded."""

        def __init__(self, in_features, out_features, *_, **__):
            super().__init__()
            self.in_features, self.out_features = in_features, out_features
            self.dummy = torch.nn.Parameter(torch.empty(1, device=current_device, dtype=current_dtype))
            self.weight = self.scale_weight = self.bias = None
            self.parameters_manual_cast = current_manual_cast_enabled

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if not hasattr(self, "dummy"):
                super()._load_from_state_dict(state_dict, prefix, *rest)
                return
            for name in ("weight", "bias"):
                if prefix + name in state_dict:
                    setattr(self, name, torch.nn.Parameter(state_dict[prefix + name].to(self.dummy)))
            del self.dummy

        def forward(self, x):
            return F.linear(x, *_weights(self, x))

    class Conv1d(_Conv, torch.nn.Conv1d):
        pass

    class Conv2d(_Conv, torch.nn.Conv2d):
        pass

    class Conv3d(_Conv, torch.nn.Conv3d):
        def forward(self, x):
            if stub_traits.CONV3D_NEEDS_CASTING and not self.parameters_manual_cast:
                raise TypeError("conv3d() received an invalid combination of arguments: a builtin_function_or_method")
            return super().forward(x)

    class GroupNorm(_Casting, torch.nn.GroupNorm):
        def forward(self, x):
            return F.group_norm(x, self.num_groups, *_weights(self, x), self.eps)

    class LayerNorm(_Casting, torch.nn.LayerNorm):
        def forward(self, x):
            return F.layer_norm(x, self.normalized_shape, *_weights(self, x), self.eps)

    class Embedding(_Casting, torch.nn.Embedding):
        pass


_SWAPPED = ("Linear", "Conv1d", "Conv2d", "Conv3d", "GroupNorm", "LayerNorm", "Embedding")


@contextlib.contextmanager
def using_forge_operations(operations=None, device=None, dtype=None, manual_cast_enabled=False, bnb_dtype=None):
    global current_device, current_dtype, current_manual_cast_enabled
    current_device, current_dtype, current_manual_cast_enabled = device, dtype, manual_cast_enabled
    plain = {name: getattr(torch.nn, name) for name in _SWAPPED}
    try:
        for name in _SWAPPED:
            setattr(torch.nn, name, getattr(operations or ForgeOperations, name))
        yield
    finally:
        for name, layer in plain.items():
            setattr(torch.nn, name, layer)
