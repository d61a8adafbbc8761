"""Classic's list of loaded models: it holds them, and leaves room for work only by its own floor."""

from __future__ import annotations

from enum import Enum

import torch
from stub_gpu import _stub


class VRAMState(Enum):
    NORMAL_VRAM = 3
    HIGH_VRAM = 4


vram_state = VRAMState.NORMAL_VRAM
OOM_EXCEPTION = torch.cuda.OutOfMemoryError
current_loaded_models: list[LoadedModel] = []


def get_torch_device():
    return _stub.device


def is_device_cpu(device):
    return device == torch.device("cpu")


def get_free_memory(dev=None, torch_free_too=False):
    free = _stub.free()
    return (free, free) if torch_free_too else free


def minimum_inference_memory():
    return _stub.inference_memory


def soft_empty_cache(force=False):
    _stub.emptied += 1


def unet_offload_device():
    return get_torch_device() if vram_state == VRAMState.HIGH_VRAM else torch.device("cpu")


def unet_dtype(device=None, model_params=0):
    return _stub.storage


def unet_manual_cast(weight_dtype, inference_device):
    return None if weight_dtype == _stub.compute else _stub.compute


def vae_dtype():
    return _stub.vae


def module_size(module, exclude_device=None):
    every, there = sum(p.nbytes for p in module.parameters()), _stub.bytes_of(module)
    if exclude_device is None:
        return every
    return every - there if exclude_device == _stub.device else there


class LoadedModel:
    def __init__(self, model, memory_required):
        self.model, self.memory_required = model, memory_required
        self.device = model.load_device
        self.model_accelerated = False

    def __eq__(self, other):
        return self.model is other.model

    def model_memory(self):
        return self.model.model_size()

    def model_memory_required(self, device):
        return module_size(self.model.model, exclude_device=device)

    def model_load(self, async_kept_memory=-1):
        """Whole where that is negative, else so many bytes of casting layers."""
        patcher = self.model
        try:
            patcher.patch_model(self.device if async_kept_memory < 0 else None)
        except Exception:
            patcher.unpatch_model(patcher.offload_device)
            self.model_unload()
            raise
        if async_kept_memory < 0:
            return
        self.model_accelerated = True
        left = async_kept_memory
        for layer in patcher.model.modules():
            if hasattr(layer, "ldm_patched_cast_weights"):
                layer.prev_ldm_patched_cast_weights = layer.ldm_patched_cast_weights
                layer.ldm_patched_cast_weights = True
                size = module_size(layer)
                layer.to(self.device if size < left else patcher.offload_device)
                left -= size if size < left else 0
            elif hasattr(layer, "weight"):
                layer.to(self.device)

    def model_unload(self, avoid_model_moving=False):
        if self.model_accelerated:
            for layer in self.model.model.modules():
                if hasattr(layer, "prev_ldm_patched_cast_weights"):
                    layer.ldm_patched_cast_weights = layer.prev_ldm_patched_cast_weights
                    del layer.prev_ldm_patched_cast_weights
        self.model_accelerated = False
        self.model.unpatch_model(None if avoid_model_moving else self.model.offload_device)


def unload_model_clones(model):
    for entry in [entry for entry in current_loaded_models if model.is_clone(entry.model)]:
        current_loaded_models.remove(entry)
        entry.model_unload(avoid_model_moving=True)


def free_memory(memory_required, device, keep_loaded=()):
    for entry in reversed(list(current_loaded_models)):
        if get_free_memory(device) > memory_required:
            break
        if entry.device == device and entry not in keep_loaded:
            current_loaded_models.remove(entry)
            entry.model_unload()
    soft_empty_cache()


def load_models_gpu(models, memory_required=0):
    extra = max(minimum_inference_memory(), memory_required)
    there, new = [], []
    for model in models:
        entry = LoadedModel(model, memory_required)
        if entry in current_loaded_models:
            current_loaded_models.insert(0, current_loaded_models.pop(current_loaded_models.index(entry)))
            there.append(entry)
        else:
            new.append(entry)
    for entry in new:
        unload_model_clones(entry.model)
    on_gpu = [entry for entry in (*new, *there) if not is_device_cpu(entry.device)]
    if on_gpu:
        size = sum(entry.model_memory_required(entry.device) for entry in new)
        free_memory(size * 1.3 + extra, on_gpu[0].device, there)
    for entry in new:
        share = -1
        if not is_device_cpu(entry.device) and vram_state == VRAMState.NORMAL_VRAM:
            free = get_free_memory(entry.device)
            if free - entry.model_memory_required(entry.device) - minimum_inference_memory() < 0:
                share = max(0, int((free - minimum_inference_memory()) / 1.3))
        entry.model_load(share)
        current_loaded_models.insert(0, entry)


def load_model_gpu(model):
    load_models_gpu([model])


def unload_all_models():
    free_memory(1e30, get_torch_device())
