"""The list of loaded models of the Neo line, as taken over from ComfyUI: it refers to their patchers weakly."""

from __future__ import annotations

import weakref
from enum import Enum

import torch
from stub_gpu import _stub


class VRAMState(Enum):
    NORMAL_VRAM = 3
    HIGH_VRAM = 4


vram_state = VRAMState.NORMAL_VRAM
OOM_EXCEPTION = torch.cuda.OutOfMemoryError
MIN_WEIGHT_MEMORY_RATIO = 0.4
current_loaded_models: list[LoadedModel] = []


def get_torch_device():
    return _stub.device


def is_device_cpu(device):
    return device == torch.device("cpu")


def get_free_memory(dev=None, torch_free_too=False):
    free = _stub.free()
    return (free, free) if torch_free_too else free


def extra_reserved_memory():
    return 0


def minimum_inference_memory():
    return _stub.inference_memory


def soft_empty_cache(force=False):
    _stub.emptied += 1


def unet_offload_device():
    return get_torch_device() if vram_state == VRAMState.HIGH_VRAM else torch.device("cpu")


def unet_dtype(device=None, model_params=0, supported_dtypes=(torch.float16, torch.float32), weight_dtype=None):
    return _stub.storage


def inference_cast(weight_dtype, inference_device, supported_dtypes=(torch.float16, torch.float32)):
    return _stub.compute


def vae_dtype(device=None, allowed_dtypes=None):
    return _stub.vae


def module_size(module):
    return sum(p.nbytes for p in module.parameters())


class LoadedModel:
    def __init__(self, model):
        self._model = weakref.ref(model)
        self._network = weakref.ref(model.model)
        self.device = model.load_device
        self.currently_used = True

    @property
    def model(self):
        return self._model()

    def __eq__(self, other):
        return self.model is other.model

    def model_memory(self):
        return self.model.model_size()

    def model_loaded_memory(self):
        return self.model.loaded_size()

    def model_offloaded_memory(self):
        return self.model.model_size() - self.model.loaded_size()

    def model_unload(self, memory_to_free=None, unpatch_weights=True):
        self.model.detach(unpatch_weights)
        return True

    def is_dead(self):
        return self.model is None


def cleanup_models():
    current_loaded_models[:] = [entry for entry in current_loaded_models if not entry.is_dead()]


def free_memory(memory_required, device, keep_loaded=()):
    cleanup_models()
    unloaded = []
    for entry in reversed(list(current_loaded_models)):
        if get_free_memory(device) > memory_required:
            break
        if entry.device == device and entry not in keep_loaded:
            current_loaded_models.remove(entry)
            entry.model_unload()
            unloaded.append(entry)
    soft_empty_cache()
    return unloaded


def load_models_gpu(
    models, memory_required=0, force_patch_weights=False, minimum_memory_required=None, force_full_load=False
):
    cleanup_models()
    cpu = torch.device("cpu")
    floor = minimum_inference_memory()
    extra = max(floor, memory_required)
    least_free = extra if minimum_memory_required is None else max(floor, minimum_memory_required)
    for model in set(models):
        entry = LoadedModel(model)
        for other in [other for other in current_loaded_models if model.is_clone(other.model)]:
            current_loaded_models.remove(other)
            other.model.detach(unpatch_all=False)
        budget = 1e32
        if entry.device != cpu:
            free_memory(entry.model_offloaded_memory() * 1.3 + extra, entry.device)
            if vram_state == VRAMState.NORMAL_VRAM and not force_full_load:
                there = entry.model_loaded_memory()
                free = get_free_memory(entry.device) + there
                budget = max(free - least_free, min(free * MIN_WEIGHT_MEMORY_RATIO, free - minimum_inference_memory()))
                budget = max(0.1, budget, there)  # what is there already is never sent back
        model.load(entry.device, lowvram_model_memory=budget)
        current_loaded_models.insert(0, entry)


def load_model_gpu(model):
    load_models_gpu([model])


def unload_all_models():
    free_memory(1e30, get_torch_device())
