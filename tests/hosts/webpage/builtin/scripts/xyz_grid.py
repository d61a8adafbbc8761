"""A host's "X/Y/Z plot": its axes, to which extensions add theirs, and a cell made of a copy of the job.

What `AxisOption` takes, what is asked of it in which order, and what a cell shares with the others is as read in Forge
(dfdcbab6) and reForge (3b56b268).
"""

import re
from copy import copy
from itertools import product

import gradio as gr
from modules import errors, images, processing, scripts
from modules.processing import Processed
from modules.shared import state

AXES = "XYZ"
RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)(?:\s*\(\+(\d+)\s*\))?\s*")


def apply_field(field):
    def apply(p, x, xs):
        setattr(p, field, x)

    return apply


def format_value_add_label(p, opt, x):
    return f"{opt.label}: {x}"


class AxisOption:
    def __init__(
        self,
        label,
        type,
        apply,
        format_value=format_value_add_label,
        confirm=None,
        cost=0.0,
        choices=None,
        prepare=None,
    ):
        self.label, self.type, self.apply, self.format_value = label, type, apply, format_value
        self.confirm, self.cost, self.choices, self.prepare = confirm, cost, choices, prepare


axis_options = [
    AxisOption("Nothing", str, lambda p, x, xs: None, format_value=lambda p, opt, x: ""),
    AxisOption("Seed", int, apply_field("seed")),
    AxisOption("CFG Scale", float, apply_field("cfg_scale")),
]


class Script(scripts.Script):
    def title(self):
        return "X/Y/Z plot"

    def ui(self, is_img2img):
        self.current_axis_options = list(axis_options)
        labels = [option.label for option in self.current_axis_options]
        return [part for axis in AXES for part in self._controls(axis, labels)]

    def run(self, p, *given):
        processing.fix_seed(p)
        axes = [self._axis(p, *given[3 * number : 3 * number + 3]) for number in range(len(AXES))]
        cells = list(product(*(values for _, values in axes)))
        state.job_count = len(cells) * p.n_iter
        pictures, infotexts, result, grid_text = [], [], None, None
        for number, values in enumerate(cells):
            state.job = f"{number + 1} out of {len(cells)}"
            cell, made = self._cell(p, axes, values)
            result = result or copy(made)
            if made.images:
                pictures.append(made.images[0])
                infotexts.append(made.infotexts[0])
            if grid_text is None and cell is not None:
                cell.extra_generation_params = {**cell.extra_generation_params, "Script": self.title()}
                grid_text = processing.create_infotext(cell, cell.all_prompts, cell.all_seeds, cell.all_subseeds)
        if pictures:
            labels = [option.format_value(p, option, value) for option, values in axes for value in values]
            grid = images.image_grid(pictures, rows=1)
            grid.info["labels"] = "|".join(filter(None, labels))
            result.images, result.infotexts = [grid, *pictures], [grid_text, *infotexts]
            result.index_of_first_image = 1
        return result

    def _controls(self, axis, labels):
        part = axis.lower()
        with gr.Row():
            kind = gr.Dropdown(
                labels, value="Nothing", type="index", label=f"{axis} type", elem_id=self.elem_id(f"{part}_type")
            )
            written = gr.Textbox(label=f"{axis} values", elem_id=self.elem_id(f"{part}_values"))
            chosen = gr.Dropdown([], label=f"{axis} values", multiselect=True, visible=False)

        def select_axis(index):
            choices = self.current_axis_options[index].choices
            listed = choices is not None
            return gr.update(visible=not listed), gr.update(visible=listed, choices=choices() if listed else [])

        kind.change(fn=select_axis, inputs=[kind], outputs=[written, chosen])
        return kind, written, chosen

    def _axis(self, p, index, written, chosen):
        option = self.current_axis_options[index or 0]
        if option.label == "Nothing":
            return option, [0]
        words = written.split(",") if option.choices is None else chosen
        if option.type == int:  # noqa: E721 (as hosts ask)
            words = [each for word in words for each in _ranged(word)]
        values = [option.type(word) for word in words]
        if option.confirm:
            option.confirm(p, values)
        return option, values

    def _cell(self, p, axes, values):
        if state.interrupted or state.stopping_generation:
            return None, Processed(p, [], p.seed, "")
        cell = copy(p)
        for (option, every), value in zip(axes, values, strict=True):
            option.apply(cell, value, every)
        try:
            return cell, processing.process_images(cell)
        except Exception as error:  # noqa: BLE001 (the other cells are made all the same)
            errors.display(error, "generating image for xyz plot")
            return None, Processed(p, [], p.seed, "")


def _ranged(word):
    found = RANGE.fullmatch(word)
    return range(int(found[1]), int(found[2]) + 1, int(found[3] or 1)) if found else [word]
