"""A model with the devices between which it moves, layer by layer."""

from __future__ import annotations

from backend import memory_management


class ModelPatcher:
    def __init__(self, model, load_device, offload_device, size=0, *, current_device=None, weight_inplace_update=False):
        self.model, self.size = model, size
        self.load_device, self.offload_device = load_device, offload_device
        self.parent = None
        self.model.device = offload_device  # an assignment: a network must not define a property of that name
        self.model_size()

    def model_size(self):
        self.size = self.size or memory_management.module_size(self.model)
        return self.size

    def model_dtype(self):
        return self.model.get_dtype() if hasattr(self.model, "get_dtype") else None

    def is_clone(self, other):
        return getattr(other, "model", None) is self.model

    def loaded_size(self):
        return memory_management._stub.bytes_of(self.model)

    def load(self, device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
        """Modules that are whole in themselves, the biggest first; raw weights beside submodules stay behind."""
        left = lowvram_model_memory
        leaves = [m for m in self.model.modules() if _is_whole(m)]
        for layer in sorted(leaves, key=memory_management.module_size, reverse=True):
            size = memory_management.module_size(layer)
            if full_load or size < left:
                left -= size
                layer.to(device_to)
            elif hasattr(layer, "parameters_manual_cast"):
                layer.prev_parameters_manual_cast = layer.parameters_manual_cast
                layer.parameters_manual_cast = True
        self.model.device = device_to

    def detach(self, unpatch_all=True):
        if not unpatch_all:
            return
        for layer in self.model.modules():
            if hasattr(layer, "prev_parameters_manual_cast"):
                layer.parameters_manual_cast = layer.prev_parameters_manual_cast
                del layer.prev_parameters_manual_cast
        self.model.to(self.offload_device)
        self.model.device = self.offload_device


def _is_whole(module):
    own = {name for name, _ in module.named_parameters(recurse=False)}
    return bool(own) and all(name in own for name, _ in module.named_parameters())
