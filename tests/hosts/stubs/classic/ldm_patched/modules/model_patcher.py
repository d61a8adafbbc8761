"""A model with the devices between which it moves."""

from __future__ import annotations

from ldm_patched.modules import model_management


class ModelPatcher:
    def __init__(self, model, load_device, offload_device, size=0, current_device=None, weight_inplace_update=False):
        self.model, self.size = model, size
        self.load_device, self.offload_device = load_device, offload_device
        self.current_device = current_device or offload_device
        self.model_size()

    def model_size(self):
        self.size = self.size or model_management.module_size(self.model)
        return self.size

    def model_dtype(self):
        return self.model.get_dtype() if hasattr(self.model, "get_dtype") else None

    def is_clone(self, other):
        return getattr(other, "model", None) is self.model

    def patch_model(self, device_to=None, patch_weights=True):
        if device_to is not None:
            self.model.to(device_to)
            self.current_device = device_to
        return self.model

    def unpatch_model(self, device_to=None):
        if device_to is not None:
            self.model.to(device_to)
            self.current_device = device_to
