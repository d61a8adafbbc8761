"""Every format that a clip can be written in, a row each: how ffmpeg is asked for it, and what the file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Keeps(Enum):
    """Where a file has room for the settings; the `.txt` beside the clip has them always."""

    COMMENT = "the comment of the file"
    PNG_TEXT = "a `parameters` chunk, as pictures of web UIs"
    EXIF = "EXIF, as pictures of web UIs"
    GIF_COMMENT = "the comment of the gif"
    NOTHING = "nothing: the `.txt` has them"


class Way(Enum):
    """How a format is written."""

    VIDEO = "frames through an encoder"
    PALETTE = "frames through an encoder, with one palette for all of them"
    PICTURES = "a folder of pictures"
    ZIP = "a zip of pictures"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The scale on which an encoder weighs size against looks."""

    low: float
    high: float
    usual: float
    name: str = "CRF, less is better"


@dataclass(frozen=True, kw_only=True)
class Coder:
    """An encoder of ffmpeg's, and what it is told; `{quality}`, `{preset}` and `{profile}` are filled in."""

    name: str
    says: str = ""
    pixels: str = "yuv420p"
    presets: Mapping[str, str] = field(default_factory=dict)  # what it calls a preset, where not by its name


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format."""

    title: str
    suffix: str  # how the file's name goes on after the clip's
    coders: tuple[Coder, ...] = ()  # the first one that is there is used
    muxer: str = ""  # ffmpeg's name of the container, and what that is told
    quality: Quality | None = None  # None: there is nothing to choose
    presets: tuple[str, ...] = ()  # from the fastest to the slowest, or the kinds of dithering
    usual: str = ""  # of the presets
    profiles: tuple[str, ...] = ()
    way: Way = Way.VIDEO
    keeps: Keeps = Keeps.COMMENT
    most_kept: int | None = None  # bytes of settings that fit; None: as many as there are
    is_rgb: bool = False  # colours go in as they are; else they are converted to BT.709, and tagged so
    is_even: bool = False  # both sides have to be
    is_deep: bool = False  # frames go in with 16 bits: of 8 ffmpeg makes 65,283 where 65,535 is white
    is_exact: bool = False  # every frame comes back to the bit
    has_keyframes: bool = True  # and is told to set one a second
    loops: str = ""  # what is told how often it plays
    played_by: str = ""  # in words, for whoever chooses


X264 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
SPEEDS = ("fast", "medium", "slow")
_SVT = Coder(
    name="libsvtav1",
    says="-crf {quality} -preset {preset}",
    presets={"fast": "9", "medium": "6", "slow": "4"},
)
_AOM = Coder(
    name="libaom-av1",
    says="-crf {quality} -b:v 0 -cpu-used {preset} -row-mt 1 -strict -2",
    presets={"fast": "8", "medium": "6", "slow": "4"},
)
_RAV1E = Coder(
    name="librav1e",
    says="-qp {quality} -speed {preset}",
    presets={"fast": "10", "medium": "8", "slow": "5"},
)
_MP4 = "mp4 -movflags +faststart+write_colr"  # ffmpeg before 4.3 writes the colours only when asked
_BROWSERS = "browsers, players"

MAIN = "h264"
"""The format of every clip's own video: pages play it, and the history lists it."""

_H264_CODERS = (
    Coder(name="libx264", says="-preset {preset} -crf {quality} -profile:v {profile}"),
    # what each gives at about the quality of CRF 17; the scale above means nothing to them
    Coder(name="h264_nvenc", says="-rc vbr -cq 19 -b:v 0 -profile:v high"),
    Coder(name="h264_qsv", says="-global_quality 19 -profile:v high", pixels="nv12"),  # takes no planar pictures
    Coder(name="h264_videotoolbox", says="-b:v 12M -profile:v high"),
    Coder(name="libopenh264", says="-b:v 12M -profile:v high"),
)
_H264 = Format(
    title="H.264 (mp4)",
    suffix=".mp4",
    coders=_H264_CODERS,
    muxer=_MP4,
    quality=Quality(low=1, high=51, usual=17),  # 0 is lossless, which none of the profiles can be
    presets=X264,
    usual="medium",
    profiles=("high", "main", "baseline"),
    is_even=True,
    played_by="everything",
)
_AV1 = Format(
    title="AV1 (mp4)",
    suffix=".av1.mp4",
    coders=(_SVT, _AOM, _RAV1E),
    muxer=_MP4,
    quality=Quality(low=1, high=63, usual=28),
    presets=SPEEDS,
    usual="medium",
    played_by=_BROWSERS,
)
_PRORES = Format(
    title="ProRes 422 HQ (mov)",
    suffix=".mov",
    coders=(Coder(name="prores_ks", says="-profile:v 3 -vendor apl0", pixels="yuv422p10le"),),
    muxer="mov -movflags +faststart+write_colr",
    most_kept=65_535,  # of a longer comment ffmpeg keeps what is left over of 65,536, without a word
    has_keyframes=False,
    played_by="editors, Topaz Video AI",
)
_WEBP = Format(
    title="Animated WebP",
    suffix=".webp",
    coders=(Coder(name="libwebp_anim", says="-quality {quality} -compression_level 4", pixels="bgra"),),
    muxer="webp",
    quality=Quality(low=0, high=100, usual=90, name="more is better"),
    keeps=Keeps.EXIF,
    is_rgb=True,
    has_keyframes=False,
    loops="-loop",
    played_by="browsers",
)

