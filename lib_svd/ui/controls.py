"""The controls for every setting of a clip, used by the tab and by the accordion in txt2img and img2img."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from lib_svd.companions import NAMED, find_kept, keep_picture
from lib_svd.errors import BadPicture
from lib_svd.images import read_picture
from lib_svd.pages import Page
from lib_svd.request import pick_settings
from lib_svd.settings import SETTINGS
from lib_svd.speeds import SPEEDS, choose_steps
from lib_svd.studio import Studio
from lib_svd.ui.choices import FOLLOWING, Made, render_model, render_no_model
from lib_svd.ui.clips import join_html, render_remark
from lib_svd.ui.compat import NO_RESET, QUIET, answer, check_picture, make_html, make_js
from lib_svd.ui.offered import FIRST_FOUND, Offered
from lib_svd.ui.steering import Painting, make_companion_box

NO_PROMPT = (
    "There is no prompt, because the model takes none: it was trained on pictures alone. "
    "The picture, its crop and the settings below steer the clip."
)
REMEMBERED = "svd_checkpoint"  # the option that holds the model chosen last
RANDOM_SEED = -1


AUTO_SIZE = "Size by the picture", "The picture's shape at the model's own area."
SAVE_FRAMES = "Save frames too", "Every frame as a PNG file with its settings, in a folder beside the clip."
NEW_SEED = "-1 is a new one each time."
PICTURES_SEED = "-1 takes the seed of the picture."

FIRST: dict[str, Any] = {
    **{name: setting.default for name, setting in SETTINGS.items()},
    **Made.of(None).list_defaults(),
    "auto_size": True,
    "seed": RANDOM_SEED,
}
"""What controls stand at before a model is known. A web UI takes the type of a value that is pasted from these."""

STEPS = ("num_steps", "sampler", "schedule")

Settle = Callable[[dict[str, str]], Any]
"""From a picture's parsed infotext to a control's value; None leaves it as it is."""


class Controls:
    """Components for the settings; made inside a gradio layout.

    Args:
        studio: whose models can be chosen.
        part: begins every id, `{part}_{name}`.
        page: remembers the model chosen; None: nobody does.
        beside_picture: in the accordion, where labels and ids stand among the web UI's own and the seed is the
            picture's.
        model_place: where the list of models stands instead, before what depends on it; a part of the layout that the
            rest stands in too.

    Attributes:
        names: of the settings, in the order of `components`.
        components: one for each setting, and "Size by the picture".
        with_frames: the checkbox for saving frames.
        pastes: components and what each gets from a picture's infotext.
        reuse: the button that asks for the last clip's seed; None in the accordion.
        begin_with: gives settings that a page which loads begins with; none, unless it is replaced.
    """

    def __init__(
        self,
        studio: Studio,
        part: str,
        page: Page | None = None,
        *,
        beside_picture: bool = False,
        model_place: Any = None,
    ) -> None:
        self._studio, self._part, self._page, self._beside_picture = studio, part, page, beside_picture
        self._by_name: dict[str, Any] = {}
        self.reuse: Any = None
        self.begin_with: Callable[[], Mapping[str, Any]] = dict
        with model_place or nullcontext():
            self._build_model()
        self._build()
        self.names = list(self._by_name)
        self.components = list(self._by_name.values())
        self.pastes: list[tuple[Any, Settle]] = [(c, self._settle(name)) for name, c in self._by_name.items()]
        self.pastes.append((self._basis, self._settle("basis")))
        self._follow_model()

    def __getitem__(self, name: str) -> Any:
        """Give the component of a setting."""
        return self._by_name[name]

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        """Read settings for `ClipRequest.from_mapping` from the values of `components`; what is None or "" is left out.

        Raises:
            BadRequest: a value is of the wrong type or out of range.
        """
        return self.read_some(self.names, values)

    def read_some(self, names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
        """Read them from the values of some of the components only."""
        found = dict(zip(names, values))  # noqa: B905 (a web API may leave out the last ones)
        if found.get("checkpoint"):
            found["checkpoint"] = Offered(self._studio).find_name(found["checkpoint"])
        taken_away = {name: "" for name in NAMED if name in found and found[name] is None}
        return {**clean_settings({**found, **self._keep_companions(found)}), **taken_away}

    def _keep_companions(self, found: Mapping[str, Any]) -> dict[str, str]:
        """Keep the pictures beside the one that is animated, and give their names; raises BadInput."""
        given = {name: check_picture(found[name]) for name in NAMED if not isinstance(found.get(name) or "", str)}
        if not given:
            return {}
        folder = self._studio.find_output_dir()
        return {name: keep_picture(read_picture(each).image, folder).name for name, each in given.items()}

    def take(self, settings: Mapping[str, Any]) -> list[Any]:
        """Give updates for `components` that bring each to a setting by name; what is not there stays."""
        stays = () if "width" in settings else ("auto_size",)
        shown = (None if name in stays else self._show_value(name, settings) for name in self.names)
        return [gr.update() if value is None else value for value in shown]

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` gives updates for."""
        return [*self.components, self._basis]

    def restore(self, settings: Mapping[str, Any]) -> list[Any]:
        """Do as `take` does; and where that brings another model, it does not move what was made with it."""
        basis = self._show_value("basis", settings)
        return [*self.take(settings), gr.update() if basis is None else basis]

    def list_defaults(self, shown: str) -> dict[str, Any]:
        """Give what the model shown would have, its size aside, which is the picture's."""
        own = Offered(self._studio).find_made(shown).list_defaults()
        return {name: value for name, value in own.items() if name not in ("width", "height")}

    def quicken(self, speed: str, shown: str) -> list[Any]:
        """Give updates for steps, sampler and schedule, for the model shown."""
        chosen = choose_steps(speed, Offered(self._studio).find_made(shown).family)
        return [self._show_value(name, chosen) for name in STEPS]

    def fill(self, shown: str = FIRST_FOUND) -> list[Any]:
        """Give updates for `filled`: the models there are now, and of these the one shown, or the one chosen last.

        The demo is chosen where there is nothing else.
        """
        models = Offered(self._studio)
        wanted = (models.find_name(shown), self._studio.host.options[REMEMBERED], *models)
        there = [each for each in wanted if each in models]
        chosen = next((each for each in there if not models[each].is_demo), there[0] if there else "")
        return [models.choose(chosen), self._render_line(models, chosen)]

    @property
    def filled(self) -> list[Any]:
        """The components that `fill` gives updates for."""
        return [self["checkpoint"], self._about]

    def _build_model(self) -> None:
        with gr.Row(elem_id=f"{self._part}_model_row", elem_classes=["svd-row"]):
            named = self._name_component("checkpoint")
            self._by_name["checkpoint"] = gr.Dropdown(choices=[FIRST_FOUND], value=FIRST_FOUND, scale=8, **named)
            self._by_name["checkpoint"].do_not_save_to_config = True  # the page remembers it
            self._refresh = make_tool("↻", f"{self._part}_refresh")
        self._about = make_html(elem_id=f"{self._part}_about", elem_classes=["svd-about"])
        # Whose values the controls stand at. Pasting moves it along, so that the model pasted does not undo the rest.
        self._basis = gr.Textbox("", visible=False, elem_id=f"{self._part}_basis")

    def _build(self) -> None:
        self._build_row("motion_bucket_id", "noise_aug_strength")
        self._build_row("num_frames", "fps", "ending")
        self._build_row("camera", "camera_strength")
        self._build_row("min_guidance", "max_guidance")
        self._build_row("num_steps", "sampler", "schedule")
        with gr.Row(elem_classes=["svd-buttons"]):
            self._speeds = {name: self._build_speed(name) for name in SPEEDS}
        costs = " ".join(f"{speed.label} {speed.cost}." for speed in SPEEDS.values())
        make_html(render_remark(f"{costs} (Measured on the demo.)"))
        self._build_row("fit")
        self._build_row("focus_x", "focus_y", "zoom")
        self._build_row("auto_size", "width", "height")
        with gr.Row(elem_classes=["svd-row"]):
            self._add("seed")
            self._dice = make_tool("⚄", f"{self._part}_random_seed")
            if not self._beside_picture:
                self.reuse = make_tool("♻", f"{self._part}_reuse_seed")
            kept = bool(self._studio.host.options["svd_save_frames"])
            self.with_frames = gr.Checkbox(kept, **self._write_label("with_frames", *SAVE_FRAMES))
        self._path = gr.Group(visible=False, elem_id=f"{self._part}_path")
        with self._path:
            self._build_row("elevation", "orbit")
        self._object = gr.Group(visible=False, elem_id=f"{self._part}_object")
        with self._object:
            self._build_row("cut_out", "object_fill")
        if not self._beside_picture:  # there each picture is another one, and not made yet
            self._build_steering()
        more = "More SVD settings" if self._beside_picture else "More settings"
        with gr.Accordion(more, open=False, elem_id=f"{self._part}_more"):
            self._build_row("guidance_ramp", "background")
            self._build_row("cache_interval", "guidance_low", "guidance_high")
            self._build_row("decode", "decode_chunk")
            self._build_row("longer", "window")
            self._build_row("lora")

    def _build_steering(self) -> None:
        with gr.Accordion("Last picture, and a mask of what moves", open=False, elem_id=f"{self._part}_steering"):
            make_html(render_remark(" ".join(f"{SETTINGS[name].label}: {SETTINGS[name].help}" for name in NAMED)))
            with gr.Row(elem_classes=["svd-row"]):
                for name in NAMED:
                    label = SETTINGS[name].label
                    self._by_name[name] = make_companion_box(f"{self._part}_{name}", label)
            Painting(self._part, self["mask"])
            self._build_row("mask_means", "mask_edge")

    def _build_speed(self, name: str) -> Any:
        return gr.Button(SPEEDS[name].label, size="sm", min_width=60, elem_id=f"{self._part}_speed_{name}")

    def _build_row(self, *names: str) -> None:
        with gr.Row(elem_classes=["svd-row"]):
            for name in names:
                self._add(name)

    def _add(self, name: str) -> None:
        self._by_name[name] = self._build_component(name)

    def _build_component(self, name: str) -> Any:
        value = FIRST[name]
        if name == "auto_size":
            return gr.Checkbox(value, **self._write_label(name, *AUTO_SIZE))
        named = self._name_component(name)
        if name == "seed":
            return gr.Number(value, precision=0, **named)
        setting = SETTINGS[name]
        if setting.is_colour:
            return gr.ColorPicker(value, **named)
        if setting.choices is not None:
            # Labels are the values: gradio 3.41 knows no other ones in a list.
            return (gr.Radio if name == "fit" else gr.Dropdown)(
                list(setting.choices.values()), value=setting.choices[value], **named
            )
        if setting.kind is str or setting.paths is not None:
            return gr.Textbox(_write_text(value), **named)
        low, high, step = Made.of(None).find_bounds(name)
        return gr.Slider(low, high, value=setting.kind(value), step=step, **named, **NO_RESET)

    def _name_component(self, name: str) -> dict[str, Any]:
        label, info = SETTINGS[name].label, SETTINGS[name].help
        if name == "seed":
            info = PICTURES_SEED if self._beside_picture else f"{NEW_SEED} {info}"
        return self._write_label(name, label, info)

    def _write_label(self, name: str, label: str, info: str) -> dict[str, str]:
        """Say in each label, among the web UI's own controls, that it is about the clip."""
        label = f"SVD {label.lower()}" if self._beside_picture else label
        return {"label": label, "info": info, "elem_id": f"{self._part}_{name}"}

    def _settle(self, name: str) -> Settle:
        def settle(parameters: dict[str, str]) -> Any:
            # Below a picture only its own form is read: a clip's infotext speaks of another picture's size and seed.
            if self._beside_picture and "SVD steps" not in parameters:
                return None
            return self._show_value(name, pick_settings(parameters))

        return settle

    def _show_value(self, name: str, settings: Mapping[str, Any]) -> Any:
        """Give what a component shows for these settings; None: they say nothing of it."""
        if name == "auto_size":
            return "width" not in settings if settings else None
        if name in ("checkpoint", "basis"):
            models = Offered(self._studio)
            pasted = models.find_meant(settings.get("checkpoint") or "")
            if not pasted:  # the clip came from elsewhere: the model chosen here stays
                return None
            return pasted if name == "basis" else models.choose(pasted)
        if name in NAMED:
            return self._show_companion(settings[name]) if name in settings else None
        setting, value = SETTINGS[name], settings.get(name)
        if value is not None and setting.choices is not None:
            return setting.choices[value]
        return value if value is None or setting.paths is None else _write_text(value)

    def _show_companion(self, named: str) -> Any:
        """Show a picture that a clip's settings name, if it is kept here still."""
        path, shown = find_kept(named, self._studio.list_clip_dirs()), None
        with suppress(BadPicture):  # somebody else's file by now
            shown = None if path is None else read_picture(path).image
        return gr.update(value=shown)

    def _follow_model(self) -> None:
        moved = [self[name] for name in FOLLOWING]
        answer(
            f"{self._part}_follow",
            [self["checkpoint"].change],
            self._follow_shown,
            [self["checkpoint"], self._basis, *moved],
            [self._about, self._basis, self._path, self._object, self["decode_chunk"], *moved],
        )
        for name, button in self._speeds.items():
            steps = [self[each] for each in STEPS]
            button.click(fn=partial(self.quicken, name), inputs=[self["checkpoint"]], outputs=steps, **QUIET)
        self._refresh.click(fn=self.fill, inputs=[self["checkpoint"]], outputs=self.filled, **QUIET)
        self._dice.click(fn=None, inputs=[], outputs=[self["seed"]], **make_js(f"() => [{RANDOM_SEED}]"))

    def _follow_shown(self, shown: str, basis: str, *values: Any) -> list[Any]:
        """Give updates when a model is chosen, by the user, by the page as it loads, or by pasting."""
        models = Offered(self._studio)
        name = models.find_name(shown)
        checkpoint = models.find_checkpoint(name)
        if checkpoint is None:
            return [self._render_line(models, ""), *[gr.update()] * (4 + len(values))]
        demo = models[name].is_demo  # not remembered: a model that is put there later comes before it
        if self._page is not None and not demo and self._studio.host.options[REMEMBERED] != name:
            self._page.remember(REMEMBERED, name)
        made, given = Made.of(checkpoint), name_values(dict(zip(FOLLOWING, values, strict=True)))
        settled = given if name == basis else made.follow(given, Made.of(models.find_checkpoint(basis)))
        if not basis:
            settled = made.follow({**settled, **self.begin_with()}, made)
        return [
            self._render_line(models, name),
            name,
            gr.update(visible=made.takes_path),
            gr.update(visible=made.family.wants_objects),
            gr.update(maximum=made.find_bounds("decode_chunk").high),
            *(_move_slider(made, setting, settled[setting]) for setting in FOLLOWING),
        ]

    def _render_line(self, models: Offered, name: str) -> Markup:
        """Say what is known of a model, where to get one if there is none, and which files were refused; HTML."""
        checkpoint = models.find_checkpoint(name)
        chosen = Markup("") if checkpoint is None else render_model(checkpoint)
        if models.is_demo_alone:
            chosen += render_no_model(self._studio.host.folders.list_model_dirs()[0].absolute())
        refused = join_html(Markup("<p>{}</p>").format(refusal) for refusal in self._studio.list_refusals())
        is_open = Markup(" open") if models.is_demo_alone else ""  # one of them may be the model that is missed
        folded = Markup("<details{}><summary>Files that cannot be used</summary>{}</details>")
        return chosen + folded.format(is_open, refused) if refused else chosen


