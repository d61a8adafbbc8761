"""A clip as HTML, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """<style>
.svd-clip video { display: block; margin: 0 auto; max-width: 100%; max-height: 70vh; border-radius: 8px; }
.svd-clip video.svd-squares { image-rendering: pixelated; }
.svd-clip .svd-links { display: flex; gap: 1em; justify-content: center; margin: .4em 0 0; font-size: .9em; }
.svd-clip .svd-infotext { font-size: .85em; opacity: .8; overflow-wrap: anywhere; }
.svd-clip .svd-links a, .svd-about a, .svd-said a { text-decoration: underline; }
.svd-notes { margin: .3em 0; padding-left: 1.4em !important; list-style: disc outside !important; font-size: .9em; }
.svd-about, .svd-said { font-size: .9em; padding: 0 .3em; }
.svd-about summary { cursor: pointer; opacity: .8; }
[id^="svd_clip_"] .error { color: #dc2626; font-weight: 600; }
.dark [id^="svd_clip_"] .error { color: #f87171; }
#svd_clip_gallery .grid-wrap { min-height: 240px; max-height: 380px; }
#svd_clip_infotext textarea { field-sizing: content; }
.svd-measures { width: 100%; font-size: .85em; border-collapse: collapse; }
.svd-measures, .svd-measures :is(tr, th, td) { border: none !important; background: none !important; }
.svd-measures th { text-align: left; padding: .5em 0 0 !important; }
.svd-measures td { padding: .1em .6em .1em 0 !important; vertical-align: middle; }
.svd-measures td:first-child { white-space: nowrap; }
.svd-measures svg { display: block; margin: 2px 0; max-width: 16vw; }
:is(.svd-measures, .svd-card, .svd-compare) .svd-fault { color: #b45309; font-weight: 600; }
.dark :is(.svd-measures, .svd-card, .svd-compare) .svd-fault { color: #f59e0b; }
.svd-marks { padding: .6em !important; }
.svd-marks .wrap { gap: .2em !important; flex-wrap: nowrap !important; }
.svd-marks .wrap label { position: relative; gap: 0 !important; padding: .3em .45em !important; }
.svd-marks .wrap label span { margin: 0 !important; }
.svd-marks .wrap label input { position: absolute !important; opacity: 0; pointer-events: none; }
.svd-marks .wrap label:has(:checked) { border-color: var(--color-accent) !important; font-weight: 700;
  box-shadow: 0 0 0 2px var(--color-accent) !important; }
.svd-marks .wrap label:has(:focus-visible) { outline: 2px solid currentColor; }
.svd-scrolled { overflow-x: auto; padding: .3em; }
.svd-row > .form { flex-grow: 1; }
.svd-row > .form > .block:not(.svd-marks) { min-width: min(170px, 100%) !important; }
.svd-row > button { align-self: end; }
.svd-row .head { display: grid !important; grid-template-columns: 1fr auto; align-items: start; }
.svd-row .head label { display: contents; }
.svd-row .head input { grid-area: 1 / 2; min-width: 0; max-width: 5.5em; }
.svd-row .head label > div { grid-area: 2 / 1 / auto / -1; }
.svd-row:has([id$="_auto_size"] :checked) :is([id$="_width"], [id$="_height"]) { display: none !important; }
.svd-about-measures { font-size: .85em; margin: .4em 0; }
.svd-about-measures summary { cursor: pointer; opacity: .8; }
.svd-about-measures dt { font-weight: 600; margin-top: .4em; }
.svd-about-measures dd { margin: 0; }
.svd-buttons { gap: .4em !important; }
.svd-buttons button { padding: .3em !important; white-space: nowrap; min-width: max-content !important; }
/* Forge has its scripts in a group, which takes room and corners from all that is in it. */
:is(#txt2img_svd, #img2img_svd) { --layout-gap: .6em; --button-small-radius: var(--radius-lg); --block-radius: 8px; }
.svd-tight { flex-grow: 0 !important; }
.svd-hidden { display: none !important; }
/* Gradio 6 gives HTML room all round and its classes twice, pictures no more than their pixels, the gallery a border,
   and on a telephone sliders gaps. */
:is([id^="svd_clip_"], #txt2img_svd, #img2img_svd) .html-container { padding: 0 !important; }
.svd-about .svd-about { font-size: inherit; padding: 0; }
#svd_clip_seen img { width: 100%; height: 100%; object-fit: contain; }
.styler > #svd_clip_gallery { border-width: 0 !important; }
.svd-row .head .tab-like-container { grid-area: 1 / 2; margin: 0 !important; }
.svd-row .head:has(.tab-like-container) { row-gap: 0 !important; }
.svd-crop-area { position: absolute; overflow: hidden; pointer-events: none; display: none; z-index: 1; }
.svd-crop-frame { position: absolute; box-sizing: border-box; border: 2px solid white; cursor: move; touch-action: none;
    pointer-events: auto; box-shadow: 0 0 0 9999px rgb(0 0 0 / 55%), inset 0 0 0 1px rgb(0 0 0 / 50%); }
.svd-crop-frame i { position: absolute; width: 16px; height: 16px; background: white; border: 1px solid black; }
.svd-crop-frame i:nth-child(1) { left: -2px; top: -2px; cursor: nwse-resize; }
.svd-crop-frame i:nth-child(2) { right: -2px; top: -2px; cursor: nesw-resize; }
.svd-crop-frame i:nth-child(3) { left: -2px; bottom: -2px; cursor: nesw-resize; }
.svd-crop-frame i:nth-child(4) { right: -2px; bottom: -2px; cursor: nwse-resize; }
.svd-chosen::after { content: " " attr(data-count) " chosen."; }
.svd-chosen[data-count="0"]::after { content: " Click on clips to choose them."; }
.svd-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: .7em; }
.svd-cards .svd-card { display: flex; flex-direction: column; gap: .15em; padding: .5em; text-align: left;
  font-size: .85em; line-height: 1.35; cursor: pointer; overflow-wrap: anywhere;
  color: var(--body-text-color); background: var(--background-fill-secondary);
  border: 2px solid var(--border-color-primary); border-radius: 8px; }
.svd-cards .svd-card:is(:hover, :focus-visible) { border-color: var(--body-text-color-subdued); }
.svd-cards .svd-card[aria-pressed="true"] { border-color: var(--color-accent);
  box-shadow: 0 0 0 2px var(--color-accent); }
.svd-card video { width: 100%; height: 140px; object-fit: contain; background: #000; border-radius: 5px; }
.svd-name { font-weight: 600; margin-top: .3em; }
.svd-card .svd-dim { color: var(--body-text-color-subdued); }
.svd-note { font-style: italic; }
:is(.svd-card, .svd-compare) .svd-squares { image-rendering: pixelated; }
.svd-compare { padding: .5em; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.svd-compare summary { cursor: pointer; font-weight: 600; }
.svd-side { display: flex; gap: .7em; margin: .5em 0; }
.svd-side figure { flex: 1; min-width: 0; margin: 0; }
.svd-side video { width: 100%; max-height: 60vh; background: #000; border-radius: 8px; }
.svd-compare table { width: 100%; font-size: .85em; border-collapse: collapse; table-layout: fixed; }
.svd-compare :is(th, td) { padding: .15em .5em !important; border: none !important; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.svd-compare :is(table, tr) { border: none !important; }
.svd-compare tr { border-bottom: 1px solid var(--border-color-primary) !important; }
.svd-differs td { background: color-mix(in srgb, var(--color-accent) 18%, transparent) !important; font-weight: 600; }
</style>"""
"""The one place for looks; web UIs bring the rest."""


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
        f'{STYLE}<div class="svd-clip"><video src="{source}"{squares} {plays} muted playsinline controls></video>'
        f'<p class="svd-links"><a href="{source}" download>Download clip</a>'
        f'<a href="{text}" download>Download settings</a></p>{about}{notes_html(notes)}</div>'
    )


def plays(option: Callable[[str, Any], Any]) -> str:
    """How clips play, in words of HTML: by themselves and over and over, unless the settings of Neo's player say no.

    Args:
        option: gives a setting of the web UI, or the default that it is given.
    """
    words = {"autoplay": "video_player_auto", "loop": "video_player_loop"}
    return " ".join(word for word, setting in words.items() if option(setting, True))


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
