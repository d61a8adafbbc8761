"""The command line: `python -m lib_svd animate | inspect | doctor | serve`."""

from __future__ import annotations

import importlib.util
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from lib_svd.errors import BadInput, BadOutput, BadRequest, SvdError
from lib_svd.request import FIELDS, MAX_SEED, ClipRequest, Field, read_size

F = TypeVar("F", bound=Callable[..., Any])

PROGRAM = "python -m lib_svd"
MODEL_DIRS = ("models/svd", "models")
OUTPUT_DIR = Path("output")
REFUSED, STOPPED = 2, 130  # exit codes; 130 is 128 + SIGINT, as shells have it

HELP = {
    "num_steps": "Steps of the sampler.",
    "sampler": "How noise is taken away.",
    "schedule": "Which noise levels.",
    "seed": "The same seed and settings give the same clip; random when not given.",
    "num_frames": "Frames of the clip.",
    "fps": "Frames per second.",
    "motion_bucket_id": "How much moves, 1 to 255. Start at 75; 60 is calm, 90 lively.",
    "noise_aug_strength": "Noise on the picture, 0 to 1: more lets the clip leave it. Start at 0.02.",
    "min_guidance": "How closely the first frame keeps to the picture.",
    "max_guidance": "How closely the last frame keeps to the picture: raise it where the clip drifts away.",
    "guidance_ramp": "How guidance goes from the first frame to the last.",
    "fit": "How the picture is brought to the clip's size.",
    "focus_x": "What a crop keeps in view, 0 left to 1 right.",
    "focus_y": "What a crop keeps in view, 0 top to 1 bottom.",
    "background": "Colour behind transparent pixels.",
    "decode": "exact: the same frames at any memory; reference: chunks on their own, as Stability's code.",
    "decode_chunk": "Frames decoded at a time; 0 chooses by the memory at hand.",
    "elevation": "Height of the camera in degrees (SV3D_p).",
    "orbit": "Degrees that the camera goes round the object (SV3D_p).",
}
SHORT = {
    "num_frames": "--frames",
    "num_steps": "--steps",
    "motion_bucket_id": "--motion",
    "noise_aug_strength": "--augmentation",
}
ELSEWHERE = ("width", "height", "checkpoint")  # settings with an option of their own making
DECODING = ("decode", "decode_chunk")  # settings that still matter once a clip is sampled


def setting_options(command: F) -> F:
    """An option for each setting of FIELDS; what is not given stays out of the command's `settings`."""
    for field in reversed(FIELDS):
        if field.name not in ELSEWHERE:
            names = [f"--{field.name.replace('_', '-')}", *([SHORT[field.name]] if field.name in SHORT else [])]
            choices = f" [{', '.join(field.choices)}]" if field.choices else ""
            command = click.option(*names, field.name, metavar="VALUE", help=HELP[field.name] + choices)(command)
    return command


def model_options(command: F) -> F:
    """Options of every command that takes a model."""
    for option in (
        click.option("--companion", type=Path, help="SVD file that lends what a UNet alone lacks."),
        click.option("--variant", help="Which model it is, where the file cannot tell: svd, svd_xt, svd_xt_1_1, ..."),
        click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=None, version=__import__("lib_svd").__version__, prog_name="lib_svd")
def cli() -> None:
    """Stable Video Diffusion: one still picture becomes a short clip."""


