"""What several commands share: options, folders, how models are named and errors told."""

from __future__ import annotations

import json
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lib_svd.cli.terminal import tell
from lib_svd.errors import BadInput, BadRequest, SvdError, speak_in_flags
from lib_svd.finish.finishing import FINISHINGS
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS, Setting, draw_seed
from lib_svd.strangers import quote

if TYPE_CHECKING:
    from lib_svd.checkpoints import Checkpoint
    from lib_svd.hosts.standalone import Report
    from lib_svd.ports import Host

F = TypeVar("F", bound=Callable[..., Any])
Options = Mapping[str, Any]
"""What the user gave, by the name of the option; each of the type that the command declares it to be."""

PROGRAM = "python -m lib_svd"
MODEL_DIRS = ("models/svd", "models")
OUTPUT_DIR = Path("output")

MACHINE = ("checkpoint", "models", "variant", "companion", "device", "dtype", "weights", "compiled")
ELSEWHERE = ("width", "height", "checkpoint")  # settings with an option of their own making
GROUPS = ("Options", "Settings of the clip", "Model and machine")


def add_setting_options(command: F) -> F:
    """Add an option for each setting; what is not given stays out of the command's `settings`."""
    for name, setting in reversed(tuple(SETTINGS.items())):
        if name not in ELSEWHERE:
            command = click.option(*setting.flags, name, metavar="VALUE", help=_write_help(setting))(command)
    return command


def add_finishing_options(command: F) -> F:
    """Add an option for each row of what can be done to a clip; what is not given stays out of `finishing`."""
    for name, setting in reversed(tuple(FINISHINGS.items())):
        kind: dict[str, Any] = {"is_flag": True, "default": None} if setting.kind is bool else {"metavar": "VALUE"}
        also = ("--fps",) if name == "smooth" else ()  # as most know it
        command = click.option(*setting.flags, *also, name, help=_write_help(setting), **kind)(command)
    return command


def read_finishing(options: Options) -> dict[str, Any]:
    """Read what is to be done to a clip among the options, as far as it was given."""
    given = {name: options[name] for name in FINISHINGS if options[name] is not None}
    return {name: value if isinstance(value, bool) else _read(FINISHINGS[name], value) for name, value in given.items()}


def _write_help(setting: Setting) -> str:
    only = f" {setting.only} only." if setting.only else ""
    usual = "the model's own" if setting.is_open else setting.write(setting.default)
    usual = "drawn" if setting.name == "seed" else usual or "nothing"
    if setting.kind is bool:
        return f"{setting.label}. {setting.help}"
    return f"{setting.label}. {setting.help}{only} [{setting.reach}; {usual} when not given]"


ALSO = (
    "Write another format beside it too: gif, webp, apng, avif, webm, h265, av1, prores, ffv1, lossless, png16, zip, "
    "or one of docs/finishing.md; what is chosen for it stands behind colons, h265:24:slow."
)


class EncodingType(click.ParamType):
    """A format with what was chosen for it, as `video.Encoding.read` takes it."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises BadRequest where there is no such format."""
        from lib_svd.video import Encoding

        try:
            return value if isinstance(value, Encoding) else Encoding.read(value)
        except BadRequest as error:
            raise BadRequest(f"{param.opts[0] if param else 'The format'}: {error}") from error


