"""A clip as HTML, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lib_svd.ports import Options

SMALL, SHOWN = 200, 480
"""Pixels of the longer side: a clip smaller than the one is shown at about the other, its pixels as squares."""


def clip_html(
    url: str, size: tuple[int, int], infotext: str = "", notes: Sequence[str] = (), *, plays: str = "autoplay loop"
) -> str:
    """A clip that plays by itself, over and over, with its settings and notes.

    Args:
        url: where the browser gets the video; its `.txt` is beside it.
        size: width and height of the frames, pixels.
        infotext: the settings, "" where they are shown elsewhere.
        notes: what the user should know.
        plays: how it plays instead, see `plays`.
    """
    source, text = escape(url, quote=True), escape(url.removesuffix(".mp4") + ".txt", quote=True)
    about = f'<p class="svd-infotext infotext">{escape(infotext)}</p>' if infotext else ""
    times = SHOWN // max(size) if max(size) < SMALL else 1
    squares = f' class="svd-squares" style="width: {times * size[0]}px"' if times > 1 else ""
    return (
        f'<div class="svd-clip"><video src="{source}"{squares} {plays} muted playsinline controls></video>'
        f'<p class="svd-links"><a href="{source}" download>Download clip</a>'
        f'<a href="{text}" download>Download settings</a></p>{about}{notes_html(notes)}</div>'
    )


def plays(options: Options) -> str:
    """How clips play, in words of HTML: by themselves and over and over, unless the settings of Neo's player say no.

    Args:
        options: of the host.
    """
    words = {"autoplay": "video_player_auto", "loop": "video_player_loop"}
    return " ".join(word for word, setting in words.items() if options[setting])


def notes_html(notes: Sequence[str]) -> str:
    """Sentences as a list; "" if there are none."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="svd-notes">{items}</ul>' if items else ""


def error_html(sentence: str) -> str:
    """Why there is no clip."""
    return f'<div class="error">{escape(sentence)}</div>'


def said_html(sentence: str) -> str:
    """Something that is no fault, such as a stop that was asked for."""
    return f'<p class="svd-said">{escape(sentence)}</p>'


def time_html(shape: tuple[int, ...], fps: int, seconds: Mapping[str, float]) -> str:
    """What was made, [T, H, W, 3], and how long each stage took, if that is known."""
    num_frames, height, width = shape[:3]
    took = ", ".join(f"{stage} {length:.1f}" for stage, length in seconds.items())
    made = f"{num_frames} frames of {width}x{height} at {fps} fps."
    return said_html(f"{made} Seconds: {took}." if took else made)