@cli.command()
@click.argument("picture", required=False, type=Path)
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out", type=Path, help="The clip, .mp4; a numbered name under output/ when not given.")
@click.option("--frames-dir", type=Path, help="Folder for the frames as PNG files too.")
@click.option("--also", multiple=True, type=click.Choice(["gif", "webp"]), help="Write a moving picture beside it too.")
@click.option("--enlarge", default="1", metavar="N", help="Show every pixel as a square of N in the video.")
@click.option(
    "--size", default=None, metavar="WxH|auto", help="Size of the clip; auto: the model's, in the picture's shape."
)
@setting_options
@click.option("--count", default="1", metavar="N", help="Make N clips, of this seed and the next ones.")
@click.option("--like", type=Path, help="Take settings from a clip, a frame or a .txt made here; options given win.")
@click.option("--save-latents", type=Path, help="Keep the latents in this file, to decode them again.")
@click.option("--from-latents", type=Path, help="Decode this file instead of animating a picture.")
@model_options
@click.option("--device", default="auto", help="auto, cuda, mps or cpu.")
@click.option("--dtype", default="auto", help="auto, float32, float16 or bfloat16.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def animate(**options: Any) -> None:
    """Animate PICTURE."""
    from lib_svd.progress import ProgressBar

    as_json = options["as_json"]
    said: set[str] = set()
    with _errors_as_json(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        clips = _from_latents(options, bar) if options["from_latents"] else _animated(options, bar, said)
        for saved in clips:
            _print_clip(saved, as_json, said)


def _animated(options: dict[str, Any], bar: Any, said: set[str]) -> Iterator[Any]:
    """The clips that the options ask for, one after the other, from one loading of the model."""
    if options["picture"] is None:
        raise BadRequest(f"Which picture? Name one: {PROGRAM} animate photo.jpg --checkpoint svd_xt.safetensors.")
    request, count = _request(options), _whole("--count", options["count"], 1000)
    if request.seed + count - 1 > MAX_SEED:
        raise BadRequest(f"Seeds end at {MAX_SEED}: choose a smaller seed or count.")
    from lib_svd.animate import animate, order
    from lib_svd.checkpoints import load

    checkpoint, host = _recognised(options, request), _host(options, bar)
    with _out(options, options["picture"]) as out:
        outs = _outs(options, out, request.seed, count)
        first = order(
            request,
            options["picture"],
            checkpoint,
            outs[0],
            frames_dir=options["frames_dir"],
            latents_path=options["save_latents"],
            copies=options["also"],
            enlarge=_whole("--enlarge", options["enlarge"], 64),
        )
        orders = [first, *(first.with_seed(request.seed + i, out) for i, out in enumerate(outs[1:], 1))]
        _say(first.notes, options["as_json"], said)
        svd = load(checkpoint, host)
        for each in orders:
            yield animate(each, host, lambda *_: svd)


def _from_latents(options: dict[str, Any], bar: Any) -> Iterator[Any]:
    _check_sampled(options)
    from dataclasses import replace

    from lib_svd.animate import decode_again
    from lib_svd.latents import load_latents

    saved = load_latents(options["from_latents"])
    saved = replace(saved, request=saved.request.with_(**_settings(options)))
    checkpoint, host = _recognised(options, saved.request), _host(options, bar)
    with _out(options, options["from_latents"]) as out:
        yield decode_again(saved, checkpoint, host, out, frames_dir=options["frames_dir"])


def _check_sampled(options: dict[str, Any]) -> None:
    """Refuse what could no longer have an effect, and would be written into the clip as if it had."""
    given = [name for name in ("size", "like", "save_latents", "also") if options[name]]
    given += [field.name for field in FIELDS if field.name not in DECODING and options.get(field.name)]
    given = [f"--{name.replace('_', '-')}" for name in given if name != "checkpoint"]
    given += [f"--{name}" for name in ("count", "enlarge") if options[name] != "1"]
    given += ["a picture"] if options["picture"] else []
    if given:
        raise BadRequest(f"--from-latents decodes what is sampled already: leave out {' and '.join(given)}.")


@cli.command()
@click.argument("checkpoint")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(checkpoint: str, as_json: bool, **options: Any) -> None:
    """Say what CHECKPOINT is, without loading it."""
    with _errors_as_json(as_json):
        from lib_svd.checkpoints import describe

        found = describe(_recognised({**options, "checkpoint": checkpoint}, ClipRequest()))
        click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _described(found))


@cli.command()
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(models: tuple[Path, ...], as_json: bool) -> None:
    """Say what this machine has: device, memory, ffmpeg, models."""
    from lib_svd.doctor import examine

    found = examine(_model_dirs(models))
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _as_lines(found))