class Grouped(click.Command):
    """A command whose help has its options in groups: its own, the clip's settings, the model and the machine.

    Attributes:
        about_clip: the title of the second group, and the options in it.
    """

    about_clip = (GROUPS[1], frozenset({"size", *SETTINGS} - {*ELSEWHERE}))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        own, (title, names), machine = GROUPS[0], self.about_clip, GROUPS[2]
        groups: dict[str, list[tuple[str, str]]] = {own: [], title: [], machine: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups[machine if param.name in MACHINE else title if param.name in names else own].append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def add_request_options(command: F) -> F:
    """Add options that describe a clip: its size, every setting, settings of a preset or of an earlier clip."""
    preset = "Begin with these settings: Baseline, Portrait, Product, Landscape, Artwork, Loop, or one of your own."
    like = "Take settings from a clip, a frame or a .txt made here; options given win."
    size = "Size of the clip; auto: the model's, in the picture's shape."
    command = click.option("--like", type=Path, help=like)(command)
    command = click.option("--preset", metavar="NAME", help=preset)(command)
    speed = "How fast: best, balanced or draft; stands for steps, sampler and schedule that are not given."
    command = click.option("--speed", metavar="NAME", help=speed)(command)
    return click.option("--size", default=None, metavar="WxH|auto", help=size)(add_setting_options(command))


def run_options(command: F) -> F:
    """Add the options of every command that runs a model: which, and where."""
    return add_model_options(add_host_options(command))


def add_host_options(command: F) -> F:
    """Add the options that say where and in what a model runs: for `make_host`."""
    weights = "float8 keeps the UNet in half the memory, rounded; auto keeps it as it computes."
    compiles = "Compile small kernels once after each start: faster on CUDA, where Triton is there."
    command = click.option("--compile", "compiled", is_flag=True, help=compiles)(command)
    command = click.option("--weights", default="auto", help=weights)(command)
    command = click.option("--dtype", default="auto", help="auto, float32, float16 or bfloat16.")(command)
    return click.option("--device", default="auto", help="auto, cuda, mps or cpu.")(command)


def apply_preset(request: ClipRequest, name: str | None) -> ClipRequest:
    """Put a preset's settings into the request; raises BadRequest where there is none of that name."""
    if name is None:
        return request
    from lib_svd.presets import Presets

    return request.replace(**Presets(OUTPUT_DIR / "presets.json").find(name).settings)


def prepare(
    options: Options, request: ClipRequest, report: Report, swept: Sequence[str] = ()
) -> tuple[ClipRequest, Checkpoint, Host]:
    """Find the model and the machine for a request, whose steps are those of the speed that is asked for.

    Args:
        options: those of `add_request_options` and `run_options`, among others.
        request: as the options describe it.
        report: is told how far a clip is.
        swept: settings that are given in another way than by options of their own.

    Raises:
        BadInput: the model is not there, or has no use for a setting that was given.
    """
    checkpoint = recognise_model(options, request)
    checkpoint.family.check_given([*read_settings(options), *swept])
    return apply_speed(request, options["speed"], checkpoint), checkpoint, make_host(options, report)


def apply_speed(request: ClipRequest, name: str | None, checkpoint: Checkpoint) -> ClipRequest:
    """Put a speed's steps into the request, where it has none; raises BadRequest where there is no such speed."""
    if name is None:
        return request
    from lib_svd.speeds import choose_steps

    chosen = choose_steps(name, checkpoint.family)
    return request.replace(**{each: value for each, value in chosen.items() if getattr(request, each) is None})


def add_video_options(command: F) -> F:
    """Add the options of every command that says in which forms a clip is written."""
    squares = "Show every pixel as a square of N in the video."
    command = click.option("--enlarge", type=click.IntRange(1, 64), default=1, metavar="N", help=squares)(command)
    return click.option("--also", multiple=True, type=EncodingType(), metavar="FORMAT", help=ALSO)(command)


def add_model_options(command: F) -> F:
    """Add the options of every command that takes a model."""
    for option in (
        click.option("--companion", type=Path, help="SVD file that lends what a UNet alone lacks."),
        click.option("--variant", help="Which model it is, where the file cannot tell: svd, svd_xt, svd_xt_1_1, ..."),
        click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times."),
    ):
        command = option(command)
    return command


def read_settings(options: Options) -> dict[str, Any]:
    """Read the settings among the options, those that were given."""
    given = ((setting, options[name]) for name, setting in SETTINGS.items() if name not in ELSEWHERE)
    return {setting.name: _read(setting, text) for setting, text in given if text is not None}


def _read(setting: Setting, text: str) -> object:
    if setting.name == "seed" and text.strip() == "-1":  # as web UIs spell a new one
        return draw_seed()
    return setting.check(setting.read(text))


def recognise_model(options: Options, request: ClipRequest) -> Checkpoint:
    """Find the model that the options name, or the request, or that is the only one there; raises BadInput."""
    from lib_svd.checkpoints import DEMO, choose, explain_no_model, find_checkpoints, is_usable, list_refusals

    dirs = list_model_dirs(options["models"])
    name = options["checkpoint"] or request.checkpoint
    if not name:
        found = [path for path in find_checkpoints(dirs) if is_usable(path, dirs)]
        if not found:
            raise explain_no_model(dirs[0], list_refusals(dirs[0], dirs))
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:5])
            raise BadRequest(f"Which model? Name one with --checkpoint; in {', '.join(map(str, dirs))}: {names}.")
        name = str(found[0])
    given = {"variant": options["variant"], "companion": options["companion"]}
    return choose(name, [*dirs, DEMO.parent], dirs, anywhere=True, **given)


