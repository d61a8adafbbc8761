"""One heavy call at a time. An error of a button's work becomes a line of HTML in its last output."""

from __future__ import annotations

import html
import time
from functools import wraps

from modules import fifo_lock, shared

queue_lock = fifo_lock.FIFOLock()


def wrap_queued_call(func):
    def queued(*given, **named):
        with queue_lock:
            return func(*given, **named)

    return queued


def wrap_gradio_gpu_call(func, extra_outputs=None):
    @wraps(func)
    def queued(*given, **named):
        from modules import progress

        first = given[0] if given else None
        task = first if isinstance(first, str) and first.startswith("task(") and first.endswith(")") else None
        if task:
            progress.add_task_to_queue(task)
        with queue_lock:
            shared.state.begin(job=task)
            progress.start_task(task)
            try:
                result = func(*given, **named)
                progress.record_results(task, result)
            finally:
                progress.finish_task(task)
            shared.state.end()
        return result

    return wrap_gradio_call(queued, extra_outputs=extra_outputs, add_stats=True)


def wrap_gradio_call(func, extra_outputs=None, add_stats=False):
    @wraps(func)
    def shown(*given, **named):
        began = time.perf_counter()
        try:
            outputs = list(func(*given, **named))
        except Exception as error:  # noqa: BLE001 (a host shows every error in its page)
            text = html.escape(f"{type(error).__name__}: {error}")
            outputs = [*(extra_outputs or [None, ""]), f"<div class='error'>{text}</div>"]
        finally:
            state = shared.state
            state.skipped = state.interrupted = state.stopping_generation = False
            state.job, state.job_count = "", 0
        if add_stats:
            outputs[-1] = (outputs[-1] or "") + f"<div class='performance'>{time.perf_counter() - began:.1f} sec.</div>"
        return tuple(outputs)

    return shown