@cli.command()
@click.option("--port", default=7870, show_default=True, help="Where the page is on this machine.")
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--out", type=Path, default=OUTPUT_DIR, show_default=True, help="Folder for clips.")
@click.option("--device", default="auto", help="auto, cuda, mps or cpu.")
@click.option("--dtype", default="auto", help="auto, float32, float16 or bfloat16.")
@click.option("--open", "opens_browser", is_flag=True, help="Open the page in a browser.")
def serve(port: int, models: tuple[Path, ...], out: Path, device: str, dtype: str, opens_browser: bool) -> None:
    """Serve a page in which clips are made, for this machine only."""
    if importlib.util.find_spec("gradio") is None:
        raise SvdError("The page needs gradio, which is not installed: run `python -m pip install 'gradio>=4.40,<5'`.")
    from lib_svd.hosts.standalone import StandaloneHost
    from lib_svd.studio import Studio
    from lib_svd.ui import standalone

    page = standalone.StandalonePage(out)
    host = StandaloneHost(
        device,
        dtype,
        model_dirs=tuple(_model_dirs(models)),
        output_dir=out,
        on_report=page.progress.report,
        options=page.choices,
        stop=page.stop,
    )
    standalone.serve(Studio(host), page, port, opens_browser=opens_browser)


def main() -> None:
    """Run the command line; every error is one line, Ctrl-C exits with 130."""
    try:
        cli(prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except SvdError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(REFUSED if isinstance(error, BadInput) else 1)


def _show(error: click.ClickException) -> None:
    """An error in the use of the command line; one without any words is answered with help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later
        error.show()
        return
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    message = (error.message or error.format_message()).rstrip(".")
    click.echo(f"Error: {message}: see {path} --help.", err=True)


def _request(options: dict[str, Any]) -> ClipRequest:
    """The request that the options describe, on top of `--like`."""
    from lib_svd.infotext import read_infotext

    like = options["like"]
    base = ClipRequest.from_infotext(read_infotext(like)) if like else ClipRequest(seed=secrets.randbelow(MAX_SEED))
    size = {} if options["size"] is None else dict(zip(("width", "height"), read_size(options["size"]), strict=True))
    return base.with_(**_settings(options), **size)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    given = ((field, options[field.name]) for field in FIELDS if field.name not in ELSEWHERE)
    return {field.name: _read(field, text) for field, text in given if text is not None}


def _read(field: Field, text: str) -> Any:
    return field.checked(field.read(text))


def _whole(option: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise BadRequest(f"{option} must be a whole number from 1 to {most}, not {text!r}.")
    return int(text)


@contextmanager
def _out(options: dict[str, Any], source: Path) -> Iterator[Path]:
    """The clip's name: as given, or the next number in a folder that is made, and taken away if nothing came there."""
    from lib_svd import video

    if options["out"] is not None:
        yield options["out"]
        return
    is_new = not OUTPUT_DIR.exists()
    try:
        if is_new:
            OUTPUT_DIR.mkdir()
    except OSError as error:
        reason = error.strerror or error
        raise BadOutput(f"The folder {OUTPUT_DIR} cannot be made here ({reason}): name the clip with --out.") from error
    try:
        yield video.free_name(OUTPUT_DIR, source.stem.removesuffix(".latents"), ".mp4")
    finally:
        if is_new and not any(OUTPUT_DIR.iterdir()):
            OUTPUT_DIR.rmdir()


def _outs(options: dict[str, Any], out: Path, seed: int, count: int) -> list[Path]:
    """A file a clip; refused together before the first one is made."""
    from lib_svd import video

    if count == 1:
        return [out]
    for name in ("frames_dir", "save_latents"):
        if options[name]:
            raise BadRequest(f"--{name.replace('_', '-')} goes with one clip, not with --count {count}.")
    outs = [out.with_name(f"{out.stem}-{seed + i}{out.suffix}") for i in range(count)]
    for each in outs:
        video.check_output(each, None)
    return outs


def _recognised(options: dict[str, Any], request: ClipRequest) -> Any:
    from lib_svd.checkpoints import DEMO, find_checkpoints, recognise, resolve

    dirs = _model_dirs(options["models"])
    name = options["checkpoint"] or request.checkpoint
    if not name:
        found = find_checkpoints(dirs)
        if len(found) != 1:
            there = ", ".join(path.name for path in found[:5]) or "none"
            raise BadRequest(f"Which model? Name one with --checkpoint; in {', '.join(map(str, dirs))}: {there}.")
        name = str(found[0])
    path = resolve(name, [*dirs, DEMO.parent])
    return recognise(path, variant=options["variant"], companion=options["companion"], search_dirs=dirs)


def _model_dirs(models: tuple[Path, ...]) -> list[Path]:
    return [Path(folder) for folder in (models or MODEL_DIRS)]


def _host(options: dict[str, Any], bar: Any) -> Any:
    from lib_svd.hosts.standalone import StandaloneHost

    return StandaloneHost(options["device"], options["dtype"], on_report=bar.report)


def _print_clip(saved: Any, as_json: bool, said: set[str]) -> None:
    clip = saved.clip
    if as_json:
        found = {
            "video": str(saved.video),
            "frames": [str(path) for path in saved.frames],
            "copies": [str(path) for path in saved.copies],
            "num_frames": len(clip.frames),
            "height": clip.frames.shape[1],
            "width": clip.frames.shape[2],
            "fps": clip.fps,
            "settings": asdict(ClipRequest.from_infotext(clip.infotext)),
            "infotext": clip.infotext,
            "seconds": {stage: round(seconds, 3) for stage, seconds in clip.seconds.items()},
            "notes": list(saved.notes),
        }
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    _say(saved.notes, as_json, said)
    count, height, width = clip.frames.shape[:3]
    took = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in clip.seconds.items())
    click.echo(f"{saved.video}: {count} frames of {width}x{height} at {clip.fps} fps. Seconds: {took}.")
    click.echo(clip.infotext)