def list_model_dirs(models: tuple[Path, ...]) -> list[Path]:
    """Give the folders that were named, or the usual ones."""
    return [Path(folder) for folder in (models or MODEL_DIRS)]


def make_host(options: Options, report: Report, *, chosen: MutableMapping[str, Any] | None = None, **more: Any) -> Host:
    """Make a host of this machine, with progress given to `report`.

    Args:
        options: those of `add_host_options`, among others.
        chosen: what the user chose on a page, by the name of the option; it is asked first.
        more: arguments of `make_standalone_host`.
    """
    from lib_svd.hosts.standalone import make_standalone_host

    return make_standalone_host(
        options["device"],
        options["dtype"],
        weights=options["weights"],
        on_report=report,
        options=ChainMap({} if chosen is None else chosen, {"svd_compile": options["compiled"]}),
        **more,
    )


def say(notes: tuple[str, ...], as_json: bool, said: set[str]) -> None:
    """Say each note once, on standard error; in JSON they stand beside the clip."""
    for note in notes:
        if note not in said and not as_json:
            tell(note, err=True)
        said.add(note)


@contextmanager
def _name_files() -> Iterator[None]:
    """Raise BadInput where the system refuses a file that was named."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise BadInput(f"{quote(str(error.filename))} cannot be used ({error.strerror}): name another.") from error


@contextmanager
def _name_options() -> Iterator[None]:
    """Let an error that quotes what an option was given say which: `--like old.txt is not there`."""
    try:
        yield
    except SvdError as error:
        error.args = (_put_option(str(error), click.get_current_context()),)
        raise


def _put_option(sentence: str, context: click.Context) -> str:
    """Put the option whose value a sentence quotes before it; one about an argument stays as it is."""
    given = {each: context.params.get(each.name or "") for each in context.command.params if _is_given(each, context)}
    quoted = {each: at for each, value in given.items() if (at := _find_quote(value, sentence)) is not None}
    first = min(quoted.values(), default=0)
    options = [each for each, at in quoted.items() if at == first]
    names_another = first and re.search(r"(^|\W)--[a-z]", sentence)
    if len(options) != 1 or names_another or not isinstance(options[0], click.Option):
        return sentence
    return f"{options[0].opts[-1]}{':' if first else ''} {sentence}"


def _is_given(param: click.Parameter, context: click.Context) -> bool:
    return context.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE


def _find_quote(given: object, sentence: str) -> int | None:
    """Find where a sentence quotes what was given, be it a file by its name alone, its folder or one beside it; or
    None.
    """
    if isinstance(given, tuple):
        return min((at for each in given if (at := _find_quote(each, sentence)) is not None), default=None)
    if not isinstance(given, (str, Path)) or not str(given):
        return None
    path = Path(given)
    names = [re.escape(name) for name in (str(given), quote(given), path.name, *_split_folder(path)) if name]
    beside = rf"{re.escape(path.stem)}(-\w+)?\.\w+"  # its settings, or the same clip with another seed
    found = re.search(rf"(?<![\w/.-])({'|'.join([*names, beside])})(?![\w/-])", sentence)
    return found.start() if found else None


def _split_folder(path: Path) -> list[str]:
    return [] if path.parent == Path() else [str(path.parent)]


@contextmanager
def tell_errors(as_json: bool) -> Iterator[None]:
    """Let errors name the options that they are about; with --json they are JSON on standard output as well.

    Raises:
        SvdError: what went wrong; of a file that the system cannot look at, since its name is too long, say, that.
    """
    try:
        with speak_in_flags(), _name_options(), _name_files():
            yield
    except SvdError as error:
        if as_json:
            tell(json.dumps({"error": type(error).__name__, "message": str(error)}, ensure_ascii=False))
        raise
