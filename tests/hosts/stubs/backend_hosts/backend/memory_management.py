"""Forge's list of loaded models: who is on the GPU, whole or by layer."""

from __future__ import annotations

import sys
from enum import Enum

import stub_traits
import torch
from stub_gpu import _stub


class VRAMState(Enum):
    NORMAL_VRAM = 3
    HIGH_VRAM = 4


cpu = torch.device("cpu")
vram_state = VRAMState.NORMAL_VRAM
OOM_EXCEPTION = torch.cuda.OutOfMemoryError
current_loaded_models: list[LoadedModel] = []


def get_torch_device():
    return _stub.device


def is_device_cpu(device):
    return device == cpu


def get_free_memory(dev=None, torch_free_too=False):
    free = _stub.free()
    return (free, free) if torch_free_too else free


def minimum_inference_memory():
    return _stub.inference_memory


def soft_empty_cache(force=False):
    _stub.emptied += 1


def unet_offload_device():
    return get_torch_device() if vram_state == VRAMState.HIGH_VRAM else cpu


def get_computation_dtype(inference_device, parameters=0, supported_dtypes=(torch.float16, torch.float32)):
    return _stub.compute


def unet_dtype(device=None, model_params=0, supported_dtypes=(torch.float16, torch.float32)):
    return _stub.storage


def vae_dtype(device=None, allowed_dtypes=()):
    return _stub.vae


def module_size(module, exclude_device=None, include_device=None, return_split=False):
    every, there = sum(p.nbytes for p in module.parameters()), _stub.bytes_of(module)
    size = every
    if exclude_device is not None:
        size = every - there if exclude_device == _stub.device else there
    if include_device is not None:
        size = there if include_device == _stub.device else every - there
    weight = sum(p.nbytes for name, p in module.named_parameters() if name == "weight")
    return (size, weight, size - weight) if return_split else size


class LoadedModel:
    def __init__(self, model):
        self.model = model
        self.device = model.load_device
        self.model_accelerated = False
        self.inclusive_memory = self.exclusive_memory = 0

    def __eq__(self, other):
        return self.model is other.model

    def compute_inclusive_exclusive_memory(self):
        self.inclusive_memory = module_size(self.model.model, include_device=self.device)
        self.exclusive_memory = module_size(self.model.model, exclude_device=self.device)

    def model_unload(self, avoid_model_moving=False):
        if self.model_accelerated:
            for layer in self.model.model.modules():
                if hasattr(layer, "prev_parameters_manual_cast"):
                    layer.parameters_manual_cast = layer.prev_parameters_manual_cast
                    del layer.prev_parameters_manual_cast
        self.model_accelerated = False
        self.model.forge_unpatch_model(None if avoid_model_moving else self.model.offload_device)


def _load(entry, share):
    """Whole where `share` is None, else so many bytes of casting layers; what is neither stays where it is."""
    patcher = entry.model
    try:
        patcher.forge_patch_model(entry.device if share is None else None)
    except Exception:
        patcher.forge_unpatch_model(patcher.offload_device)
        entry.model_unload()
        raise
    if share is None:
        return
    entry.model_accelerated = True
    left = share
    for layer in patcher.model.modules():
        if hasattr(layer, "parameters_manual_cast"):
            size = module_size(layer)
            if size < left:
                left -= size
                layer.to(entry.device)
            else:
                layer.prev_parameters_manual_cast = layer.parameters_manual_cast
                layer.parameters_manual_cast = True
                layer.to(patcher.offload_device)
        elif hasattr(layer, "weight"):
            layer.to(entry.device)


def unload_model_clones(model):
    for entry in [entry for entry in current_loaded_models if model.is_clone(entry.model)]:
        current_loaded_models.remove(entry)
        entry.model_unload(avoid_model_moving=True)


def _drop_abandoned():
    if not stub_traits.DROPS_ABANDONED:
        return
    for i in range(len(current_loaded_models) - 1, -1, -1):
        if sys.getrefcount(current_loaded_models[i].model) <= 2:
            current_loaded_models.pop(i).model_unload(avoid_model_moving=True)


def cleanup_models():
    _drop_abandoned()


def free_memory(memory_required, device, keep_loaded=(), free_all=False):
    _drop_abandoned()
    wanted = 1e30 if free_all else memory_required
    for entry in reversed(list(current_loaded_models)):
        if get_free_memory(device) > wanted:
            break
        if entry.device == device and entry not in keep_loaded:
            current_loaded_models.remove(entry)
            entry.model_unload()
    soft_empty_cache()


def load_models_gpu(models, memory_required=0, hard_memory_preservation=0):
    floor = minimum_inference_memory() + hard_memory_preservation
    to_free = max(minimum_inference_memory(), memory_required) + hard_memory_preservation
    there, new = [], []
    for model in models:
        entry = LoadedModel(model)
        if entry in current_loaded_models:
            current_loaded_models.insert(0, current_loaded_models.pop(current_loaded_models.index(entry)))
            there.append(entry)
        else:
            new.append(entry)
    for entry in new:
        unload_model_clones(entry.model)
        entry.compute_inclusive_exclusive_memory()
    on_gpu = [entry for entry in (*new, *there) if entry.device != cpu]
    if on_gpu:
        size = sum(entry.exclusive_memory + entry.inclusive_memory * 0.25 for entry in new)
        free_memory(size * 1.3 + to_free, on_gpu[0].device, there)
    for entry in new:
        share = None
        if entry.device != cpu and vram_state == VRAMState.NORMAL_VRAM:
            free = get_free_memory(entry.device)
            if free - entry.exclusive_memory - floor < 0:  # what is there already is never sent back
                share = entry.inclusive_memory or max(0, free - floor) / 1.3
        _load(entry, share)
        current_loaded_models.insert(0, entry)


def load_model_gpu(model):
    load_models_gpu([model])


def unload_all_models():
    free_memory(1e30, get_torch_device(), free_all=True)
