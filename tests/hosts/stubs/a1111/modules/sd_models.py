"""A1111's checkpoint: on the GPU unless somebody sends it away."""

from __future__ import annotations

import threading

from modules import devices, lowvram


class SdModelData:
    def __init__(self):
        self.sd_model = None
        self.lock = threading.Lock()  # held while the first checkpoint is loaded


def send_model_to_cpu(m):
    if m is not None:
        m.to(devices.cpu)
    devices.torch_gc()


def send_model_to_device(m):
    if m is not None and not lowvram.is_enabled(m):
        m.to(devices.device)


model_data = SdModelData()
