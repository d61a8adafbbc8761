"""Steps, sampler and seed, which a host keeps in scripts of its own."""

import gradio as gr
from modules import scripts
from modules.infotext_utils import PasteField

SAMPLERS = ["Euler a", "Euler", "DPM++ 2M"]
SCHEDULES = ["Automatic", "Karras", "Uniform"]


class Sampler(scripts.ScriptBuiltinUI):
    section = "sampler"

    def title(self):
        return "Sampler"

    def ui(self, is_img2img):
        part = self.tabname
        with gr.Row(elem_id=f"sampler_selection_{part}"):
            sampler = gr.Dropdown(SAMPLERS, value=SAMPLERS[0], label="Sampling method", elem_id=f"{part}_sampling")
            schedule = gr.Dropdown(SCHEDULES, value=SCHEDULES[0], label="Schedule type", elem_id=f"{part}_scheduler")
            steps = gr.Slider(1, 150, value=20, step=1, label="Sampling steps", elem_id=f"{part}_steps")
        self.infotext_fields = [
            PasteField(steps, "Steps", api="steps"),
            PasteField(sampler, "Sampler", api="sampler_name"),
            PasteField(schedule, "Schedule type", api="scheduler"),
        ]
        return steps, sampler, schedule

    def setup(self, p, steps, sampler, schedule):
        p.steps, p.sampler_name, p.scheduler = steps, sampler, schedule


class Seed(scripts.ScriptBuiltinUI):
    section = "seed"
    create_group = False

    def title(self):
        return "Seed"

    def ui(self, is_img2img):
        seed = gr.Number(label="Seed", value=-1, elem_id=self.elem_id("seed"), precision=0)
        self.infotext_fields = [PasteField(seed, "Seed", api="seed")]
        return [seed]

    def setup(self, p, seed):
        p.seed = int(seed)