def _say(notes: tuple[str, ...], as_json: bool, said: set[str]) -> None:
    """Each note once, on standard error; in JSON they stand beside the clip."""
    for note in notes:
        if note not in said and not as_json:
            click.echo(note, err=True)
        said.add(note)


@contextmanager
def _errors_as_json(as_json: bool) -> Iterator[None]:
    """With --json an error is JSON on standard output as well as a line on standard error."""
    try:
        yield
    except SvdError as error:
        if as_json:
            click.echo(json.dumps({"error": type(error).__name__, "message": str(error)}, ensure_ascii=False))
        raise


def _described(found: dict[str, Any]) -> str:
    million = {part: f"{count / 1e6:.1f} M" for part, count in found["parameters"].items()}
    return _as_lines(
        {
            "File": found["path"],
            "Model": f"{found['title']} ({found['family']}), {found['layout']} layout",
            "Made for": f"{found['num_frames']} frames of {found['width']}x{found['height']} at {found['fps']} fps",
            "Motion": "{lowest_motion} to {highest_motion}, {motion_bucket_id} to begin with".format(**found),
            "Guidance": f"{found['min_guidance']:g} to {found['max_guidance']:g}, {found['guidance_ramp']}",
            "Sampling": f"{found['num_steps']} steps, {found['sampler']}, {found['schedule']}",
            "Parameters": {**million, "in all": f"{found['total_parameters'] / 1e6:.1f} M"},
            "Stored as": {part: ", ".join(dtypes) for part, dtypes in found["dtypes"].items()},
            "Licence": found["licence"],
            "Commercial use": found["commercial_use"],
            "Metadata": found["metadata"] or "none",
            **({"Notes": " ".join(found["notes"])} if found["notes"] else {}),
        }
    )


def _as_lines(found: dict[str, Any], indent: str = "") -> str:
    """Names and values below each other; groups indented."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", _as_lines(value, indent + "  ")]
        elif isinstance(value, list):
            lines += [f"{indent}{name}:", *(f"{indent}  {entry}" for entry in value or ["none"])]
        else:
            lines.append(f"{indent}{name}: {value}")
    return "\n".join(lines)
