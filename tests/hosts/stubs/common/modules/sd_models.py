"""The checkpoint that a host draws with. None is loaded: a test that needs one brings its own."""

from __future__ import annotations


class SdModelData:
    def __init__(self):
        self.sd_model = None


model_data = SdModelData()
