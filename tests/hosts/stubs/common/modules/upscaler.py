"""What upscalers of any host are made from."""

from __future__ import annotations

from abc import abstractmethod

from PIL import Image


class Upscaler:
    scale = 1

    @abstractmethod
    def do_upscale(self, img: Image.Image, selected_model: str):
        return img
