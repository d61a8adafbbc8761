"""The models that are there at one moment: what a list shows of them, and what it means by that."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lib_svd.checkpoints import Checkpoint, is_made_with
from lib_svd.request import split_mark
from lib_svd.studio import Model, Studio
from lib_svd.ui.choices import Made

FIRST_FOUND = "The first one found"  # what a request without a model gets


class Offered(dict[str, Model]):
    """The models in the host's folders, by name. Folders are walked when it is made, so each press makes one."""

    def __init__(self, studio: Studio) -> None:
        super().__init__((model.name, model) for model in studio.list_models())

    @property
    def is_demo_alone(self) -> bool:
        """Whether the user has no model."""
        return all(model.is_demo for model in self.values())

    def find_name(self, shown: str) -> str:
        """Give what a request calls the model that is shown by its label, or by its name already."""
        names = {model.label: name for name, model in self.items()}
        return "" if shown == FIRST_FOUND else names.get(shown, shown)

    def find_meant(self, called: str) -> str:
        """Give the name of the model that a clip calls so, be it another file of that name; "" where there is none."""
        plain, _ = split_mark(called)
        by_name = sorted(self, key=lambda name: plain not in (name, self[name].checkpoint.path.name))
        found = (name for name in by_name if is_made_with(called, self[name].checkpoint))
        return next(found, plain if plain in self else "")

    def find_checkpoint(self, name: str) -> Checkpoint | None:
        """Give the model of that name; None: there is none."""
        return self[name].checkpoint if name in self else None

    def find_made(self, shown: str) -> Made:
        """Say what the model that is shown was made for."""
        return Made.of(self.find_checkpoint(self.find_name(shown)))

    def choose(self, name: str) -> Any:
        """Make the update of the list that offers all of them and chooses one."""
        labels = {name: model.label for name, model in self.items()}
        return gr.update(choices=list(labels.values()) or [FIRST_FOUND], value=labels.get(name, FIRST_FOUND))
