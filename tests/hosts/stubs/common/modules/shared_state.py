"""What is going on, for the progress bar."""

from __future__ import annotations

import threading
import time
from datetime import datetime


class State:
    skipped = False
    interrupted = False
    stopping_generation = False
    job = ""
    job_no = 0
    job_count = 0
    job_timestamp = "0"
    sampling_step = 0
    sampling_steps = 0
    current_latent = None
    current_image = None
    current_image_sampling_step = 0
    id_live_preview = 0
    textinfo = None
    time_start = None
    server_start = None

    def __init__(self):
        self.server_start = time.time()
        self._command = None
        self._commanded = threading.Event()

    @property
    def server_command(self):
        return self._command

    @server_command.setter
    def server_command(self, value):
        self._command = value
        self._commanded.set()

    @property
    def need_restart(self):
        return self._command == "restart"

    @need_restart.setter
    def need_restart(self, value):
        if value:
            self.server_command = "restart"

    def wait_for_server_command(self, timeout=None):
        if not self._commanded.wait(timeout):
            return None
        self._commanded.clear()
        command, self._command = self._command, None
        return command

    def request_restart(self):
        self.interrupt()
        self.server_command = "restart"

    def skip(self):
        self.skipped = True

    def interrupt(self):
        self.interrupted = True

    def stop_generating(self):
        self.stopping_generation = True

    def nextjob(self):
        self.job_no += 1
        self.sampling_step = 0
        self.current_image_sampling_step = 0

    def dict(self):
        names = ("skipped", "interrupted", "stopping_generation", "job", "job_count", "job_timestamp", "job_no")
        return {name: getattr(self, name) for name in (*names, "sampling_step", "sampling_steps")}

    def begin(self, job="(unknown)"):
        self.job, self.job_no, self.job_count = job, 0, -1
        self.job_timestamp = datetime.now().strftime("%Y%m%d%H%M%S")
        self.time_start = time.time()
        self.sampling_step = self.current_image_sampling_step = self.id_live_preview = 0
        self.current_latent = self.current_image = self.textinfo = None
        self.skipped = self.interrupted = self.stopping_generation = False

    def end(self):
        self.job = ""
        self.job_count = 0

    def set_current_image(self):
        """From the host's own latents, of which an extension has none."""

    def do_set_current_image(self):
        """As above."""

    def assign_current_image(self, image):
        self.current_image = image
        self.id_live_preview += 1
