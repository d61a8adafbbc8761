"""Clips whose motion, drift, flicker and blur are known, since they are made here."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lib_svd.video import read_frames
from lib_svd.video.ffmpeg import find_ffmpeg

ROOT = Path(__file__).parents[2]
T, WIDTH, HEIGHT = 10, 192, 128


@cache
def read_scene():
    """A photo, larger than a frame, [200, 320, 3]; not to be written to."""
    with Image.open(ROOT / "examples" / "lighthouse.jpg") as picture:
        scene = np.array(picture.convert("RGB").resize((320, 200), Image.Resampling.LANCZOS))
    scene.flags.writeable = False
    return scene


def round_levels(frames):
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def make_pan(pixels):
    """The camera goes right by so many pixels a frame, and the picture left."""
    moves = [np.float32([[1, 0, -(20 + pixels * t)], [0, 1, -30]]) for t in range(T)]
    return np.stack([cv2.warpAffine(read_scene(), move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC) for move in moves])


def make_zoom(percent):
    """The camera nears by so many percent a frame."""
    grown = [(1 + percent / 100) ** t for t in range(T)]
    moves = [np.float32([[g, 0, WIDTH / 2 - 160 * g], [0, g, HEIGHT / 2 - 100 * g]]) for g in grown]
    return np.stack([cv2.warpAffine(read_scene(), move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC) for move in moves])


def make_walker(pixels):
    """A thing of a seventh of the picture goes right before a scene that stands still."""
    frames, thing = make_pan(0), read_scene()[60:120, 200:260, ::-1]
    for t in range(T):
        frames[t, 40:100, 20 + pixels * t : 80 + pixels * t] = thing
    return frames


def make_square(pixels):
    """A square of one colour goes right before a backdrop of one colour."""
    frames = np.full((T, HEIGHT, WIDTH, 3), (30, 60, 120), np.uint8)
    for t in range(T):
        frames[t, 40:90, 20 + pixels * t : 70 + pixels * t] = (220, 40, 40)
    return frames


def add_flicker(frames, levels):
    """Every second frame is so many levels brighter."""
    brighter = levels * (np.arange(len(frames)) % 2)
    return round_levels(frames + brighter[:, None, None, None].astype(float))


def add_drift(frames, levels):
    """Red grows by so many levels from the first frame to the last."""
    redder = np.linspace(0, levels, len(frames))[:, None, None, None] * np.array([1.0, 0, 0])
    return round_levels(frames + redder)


def fade(frames, share):
    """Darker and darker, to a share of the light."""
    return round_levels(frames * np.linspace(1, share, len(frames))[:, None, None, None])


def add_grain(frames, levels):
    """Other noise of that deviation in every frame."""
    return round_levels(frames + np.random.default_rng(0).normal(0, levels, frames.shape))


def code(frames, quality):
    """As a coder with few bits leaves them."""
    packed = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in frames]
    return np.stack([cv2.imdecode(each, cv2.IMREAD_COLOR) for each in packed])


def add_twinkle(frames, levels):
    """Every second frame is brighter in its lower left sixth."""
    brighter = np.zeros((len(frames), HEIGHT, WIDTH, 1))
    brighter[1::2, HEIGHT // 2 :, : WIDTH // 3] = levels
    return round_levels(frames + brighter)


def add_spot(frames, levels):
    """Every second frame is brighter in the middle, a quarter of it."""
    brighter = np.zeros((len(frames), HEIGHT, WIDTH, 1))
    brighter[1::2, HEIGHT // 4 : 3 * HEIGHT // 4, WIDTH // 4 : 3 * WIDTH // 4] = levels
    return round_levels(frames + brighter)


def blur(frames, sigma):
    """Sharp at first, blurred by a Gaussian of that deviation at the end."""
    deviations = np.linspace(0.01, sigma, len(frames))
    return np.stack([cv2.GaussianBlur(frame, (0, 0), each) for frame, each in zip(frames, deviations, strict=True)])


def cut(frames):
    """Another scene in the second half."""
    half = len(frames) // 2
    return np.concatenate([frames[:half], frames[half:, ::-1, ::-1]])


def dissolve(frames, share):
    """More and more of every frame is other noise than in the one before."""
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.uniform(0, 255, (HEIGHT // 4, WIDTH // 4, 3 * T)).astype(np.float32), (WIDTH, HEIGHT))
    noise = noise.reshape(HEIGHT, WIDTH, T, 3).transpose(2, 0, 1, 3)
    weight = np.linspace(0, share, T)[:, None, None, None]
    return round_levels((1 - weight) * frames + weight * noise)


def close(frames):
    """Forth and back: the last frame goes over into the first."""
    return np.concatenate([frames, frames[-2:0:-1]])


def repeat(frames, *times):
    """Each frame is shown so many times, in turn: as a clip of few frames a second is stored at many."""
    return frames.repeat(np.resize(times, len(frames)), 0)


def code_as_video(frames, folder, quality):
    """As H.264 of that constant rate factor leaves them."""
    path, size = folder / "clip.mp4", f"{frames.shape[2]}x{frames.shape[1]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", "pipe:0"]
    coder = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(quality), "-threads", "1"]
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *raw, *coder, path], input=frames.tobytes(), check=True)
    return read_frames(path)[0]