def clean_settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """Make settings for `ClipRequest.from_mapping` by name; what is None or "", or left open by its control, is left
    out.

    Raises:
        BadRequest: a value is of the wrong type or out of range.
    """
    given = {name: value for name, value in found.items() if value is not None and value != ""}
    if given.pop("auto_size", "width" not in given):
        given = {name: value for name, value in given.items() if name not in ("width", "height")}
    if given.get("seed") == RANDOM_SEED:
        del given["seed"]
    given = name_values(given)
    return {name: SETTINGS[name].check(value) if name in SETTINGS else value for name, value in given.items()}


def name_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the same values, with the names in code of what lists show by their labels."""
    return {
        name: SETTINGS[name].read(value) if isinstance(value, str) and name in SETTINGS else value
        for name, value in values.items()
    }


def _write_text(value: Any) -> str:
    """Write what stands in a box for text, which may be a number: `10`, `0, 30, 0`."""
    return str(value).removesuffix(".0")


def make_tool(sign: str, elem_id: str) -> Any:
    """Make a small square button; web UIs know the class `tool`."""
    return gr.Button(sign, elem_id=elem_id, elem_classes=["tool"], scale=0, min_width=40)


def _move_slider(made: Made, name: str, value: Any) -> Any:
    setting = SETTINGS[name]
    if setting.choices is not None or setting.is_colour:
        return gr.update(value=(setting.choices or {}).get(value, value))
    low, high, step = made.find_bounds(name)
    return gr.update(minimum=low, maximum=high, step=step, value=value, info=made.write_hint(name))
