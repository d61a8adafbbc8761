"""What is sent and what is answered, as OpenAPI shows it: made from the tables of settings, so that it stays true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from lib_svd.companions import NAMED
from lib_svd.finish.deliveries import DELIVERIES
from lib_svd.finish.finishing import FINISHINGS
from lib_svd.queue.kinds import KINDS
from lib_svd.settings import SETTINGS, Group, Setting, list_names
from lib_svd.speeds import SPEEDS

Schema = dict[str, Any]


class Refusal(BaseModel):
    """What went wrong, as a name and as a sentence for people."""

    error: str
    message: str


class Closed(BaseModel):
    """Why a web UI does not let somebody in."""

    detail: str


class ClipShown(BaseModel):
    """A clip that was made: where it is, and with which settings."""

    path: str
    frames: list[str]
    copies: list[str]
    num_frames: int
    width: int
    height: int
    fps: int
    settings: dict[str, Any]
    infotext: str
    seconds: dict[str, float]
    notes: list[str]


class ClipSent(ClipShown):
    """The same with the video itself, as base64."""

    video: str


class JobShown(BaseModel):
    """A job: where it is, and what came of it."""

    id: str
    kind: str
    title: str
    state: str = Field(description="waiting, running, done, failed or cancelled")
    position: int | None = Field(None, description="1 is made next, 0 now")
    added: str
    begun: str | None = None
    ended: str | None = None
    stage: str | None = None
    step: int | None = None
    steps: int | None = None
    progress: float = Field(description="the share of the job that is done, 0 to 1")
    eta: float | None = Field(None, description="seconds until it is done")
    preview: str | None = Field(None, description="a data URL, where it was asked for with ?preview=true")
    order: dict[str, Any]
    clips: list[ClipShown]
    error: Refusal | None = None


PICTURE: Schema = {
    "description": "the file as base64, with or without data:image/png;base64, before it; or where it is",
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
    ],
}
_ALSO: Schema = {
    "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}],
    "description": "formats to write it in too, such as gif or h265:24:slow",
}
_SWITCH: Schema = {"anyOf": [{"type": ["boolean", "null"]}, {"enum": [0, 1, "true", "false", "yes", "no", "1", "0"]}]}
_MORE: Mapping[str, Schema] = {
    "speed": {"enum": [*SPEEDS], "description": "stands for steps, sampler and schedule that are not given"},
    "frames": {**_SWITCH, "description": "save the frames as PNG files too"},
    "also": _ALSO,
    "source": {"type": ["string", "null"], "description": "the picture's own infotext, which the clip carries"},
    "clip": {"type": "string", "description": "the name of a clip of the history"},
    "frame": {"type": "integer", "minimum": -1, "description": "which frame to go on from; -1 is the last"},
    "sweep": {
        "enum": [*dict.fromkeys(each for name in list_names(Group.SWEPT) for each in (name, SETTINGS[name].word))],
        "description": "the setting that is swept, such as motion",
    },
    "values": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["number", "string"]}}],
        "description": "its values, such as [60, 75, 90] or 1-4",
    },
    "folder": {"type": "string", "description": "a folder of pictures, among those that programs may read"},
    "recursive": {**_SWITCH, "description": "take the pictures in folders of it, too"},
    "for": {
        "anyOf": [{"enum": [*DELIVERIES]}, {"type": "null"}],
        "description": "what the clip is finished for, such as social",
    },
}
_NEEDED: Mapping[str, list[str]] = {
    "animate": ["picture"],
    "extend": ["clip"],
    "sweep": ["picture", "sweep"],
    "folder": ["folder"],
    "finish": [],
}
EXAMPLES: Mapping[str, Schema] = {
    "animate": {"picture": {"path": "00001-1.png"}, "checkpoint": "svd_xt.safetensors", "motion_bucket_id": 75},
    "extend": {"kind": "extend", "clip": "clip-svd-0001.mp4"},
    "sweep": {"kind": "sweep", "picture": {"path": "00001-1.png"}, "sweep": "motion", "values": [60, 75, 90]},
    "folder": {"kind": "folder", "folder": "holiday", "motion_bucket_id": 75},
    "finish": {"kind": "finish", "clip": "clip-svd-0001.mp4", "loop": "pingpong", "smooth": "28"},
}


TOGETHER: Schema = {"dependentRequired": {"width": ["height"], "height": ["width"]}}


def describe_body(*kinds: str, with_kind: bool = False) -> Schema:
    """Describe the body of a request for jobs of these kinds, as OpenAPI has it."""
    schemas = [each for kind in kinds for each in _describe_kind(kind, with_kind)]
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    forms = [_describe_form(each) for each in schemas]
    examples = {kind: {"value": EXAMPLES[kind]} for kind in kinds}
    form = forms[0] if len(forms) == 1 else {"oneOf": forms}
    content = {"application/json": {"schema": schema, "examples": examples}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def _describe_kind(kind: str, with_kind: bool) -> list[Schema]:
    """Describe what an order of that kind may be; of a clip to be finished, by its name or with the clip itself."""
    rows = FINISHINGS if kind == "finish" else SETTINGS
    named: Schema = {"kind": {"enum": [kind, None] if kind == "animate" else [kind]}} if with_kind else {}
    if kind == "finish":
        named["video"] = {"type": "string", "description": "a clip that comes along, as base64"}
    elif "picture" in _NEEDED[kind]:
        named["picture"] = PICTURE
    for name in sorted(KINDS[kind].fields):
        named[name] = _describe_field(rows[name]) if name in rows else _MORE[name]
        for alias in rows[name].aliases if name in rows else ():
            named[alias] = {**_describe_field(rows[name]), "description": f"another name of {name}"}
    must = [*(["kind"] if with_kind and kind != "animate" else []), *_NEEDED[kind]]
    about: Schema = {"type": "object", "additionalProperties": False}
    if kind != "finish":
        return [{"title": kind, **about, "properties": named, "required": must, **TOGETHER}]
    ways = {"clip": "finish", "video": "finish a clip that is sent"}
    named_by = {way: {name: named[name] for name in named if name == way or name not in ways} for way in ways}
    return [
        {"title": title, **about, "properties": named_by[way], "required": [*must, way]} for way, title in ways.items()
    ]


def _describe_field(setting: Setting) -> Schema:
    """Describe what a setting may be."""
    if setting.name in NAMED:
        told = f"{setting.help} As a picture is sent, or by the name that a clip's settings have for it."
        return {"title": setting.label, **PICTURE, "description": told}
    about: Schema = {"title": setting.label, "description": setting.help}
    if setting.kind is bool:
        return {**about, "type": "boolean"}
    if setting.kind is str:
        kind: Schema = {"type": "string"} if setting.choices is None else {"enum": [*setting.choices]}
        pattern = {"pattern": "^#[0-9a-fA-F]{6}$"} if setting.is_colour else {}
        return _allow_null({**about, **kind, **pattern}, setting)
    low = -1 if setting.name == "seed" else setting.low  # -1 draws one
    number = "integer" if setting.kind is int else "number"
    plain: Schema = {"type": number, "minimum": low, "maximum": setting.high}
    if setting.paths is not None:
        return {**about, "anyOf": [plain, {"type": "string"}, {"type": "array", "items": plain}]}
    return _allow_null({**about, **plain}, setting)


def _allow_null(schema: Schema, setting: Setting) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]} if setting.is_open or setting.name == "seed" else schema


def _describe_form(schema: Schema) -> Schema:
    """Describe the same as a form, in which the file is one and all else is text."""
    files = {name: {"type": "string", "format": "binary"} for name in ("picture", "video", *NAMED)}
    named = {name: files.get(name, _forbid_null(each)) for name, each in schema["properties"].items()}
    return {**schema, "properties": named}


def _forbid_null(schema: Schema) -> Schema:
    """Leave null out, which a form's text cannot be: what is left to the model is not sent."""
    if None in schema.get("enum", ()):
        return {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if "null" in schema.get("type", ()):
        return {**schema, "type": next(each for each in schema["type"] if each != "null")}
    return {**schema, "anyOf": [_forbid_null(each) for each in kinds]} if kinds else schema


RESPONSES: Mapping[int, Schema] = {
    401: {"model": Refusal | Closed, "description": "A password is asked for."},
    403: {"model": Refusal | Closed, "description": "Another site asked for it."},
    404: {"model": Refusal, "description": "There is no such job."},
    409: {"model": Refusal, "description": "It was stopped, or cannot be done now."},
    411: {"model": Refusal, "description": "The request does not say how much is sent."},
    413: {"model": Refusal, "description": "Too much is sent."},
    422: {"model": Refusal, "description": "It cannot be done, and the sentence says why."},
    429: {"model": Refusal, "description": "Too many jobs wait: ask again after the seconds of Retry-After."},
    500: {"model": Refusal, "description": "It could not be done, and the sentence says why."},
}


def list_answers(good: int, model: Any, *others: int) -> dict[int | str, Any]:
    """List what a route may answer: JSON as a model has it, or a file of that media type."""
    is_file = isinstance(model, str)
    first: Schema = {"content": {model: {}}} if is_file else {"model": model}
    return {good: first, **{status: RESPONSES[status] for status in (401, 403, *others)}}