FORMATS: Mapping[str, Format] = {
    MAIN: _H264,
    "mkv": replace(_H264, title="H.264 (mkv)", suffix=".h264.mkv", muxer="matroska", played_by="VLC, mpv, editors"),
    "lossless": Format(
        title="H.264 without loss (mp4)",
        suffix=".lossless.mp4",
        coders=(Coder(name="libx264rgb", says="-preset {preset} -crf 0", pixels="bgr24"),),
        muxer="mp4 -movflags +faststart",
        presets=X264,
        usual="medium",
        is_rgb=True,
        is_exact=True,
        played_by="players on computers, editors",
    ),
    "h265": Format(
        title="H.265 (mp4)",
        suffix=".h265.mp4",
        coders=(Coder(name="libx265", says="-preset {preset} -crf {quality} -tag:v hvc1 -x265-params log-level=1"),),
        muxer=_MP4,
        quality=Quality(low=0, high=51, usual=20),
        presets=X264,
        usual="medium",
        is_even=True,
        played_by="Apple's programs, players, TVs; not every browser",
    ),
    "av1": _AV1,
    "webm": Format(
        title="VP9 (webm)",
        suffix=".webm",
        coders=(
            Coder(
                name="libvpx-vp9",
                says="-crf {quality} -b:v 0 -deadline good -cpu-used {preset} -row-mt 1",
                presets={"fast": "5", "medium": "2", "slow": "1"},
            ),
        ),
        muxer="webm",
        quality=Quality(low=0, high=63, usual=24),
        presets=SPEEDS,
        usual="medium",
        played_by=_BROWSERS,
    ),
    "av1-webm": replace(_AV1, title="AV1 (webm)", suffix=".av1.webm", muxer="webm"),
    "ffv1": Format(
        title="FFV1 without loss (mkv)",
        suffix=".mkv",
        coders=(Coder(name="ffv1", says="-level 3 -slicecrc 1", pixels="bgr0"),),
        muxer="matroska",
        is_rgb=True,
        is_exact=True,
        played_by="VLC, mpv, editors, archives",
    ),
    "prores": _PRORES,
    "prores4444": replace(
        _PRORES,
        title="ProRes 4444 (mov)",
        suffix=".4444.mov",
        coders=(Coder(name="prores_ks", says="-profile:v 4 -vendor apl0", pixels="yuv444p10le"),),
    ),
    "gif": Format(
        title="GIF",
        suffix=".gif",
        coders=(Coder(name="gif", pixels="pal8"),),
        muxer="gif",
        presets=("sierra2_4a", "floyd_steinberg", "bayer", "none"),
        usual="sierra2_4a",
        way=Way.PALETTE,
        keeps=Keeps.GIF_COMMENT,
        is_rgb=True,
        has_keyframes=False,
        loops="-loop",
        played_by="everything that shows pictures",
    ),
    "webp": _WEBP,
    "webp-lossless": replace(
        _WEBP,
        title="Animated WebP without loss",
        suffix=".lossless.webp",
        coders=(Coder(name="libwebp_anim", says="-lossless 1 -compression_level 4", pixels="bgra"),),
        quality=None,
        is_exact=True,
    ),
    "apng": Format(
        title="APNG, without loss",
        suffix=".apng",
        coders=(Coder(name="apng", says="-pred mixed", pixels="rgb24"),),
        muxer="apng",
        keeps=Keeps.PNG_TEXT,
        is_rgb=True,
        is_exact=True,
        has_keyframes=False,
        loops="-plays",
        played_by="browsers",
    ),
    "avif": Format(
        title="Animated AVIF",
        suffix=".avif",
        coders=(_SVT, _AOM),
        muxer="avif",
        quality=Quality(low=1, high=63, usual=24),
        presets=SPEEDS,
        usual="medium",
        keeps=Keeps.NOTHING,
        has_keyframes=False,
        loops="-loop",
        played_by="browsers",
    ),
    "png16": Format(
        title="PNG pictures of 16 bits",
        suffix=".16bit",
        coders=(Coder(name="png", says="-pred mixed", pixels="rgb48be"),),
        muxer="image2",
        way=Way.PICTURES,
        keeps=Keeps.PNG_TEXT,
        is_rgb=True,
        is_deep=True,
        is_exact=True,
        has_keyframes=False,
        played_by="editors, compositors",
    ),
    "zip": Format(
        title="PNG pictures in one zip",
        suffix=".frames.zip",
        way=Way.ZIP,
        keeps=Keeps.PNG_TEXT,
        is_rgb=True,
        is_exact=True,
        has_keyframes=False,
        played_by="editors, compositors",
    ),
}
