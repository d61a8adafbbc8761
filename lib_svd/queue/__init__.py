"""The queue of jobs: added by the tab and by programs, made one after the other, kept on disk until they have ended."""

from lib_svd.queue.job import Job, State
from lib_svd.queue.kinds import KINDS
from lib_svd.queue.live import Live
from lib_svd.queue.queue import JobQueue, NoSuchJob

__all__ = ["KINDS", "Job", "JobQueue", "Live", "NoSuchJob", "State"]
