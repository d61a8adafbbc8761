"""What each released model was made for: one table, and how a request is completed from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from lib_svd.checkpoints.combining import Case, check_combination
from lib_svd.engine.windows import count_windows, list_segments
from lib_svd.errors import BadRequest, spell
from lib_svd.request import ClipRequest, CompleteRequest, R
from lib_svd.settings import CONTROL, SCHEDULES, SETTINGS, Setting, list_places

CONDITIONING: dict[str, tuple[tuple[str, int], ...]] = {
    "svd": (("fps_id", 256), ("motion_bucket_id", 256), ("noise_aug_strength", 256)),
    "sv3d_u": (("noise_aug_strength", 256),),
    "sv3d_p": (("noise_aug_strength", 256), ("polars_rad", 512), ("azimuths_rad", 512)),
}
"""What the conditioning vector holds, in order: the number's name and the width of its embedding."""

STABILITY_LICENCE = "Stability AI Community License"
STABILITY_TERMS = (
    "Free for non-commercial use, and for commercial use below US$1M of yearly revenue after registering with "
    "Stability AI; above that an enterprise licence is needed. Earlier downloads came under a research licence: "
    "the licence that came with the file counts."
)
MOST_FRAMES = 4  # times what the model was trained on
MOST_AREA = 4
MOST_STEPS = {"lcm": 40}
"""Of a schedule that has so many levels and no more."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A variant of the model: what it is called and the settings it was made for."""

    name: str
    title: str
    num_frames: int = 25
    width: int = 1024  # pixels
    height: int = 576
    fps: int = 7  # frames per second; the fps_id that goes in is one less
    motion_bucket_id: int = 75  # where to start; the community's baseline
    lowest_motion: int = 1  # motion_bucket_id that it was trained on
    highest_motion: int = 255
    min_guidance: float = 1.5
    max_guidance: float = 3.0
    guidance_ramp: str = "linear"
    background: str = "#000000"  # behind what is transparent in the picture
    noise_aug_strength: float = 0.02  # standard deviation, in [-1, 1] units
    num_steps: int = 25
    sampler: str = "euler"
    schedule: str = "karras"
    conditioning: str = "svd"  # a key of CONDITIONING
    latent_rgb: tuple[
        tuple[float, ...], ...
    ] = ()  # for previews: RGB of each latent channel; empty: SD1's, see preview
    licence: str = STABILITY_LICENCE
    commercial_use: str = STABILITY_TERMS

    @property
    def vector_dim(self) -> int:
        """Width of the conditioning vector, which shapes show."""
        return sum(width for _, width in CONDITIONING[self.conditioning])

    @property
    def short_title(self) -> str:
        """What a sentence calls it: its title up to a colon."""
        return self.title.partition(":")[0]

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height that the model was trained on, pixels."""
        return self.width, self.height

    def check_given(self, names: Iterable[str]) -> None:
        """Refuse settings that somebody named and that this model has no use for.

        Raises:
            BadRequest: names the first one, and the models that it is for.
        """
        for setting in (SETTINGS[name] for name in names if name in SETTINGS):
            if not self.takes(setting):
                raise BadRequest(
                    f"{setting.called} is for {setting.only} only, and {self.short_title} has none: leave it out."
                )

    def takes(self, setting: Setting) -> bool:
        """Tell whether a setting is for this model."""
        return self.conditioning.startswith(setting.only.lower())

    @property
    def wants_objects(self) -> bool:
        """Whether it was trained on single objects before a background, which are cut out of a picture for it."""
        return self.takes(SETTINGS["cut_out"])

    def drop_foreign(self, request: R) -> R:
        """Turn off the controls of a request that are not for this model."""
        foreign = (s for s in SETTINGS.values() if CONTROL in s.groups and not self.takes(s))
        return request.replace(**{setting.name: setting.default for setting in foreign})

    def list_own_settings(self) -> dict[str, Any]:
        """Give every setting that a request may leave to the model, as it was made for."""
        return {name: getattr(self, name) for name, setting in SETTINGS.items() if setting.is_open}

    def complete(
        self, request: ClipRequest, *, grid: int, auto_size: tuple[int, int] | None = None
    ) -> tuple[CompleteRequest, tuple[str, ...]]:
        """Fill in every setting that the request leaves to the model, and check what only the model can tell.

        Args:
            request: as the user made it.
            grid: width and height are multiples of this many pixels (`NetworkConfigs.size_grid`).
            auto_size: (width, height) where the request has none, from `images.choose_working_size`; None: native size.

        Returns:
            The completed request, and sentences the user should see.

        Raises:
            BadRequest: too many frames, more steps than the schedule has levels, a size off the grid or too large.
        """
        width, height = auto_size or self.native_size
        wanted = {**self.list_own_settings(), "width": width, "height": height}
        chosen = {name: value for name in wanted if (value := getattr(request, name)) is not None}
        settings = self._carry_guidance(wanted, chosen)
        self._check_size(settings["width"], settings["height"], grid)
        _check_steps(settings["schedule"], settings["num_steps"])
        complete = CompleteRequest.of(self.drop_foreign(request.replace(**settings)))
        window = self.choose_window(complete)
        check_combination(Case(request=complete, conditioning=self.conditioning, window=window))
        notes = (*self._check_frames(complete, window), *self._check_motion(complete.motion_bucket_id))
        return complete, (*notes, *self._check_paths(complete))

    def choose_window(self, request: CompleteRequest) -> int:
        """Choose how many frames are sampled at a time: all of them, or as many as asked for or trained on where the
        clip is longer. An orbit of SV3D is one piece whatever its length, since each frame is told its own place.
        """
        most = (request.window or self.num_frames) if self.conditioning == "svd" else request.num_frames
        return min(most, request.num_frames)

    @staticmethod
    def _carry_guidance(wanted: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
        """Let one end of the guidance that the user set carry the other along, rather than cross it."""
        if "min_guidance" in chosen:
            wanted["max_guidance"] = max(wanted["max_guidance"], chosen["min_guidance"])
        if "max_guidance" in chosen:
            wanted["min_guidance"] = min(wanted["min_guidance"], chosen["max_guidance"])
        return wanted | chosen

    def _check_frames(self, request: CompleteRequest, window: int) -> tuple[str, ...]:
        """Say what becomes of more frames than the model was trained on; raises BadRequest where it cannot make so many
        at a time.
        """
        num_frames = request.num_frames
        most = MOST_FRAMES * self.num_frames
        if window > most:
            what = f"{self.short_title} makes {self.num_frames} frames and cannot make {window} at a time"
            advice = f"set {SETTINGS['num_frames'].called} to {most} at most"
            if self.conditioning == "svd":
                advice = f"set {SETTINGS['window'].called} to 0, and it will make the clip in windows"
            raise BadRequest(f"{what}: {advice}.")
        trained = f"{self.short_title} was trained on {self.num_frames} frames"
        if window > self.num_frames:
            return (f"{trained}; with {window} at a time the motion may fall apart.",)
        if num_frames > window and request.longer == "segments":
            lengths = list_segments(num_frames, window)
            longest = f"{len(lengths)} segments of {lengths[0]} at most"
            cost = f"sampling takes as long as {len(lengths)} clips of {lengths[0]} frames"
            return (f"{num_frames} frames are made in {longest}, each from the last frame on: {cost}.",)
        if num_frames > window:
            many = count_windows(num_frames, window, closed=request.ending == "loop")
            cost = f"sampling takes as long as {many} clips of {window} frames"
            return (f"{num_frames} frames are made in {many} windows of {window}: {cost}.",)
        return ()

    def _check_motion(self, motion_bucket_id: int) -> tuple[str, ...]:
        if self.lowest_motion <= motion_bucket_id <= self.highest_motion:
            return ()
        reach = f"{self.lowest_motion} to {self.highest_motion}"
        called = SETTINGS["motion_bucket_id"].called
        return (f"{self.short_title} was trained on {called} {reach}; with {motion_bucket_id} it may fall apart.",)

    def _check_paths(self, request: CompleteRequest) -> tuple[str, ...]:
        """Say how several numbers along the clip are spread over it; raises BadRequest where it has fewer frames."""
        notes = []
        for name, setting in SETTINGS.items():
            if setting.paths is None or not self.takes(setting):
                continue
            given = len(list_places(getattr(request, name)))
            if given > request.num_frames:
                few = f"{given} numbers, and the clip {request.num_frames} frames"
                raise BadRequest(
                    f"{setting.called} has {few}: give one for each frame, or fewer, which are spread evenly."
                )
            if 1 < given < request.num_frames:
                notes.append(f"{setting.called}: {given} numbers are spread evenly over {request.num_frames} frames.")
        return tuple(notes)

    def _check_size(self, width: int, height: int, grid: int) -> None:
        if width % grid or height % grid:
            near = ", ".join(f"{w}x{h}" for w in _find_nearest(width, grid) for h in _find_nearest(height, grid))
            what = spell("Width and height", "The sides of --size")
            raise BadRequest(f"{what} must be multiples of {grid} for this model: {near} come nearest.")
        if width * height > MOST_AREA * self.width * self.height:
            what = (
                f"{width}x{height} is more than {MOST_AREA} times the {self.width}x{self.height} of {self.short_title}"
            )
            raise BadRequest(f"{what}: choose a smaller {spell('size', '--size')} and upscale the clip.")


def _check_steps(schedule: str, num_steps: int) -> None:
    most = MOST_STEPS.get(schedule, num_steps)
    if num_steps > most:
        name, steps = SETTINGS["schedule"].called, SETTINGS["num_steps"].called
        advice = f"set {steps} to {most} at most, or choose another {name}"
        raise BadRequest(
            f"{name} {spell(SCHEDULES[schedule], schedule)} has {most} levels, too few for {num_steps} steps: {advice}."
        )


def _find_nearest(length: int, grid: int) -> list[int]:
    """Give the multiples of the grid on both sides of a length, pixels."""
    below = max(grid, length // grid * grid)
    return sorted({below, length if length % grid == 0 else max(grid, (length // grid + 1) * grid)})


_SVD = Family(name="svd", title="Stable Video Diffusion", num_frames=14, min_guidance=1.0, max_guidance=2.5)
_SVD_XT = Family(name="svd_xt", title="Stable Video Diffusion XT")
_SV3D = Family(
    name="sv3d_u",
    title="Stable Video 3D, orbit",
    num_frames=21,
    width=576,
    height=576,
    min_guidance=1.0,
    max_guidance=2.5,
    guidance_ramp="triangle",
    background="#ffffff",  # its training's objects stand before white (SV3D, https://arxiv.org/abs/2403.12008)
    noise_aug_strength=1e-5,
    num_steps=50,
    conditioning="sv3d_u",
)
_LCM = Family(
    name="animatelcm_svd_xt",
    title="AnimateLCM-SVD-xt",
    min_guidance=1.0,
    max_guidance=1.2,
    num_steps=4,
    sampler="lcm",
    schedule="lcm",
    commercial_use=f"Tuned from SVD-XT, whose licence applies too. {STABILITY_TERMS}",
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _SVD,
        _SVD_XT,
        replace(_SVD_XT, name="svd_xt_1_1", title="Stable Video Diffusion XT 1.1"),
        replace(_SVD, name="svd_image_decoder", title="Stable Video Diffusion, image decoder"),
        replace(_SVD_XT, name="svd_xt_image_decoder", title="Stable Video Diffusion XT, image decoder"),
        _SV3D,
        replace(_SV3D, name="sv3d_p", title="Stable Video 3D, chosen path", conditioning="sv3d_p"),
        replace(_LCM, name="animatelcm_svd", title="AnimateLCM-SVD", num_frames=14),
        _LCM,
    )
}
"""By name, as `--variant` takes it. Numbers: Stability's sampling configs and AnimateLCM's pipeline."""
