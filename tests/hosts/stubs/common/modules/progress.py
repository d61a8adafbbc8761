"""Tasks by id, and how far the running one has come."""

from __future__ import annotations

import base64
import io
import random
import string
import time
from typing import Optional

import gradio as gr
from modules import shared
from pydantic import BaseModel

current_task = None
pending_tasks: dict[str, float] = {}
finished_tasks: list[str] = []
recorded_results: list[tuple[str, object]] = []
recorded_results_limit = 2


class PendingTasksResponse(BaseModel):
    size: int
    tasks: list[str]


class ProgressRequest(BaseModel):
    id_task: Optional[str] = None  # noqa: UP045 (pydantic 1 reads annotations on Python 3.10 too)
    id_live_preview: Optional[int] = -1  # noqa: UP045
    live_preview: Optional[bool] = True  # noqa: UP045


class ProgressResponse(BaseModel):
    active: bool
    queued: bool
    completed: bool
    progress: Optional[float] = None  # noqa: UP045
    eta: Optional[float] = None  # noqa: UP045
    live_preview: Optional[str] = None  # noqa: UP045
    id_live_preview: Optional[int] = None  # noqa: UP045
    textinfo: Optional[str] = None  # noqa: UP045


def create_task_id(task_type):
    return f"task({task_type}-{''.join(random.choices(string.ascii_uppercase + string.digits, k=7))})"


def add_task_to_queue(id_job):
    pending_tasks[id_job] = time.time()


def start_task(id_task):
    global current_task
    current_task = id_task
    pending_tasks.pop(id_task, None)


def finish_task(id_task):
    global current_task
    if current_task == id_task:
        current_task = None
    finished_tasks.append(id_task)
    del finished_tasks[:-16]


def record_results(id_task, res):
    recorded_results.append((id_task, res))
    del recorded_results[:-recorded_results_limit]


def restore_progress(id_task):
    while id_task == current_task or id_task in pending_tasks:
        time.sleep(0.1)
    results = [result for task, result in recorded_results if task == id_task]
    return results[0] if results else (gr.update(), gr.update(), gr.update(), f"{id_task} is gone")


def setup_progress_api(app):
    app.add_api_route("/internal/pending-tasks", get_pending_tasks, methods=["GET"])
    return app.add_api_route("/internal/progress", progressapi, methods=["POST"], response_model=ProgressResponse)


def get_pending_tasks():
    return PendingTasksResponse(size=len(pending_tasks), tasks=list(pending_tasks))


def progressapi(req: ProgressRequest):
    seen = {
        "active": req.id_task == current_task,
        "queued": req.id_task in pending_tasks,
        "completed": req.id_task in finished_tasks,
    }
    if not seen["active"]:
        text = f"In queue: {len(pending_tasks)}" if seen["queued"] else "Waiting..."
        return ProgressResponse(**seen, id_live_preview=-1, textinfo=text)
    state = shared.state
    share = _share(state)
    elapsed = time.time() - state.time_start
    eta = elapsed / share - elapsed if share > 0 else None
    picture, number = None, req.id_live_preview
    if shared.opts.live_previews_enable and req.live_preview:
        state.set_current_image()
        if state.id_live_preview != req.id_live_preview and state.current_image is not None:
            picture, number = _as_url(state.current_image), state.id_live_preview
    return ProgressResponse(
        **seen, progress=share, eta=eta, live_preview=picture, id_live_preview=number, textinfo=state.textinfo
    )


def _share(state) -> float:
    if state.job_count <= 0:
        return 0.0
    inside = state.sampling_step / state.sampling_steps if state.sampling_steps > 0 else 0.0
    return min(1.0, (state.job_no + inside) / state.job_count)


def _as_url(image) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
