"""All major calls run on one thread. A real host gives it its main thread; here it is a thread of its own, as long
as the module lives. An exception of the work is swallowed: whoever waits gets None.
"""

from __future__ import annotations

import threading
import time

lock = threading.Lock()
last_id = 0
_waiting: list[Task] = []
_finished: list[Task] = []


class Task:
    def __init__(self, task_id, func, args, kwargs):
        self.task_id, self.func, self.args, self.kwargs = task_id, func, args, kwargs
        self.result = None

    def work(self):
        try:
            self.result = self.func(*self.args, **self.kwargs)
        except Exception as error:  # noqa: BLE001 (so do the hosts)
            _stub.escaped.append(error)


class _Stub:
    """A test's view: what escaped into the loop, its thread, and its end."""

    def __init__(self):
        self.escaped: list[Exception] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=loop, name="stub main_thread", daemon=True)

    def stop(self):
        self.ended.set()
        self.thread.join(5)


def loop():
    while not _stub.ended.is_set():
        time.sleep(0.001)
        with lock:
            task = _waiting.pop(0) if _waiting else None
        if task is not None:
            task.work()
            with lock:
                _finished.append(task)


def async_run(func, *args, **kwargs):
    global last_id
    with lock:
        last_id += 1
        _waiting.append(Task(last_id, func, args, kwargs))
        return last_id


def run_and_wait_result(func, *args, **kwargs):
    task_id = async_run(func, *args, **kwargs)
    while True:
        time.sleep(0.001)
        with lock:
            done = [task for task in _finished if task.task_id == task_id]
            for task in done:
                _finished.remove(task)
        if done:
            return done[0].result


_stub = _Stub()
_stub.thread.start()
