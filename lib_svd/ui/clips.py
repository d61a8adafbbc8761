"""A clip as HTML, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from lib_svd.ports import Options

SMALL, SHOWN = 200, 480
"""Pixels of the longer side: a clip smaller than the one is shown at about the other, its pixels as squares."""


def render_clip(
    url: str, size: tuple[int, int], infotext: str = "", notes: Sequence[str] = (), *, plays: str = "autoplay loop"
) -> Markup:
    """Show a clip that plays by itself, over and over, with its settings and notes.

    Args:
        url: where the browser gets the video; its `.txt` is beside it.
        size: width and height of the frames, pixels.
        infotext: the settings, "" where they are shown elsewhere.
        notes: what the user should know.
        plays: how it plays instead, see `describe_playing`.
    """
    times = SHOWN // max(size) if max(size) < SMALL else 1
    squares = Markup(' class="svd-squares" style="width: {}px"').format(times * size[0]) if times > 1 else ""
    return Markup(
        '<div class="svd-clip"><video src="{source}"{squares} {plays} muted playsinline controls></video>'
        '<p class="svd-links"><a href="{source}" download>Download clip</a>'
        '<a href="{text}" download>Download settings</a></p>{about}{notes}</div>'
    ).format(
        source=url,
        text=url.removesuffix(".mp4") + ".txt",
        squares=squares,
        plays=plays,
        about=Markup('<p class="svd-infotext infotext">{}</p>').format(infotext) if infotext else "",
        notes=render_notes(notes),
    )


def describe_playing(options: Options) -> str:
    """Say in words of HTML how clips play: by themselves and over and over, unless the settings of Neo's player say no.

    Args:
        options: of the host.
    """
    words = {"autoplay": "video_player_auto", "loop": "video_player_loop"}
    return " ".join(word for word, setting in words.items() if options[setting])


def render_notes(notes: Sequence[str]) -> Markup:
    """Show sentences as a list; "" if there are none."""
    items = join_html(Markup("<li>{}</li>").format(note) for note in notes)
    return Markup('<ul class="svd-notes">{}</ul>').format(items) if items else items


def join_html(parts: Iterable[Markup]) -> Markup:
    """Join HTML, one after the other."""
    return Markup("").join(parts)


def render_error(sentence: str) -> Markup:
    """Show why there is no clip."""
    return Markup('<div class="error">{}</div>').format(sentence)


def render_remark(sentence: str) -> Markup:
    """Show something that is no fault, such as a stop that was asked for."""
    return Markup('<p class="svd-said">{}</p>').format(sentence)


def render_time(shape: tuple[int, ...], fps: int, seconds: Mapping[str, float]) -> Markup:
    """Show what was made, [T, H, W, 3], and how long each stage took, if that is known."""
    num_frames, height, width = shape[:3]
    took = ", ".join(f"{stage} {length:.1f}" for stage, length in seconds.items())
    made = f"{num_frames} frames of {width}x{height} at {fps} fps."
    return render_remark(f"{made} Seconds: {took}." if took else made)
