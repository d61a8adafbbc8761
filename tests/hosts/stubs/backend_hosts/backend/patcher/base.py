"""A model with the devices between which it moves."""

from __future__ import annotations

from backend import memory_management


class ModelPatcher:
    def __init__(self, model, load_device, offload_device, size=0, current_device=None, **kwargs):
        self.model, self.size = model, size
        self.load_device, self.offload_device = load_device, offload_device
        self.current_device = current_device or offload_device
        self.model_size()

    def model_size(self):
        self.size = self.size or memory_management.module_size(self.model)
        return self.size

    def model_dtype(self):
        return self.model.get_dtype() if hasattr(self.model, "get_dtype") else None

    def is_clone(self, other):
        return getattr(other, "model", None) is self.model

    def clone(self):
        return ModelPatcher(self.model, self.load_device, self.offload_device, self.size, self.current_device)

    def forge_patch_model(self, target_device=None):
        if target_device is not None:
            self.model.to(target_device)
            self.current_device = target_device
        return self.model

    def forge_unpatch_model(self, target_device=None):
        if target_device is not None:
            self.model.to(target_device)
            self.current_device = target_device
