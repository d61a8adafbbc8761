"""What schemathesis cannot know of the API: names that are there, and how small a clip has to be to be made at once.

Schemathesis loads this by SCHEMATHESIS_HOOKS, in an environment of its own: nothing of this project is imported here.
SVD_FUZZ_PICTURE is the picture that orders get, SVD_FUZZ_FOLDER a folder of them, SVD_FUZZ_MODEL their model's name,
SVD_FUZZ_LOG the file that gets a line of JSON for every answer.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import threading
import urllib.request
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.transport.serialization import Binary

PICTURE = base64.b64encode(Path(os.environ["SVD_FUZZ_PICTURE"]).read_bytes()).decode("ascii")
MODEL, FOLDER = os.environ["SVD_FUZZ_MODEL"], os.environ["SVD_FUZZ_FOLDER"]
LOG = Path(os.environ["SVD_FUZZ_LOG"])
SMALL = {"num_frames": (1, 3), "num_steps": (1, 2), "width": (32, 64), "height": (32, 64), "cache_interval": (1, 4)}
BRIEF = {"hold_first": 0.2, "hold_last": 0.2, "length": 1.0, "times": 1.5, "size": "64x64", "smooth": "14"}
ALIASES = {
    "num_frames": "video_frames",
    "motion_bucket_id": "motion_bucket",
    "noise_aug_strength": "cond_aug",
    "decode_chunk": "decoding_t",
}
MOST_WAITING = 6  # jobs; those before are cancelled, so that nobody waits long for the end of one
MADE = ("/svd/v1/jobs", "/svd/v1/animate", "/svd/v1/finish")

UNTOLD = re.compile(
    r"There is no folder|.* has a single frame: choose a clip|\d+x\d+ is more than \d+ times the"
    r"|There is no clip|There is no SVD model yet|No model is called|There is no picture '"
    r"|This is no clip that is taken here|The clip that was sent has a single frame"
    r"|The picture must be base64 text|The video must be base64 text|This is no picture|The picture .* cannot be read"
    r"|Pictures are not fetched from addresses here"
    r"|The job is \w+: only one that waits can be moved"
    r"|Width and height must be multiples of|.* makes \d+ frames and cannot make \d+"
    r"|Guidance must not fall from|Guidance must begin below|The last frame, \d+, comes before the first"
    r"|Give width and height together"  # one of them may be null
    r"|The picture is (only|empty|not a picture that can be read here)"
    r"|A loop is made of|The (first|last) frame is to be|Of \d+ frames at most"
    r"|The poster is to be frame|Frames would be|There is no upscaler|There is no RIFE model"
    r"|\w+ is given twice, once by another program's name of it"
    r"|There is no format that is called"  # the user's own have names of their own
)
"""Why an order that the schema allows may be refused all the same: names, files, the state of a job, and what a model
can do are beyond it. Whatever else is refused is a difference between the schema and what is taken."""

rng = random.Random(0)
known: dict[str, list[str]] = {"id": [], "clip": []}
writing = threading.Lock()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put names that are there in place of most of those that are none, and make clips small."""
    about, path = case.path_parameters, case.operation.path
    if isinstance(about, dict) and "id" in about and known["id"] and rng.random() < 0.7:
        about["id"] = rng.choice(known["id"][-30:])
    if isinstance(case.query, dict) and "clip" in case.query and known["clip"] and rng.random() < 0.7:
        case.query["clip"] = rng.choice(known["clip"][-30:])
    if isinstance(case.body, dict):
        is_form = case.media_type == "multipart/form-data"
        if path in MADE:
            _bound(case.body)
        if _is_good(case) and rng.random() < 0.9:
            _name(case.body, path, is_form=is_form)
        if is_form:  # else every form with a file that a hook has changed counts as one that breaks the schema
            case._record_starting_state()
    if path in MADE:
        _keep_short(case.operation.base_url)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remember the names in an answer, and note it."""
    told = _read(response)
    jobs = told if isinstance(told, list) else [told]
    for job in (job for job in jobs if isinstance(job, dict) and "order" in job):
        known["id"].append(job["id"])
        known["clip"] += [Path(clip["path"]).name for clip in job["clips"]]
    message = told.get("message", "") if isinstance(told, dict) else ""
    row = {"asked": case.operation.label, "good": _is_good(case), "status": response.status_code, "message": message}
    with writing, LOG.open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")


@schemathesis.check
def schema_tells_all_it_can(context: Any, response: Any, case: Any) -> None:
    """Fail where an order that the schema allows is refused for a reason that the schema could have told."""
    is_sweep = isinstance(case.body, dict) and "sweep" in case.body  # what its values may be depends on the setting
    if _is_good(case) and response.status_code == 422 and not is_sweep:
        message = (_read(response) or {}).get("message", "")
        assert UNTOLD.match(message), f"the schema allows it, and yet: {message}"


def _is_good(case: Any) -> bool:
    """Tell whether a case is one that the schema allows."""
    return case.meta is not None and case.meta.generation.mode.value == "positive"


def _bound(body: dict[str, Any]) -> None:
    """Bound what a job would take; of a setting and its other name one is left, and now and then both."""
    for name, alias in ALIASES.items():
        if name in body and rng.random() < 0.95:
            body.pop(alias, None)
    for name, (low, high) in SMALL.items():
        if type(body.get(name)) in (int, float) and body[name] > high:
            body[name] = low + int(body[name]) % (high - low + 1)
    for name, value in BRIEF.items():
        if name in body and type(body[name]) is not bool and body[name] not in (0, 1, ""):
            body[name] = value


def _name(body: dict[str, Any], path: str, *, is_form: bool) -> None:
    """Name what is there in place of what is not."""
    if "picture" in body:
        body["picture"] = Binary(base64.b64decode(PICTURE)) if is_form else PICTURE
    if isinstance(body.get("checkpoint"), str) or path == "/svd/v1/memory-plan" or body.keys() & {"picture", "folder"}:
        body["checkpoint"] = MODEL
    for name, value in (("also", "gif"), ("values", "60, 75"), ("sweep", "motion"), ("folder", FOLDER)):
        if body.get(name):
            body[name] = value
    if "clip" in body and known["clip"]:
        body["clip"] = rng.choice(known["clip"][-30:])


def _keep_short(address: str) -> None:
    """Cancel what waits where too much does."""
    with urllib.request.urlopen(f"{address.rstrip('/')}/svd/v1/jobs", timeout=60) as answer:
        waiting = [job["id"] for job in json.loads(answer.read()) if job["state"] in ("waiting", "running")]
    for job in waiting[MOST_WAITING:]:
        asked = urllib.request.Request(f"{address.rstrip('/')}/svd/v1/jobs/{job}/cancel", method="POST")
        urllib.request.urlopen(asked, timeout=60).close()


def _read(response: Any) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None
