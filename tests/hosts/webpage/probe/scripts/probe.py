"""An extension that does one of each thing: tab, script, settings, route, button; and a tab that fails."""

import time

import gradio as gr
from modules import script_callbacks, scripts, shared, ui_toprow
from modules.call_queue import wrap_gradio_gpu_call
from modules.infotext_utils import (
    ParamBinding,
    PasteField,
    add_paste_fields,
    parse_generation_parameters,
    register_paste_params_button,
)
from modules.ui_components import ToolButton
from modules_forge import main_thread
from PIL import Image

SEND_BUTTONS = []
SOURCES = {}


def job(task, picture, word):
    """Forty steps that show a picture; what is raised there must be raised here."""
    raised = []

    def work():
        try:
            return counted(picture, word)
        except Exception as error:  # noqa: BLE001 (raised below, where it is waited for)
            raised.append(error)

    result = main_thread.run_and_wait_result(work)
    if raised:
        raise raised[0]
    return [result], f"<p>{'interrupted' if shared.state.interrupted else 'done'} {word}</p>"


def counted(picture, word):
    state = shared.state
    if word == "fail":
        raise ValueError("as was asked <for>")
    state.job_count, state.sampling_steps = 1, 40
    for step in range(40):
        if state.interrupted:
            break
        time.sleep(0.05)
        state.sampling_step = step
        state.textinfo = f"Counting {step}/40"
        state.assign_current_image(Image.new("RGB", (64, 64), (step * 6, 0, 0)))
    return (picture or Image.new("RGB", (64, 32))).rotate(180)


def tab():
    with gr.Blocks(analytics_enabled=False) as blocks:
        task = gr.Textbox(visible=False)
        picture = gr.Image(label="Picture", source="upload", type="pil", elem_id="probe_image")
        word = gr.Textbox("word", label="Word", elem_id="probe_word")
        seed = gr.Number(-1, label="Seed of the picture", elem_id="probe_seed", precision=0)
        toprow = ui_toprow.Toprow(is_img2img=False, is_compact=True, id_part="probe")
        toprow.create_inline_toprow_image()
        with gr.Column(elem_id="probe_gallery_container"):
            gallery = gr.Gallery(label="Output", elem_id="probe_gallery", columns=4, preview=True)
        log = gr.HTML(elem_id="html_log_probe")
        toprow.submit.click(
            fn=wrap_gradio_gpu_call(job, extra_outputs=[None]),
            _js="submit_probe",
            inputs=[task, picture, word],
            outputs=[gallery, log],
            show_progress=False,
        )
    add_paste_fields("probe", picture, [PasteField(seed, "Seed"), PasteField(word, "Probe word")])
    for part, button in SEND_BUTTONS:
        register_paste_params_button(
            ParamBinding(
                paste_button=button,
                tabname="probe",
                source_image_component=SOURCES[part],
                source_text_component=SOURCES.get(f"{part}_text"),
            )
        )
    return [(blocks, "Probe", "probe")]


def broken_tab():
    with gr.Blocks():
        raise RuntimeError("this tab cannot be built")


def noticed(component, **named):
    name = named.get("elem_id") or ""
    for part in ("txt2img", "img2img", "extras"):
        if name == f"{part}_gallery":
            SOURCES[part] = component
        elif name == f"{part}_send_to_extras":
            SEND_BUTTONS.append((part, ToolButton("P", elem_id=f"{part}_send_to_probe", tooltip="Send to Probe")))
    if name == "pnginfo_image":
        SOURCES["pnginfo"] = component
    elif name == "pnginfo_generation_info":
        SOURCES["pnginfo_text"] = component
        SEND_BUTTONS.append(("pnginfo", gr.Button("Send to Probe", elem_id="pnginfo_send_to_probe")))


def settings():
    section = ("probe", "Probe")
    shared.opts.add_option("probe_word", shared.OptionInfo("hello", "A word", section=section).info("any"))
    steps = shared.OptionInfo(3, "Steps", gr.Slider, {"minimum": 1, "maximum": 9, "step": 1}, section=section)
    shared.opts.add_option("probe_steps", steps)


def routes(demo, app):
    started = time.time()

    @app.get("/probe/state")
    def state():
        return {"started": started, "word": shared.opts.probe_word, "flag": shared.cmd_opts.probe_word}


class Probe(scripts.Script):
    hooks = ()

    def title(self):
        return "Probe script"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        with gr.Accordion("Probe script", open=False, elem_id=self.elem_id("accordion")):
            on = gr.Checkbox(False, label="Turn round", elem_id=self.elem_id("on"))
            note = gr.Textbox("", label="Note", elem_id=self.elem_id("note"))
        self.infotext_fields = [PasteField(on, lambda found: "Probe note" in found), PasteField(note, "Probe note")]
        self.paste_field_names = ["Probe note"]
        return [on, note]

    def before_process(self, p, on, note):
        self.hooks = ["before_process"]

    def process(self, p, on, note):
        self.hooks.append("process")
        if on:
            p.extra_generation_params["Probe note"] = note

    def process_before_every_sampling(self, p, on, note, **named):
        self.hooks.append(f"sampling {sorted(named)}")

    def postprocess_image(self, p, pp, on, note):
        self.hooks.append(f"image {pp.index}")

    def postprocess(self, p, processed, on, note):
        self.hooks.append("postprocess")
        if not on:
            return
        found = parse_generation_parameters(processed.infotexts[0])
        processed.images.append(processed.images[processed.index_of_first_image].rotate(180))
        processed.infotexts.append(processed.infotexts[0])
        p.comment(f"turned {found['Seed']}")
        processed.comments = f"turned {found['Seed']}: {', '.join(self.hooks)}"
        if p.is_api:
            processed.images.append("aGVsbG8=")


SEND_BUTTONS.clear()
script_callbacks.on_after_component(noticed)
script_callbacks.on_ui_tabs(broken_tab)
script_callbacks.on_ui_tabs(tab)
script_callbacks.on_ui_settings(settings)
script_callbacks.on_app_started(routes)
