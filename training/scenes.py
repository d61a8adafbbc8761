"""Drawn scenes: shaded shapes, land, towns, things on a table and coloured clouds, as many as are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.pictures import Picture

SIDE = 256  # pixels of a scene
FINE = 2  # drawn this many times larger, against stairs
Rng = np.random.Generator
Colour = npt.NDArray[np.float64]  # RGB in [0, 1]


def draw_scene(rng: Rng) -> Picture:
    """One scene, [SIDE, SIDE, 3]."""
    drawn = KINDS[rng.integers(len(KINDS))](rng)
    return np.clip(drawn, 0, 1).astype(np.float32)


def _draw_leaves(rng: Rng) -> Picture:
    """Shapes that cover each other, few large and many small, as in pictures of nature (dead leaves: Lee 2001)."""
    palette, canvas = _choose_palette(rng), _Canvas(_make_clouds(rng, *_choose_palette(rng)[:2]))
    largest = rng.uniform(0.1, 0.35) * SIDE
    for _ in range(rng.integers(30, 160)):
        radius = max(3.0, largest / (1 + 6 * rng.random()) ** 1.5)
        canvas.draw_shape(rng, rng.uniform(0, SIDE, 2), radius, _choose_near(rng, palette))
    return canvas.make_picture()


def _land(rng: Rng) -> Picture:
    """Sky, ridges one behind the other, something round in the sky, trees or posts in front."""
    sky, haze, near, *_ = _choose_palette(rng)
    y = np.linspace(0, 1, SIDE)[:, None, None]
    canvas = _Canvas((1 - y) * sky + y * haze + 0.1 * _make_clouds(rng, sky, haze) * np.ones((SIDE, SIDE, 1)))
    canvas.draw_disc(rng.uniform(0.1, 0.9, 2) * (SIDE, SIDE / 2), rng.uniform(6, 30), np.clip(sky + 0.4, 0, 1))
    ridges = rng.integers(2, 5)
    for i in range(ridges):
        share = (i + 1) / ridges
        height = SIDE * (0.35 + 0.55 * share) + _make_ridge(rng) * SIDE * rng.uniform(0.05, 0.2)
        canvas.fill_below(height, (1 - share) * haze + share * near, _make_clouds(rng, near, haze) * 0.3)
    for _ in range(rng.integers(0, 9)):
        foot, tall = rng.uniform((0, SIDE * 0.6), (SIDE, SIDE)), rng.uniform(15, 90)
        canvas.draw_box(foot - np.array([2, tall]), foot + np.array([2, 0]), _choose_near(rng, [near * 0.5]))
        canvas.draw_disc(foot - np.array([0, tall]), tall * rng.uniform(0.1, 0.35), _choose_near(rng, [near, haze]))
    return canvas.make_picture()


def _draw_town(rng: Rng) -> Picture:
    """Houses with windows before a sky."""
    palette = _choose_palette(rng)
    canvas = _Canvas(_make_clouds(rng, palette[0], palette[1]))
    for _ in range(rng.integers(4, 14)):
        wide, tall = rng.uniform(25, 80), rng.uniform(40, 190)
        left, floor = rng.uniform(-20, SIDE), SIDE * rng.uniform(0.8, 1.05)
        wall, pane = _choose_near(rng, palette), rng.random(3)
        canvas.draw_box((left, floor - tall), (left + wide, floor), wall)
        columns, rows = rng.integers(2, 6), rng.integers(2, 9)
        pane_size = np.array([0.5 * wide / columns, 0.5 * tall / rows])
        for c in range(columns):
            for r in range(rows):
                corner = np.array([left + wide * (c + 0.25) / columns, floor - tall + tall * (r + 0.25) / rows])
                canvas.draw_box(corner, corner + pane_size, _choose_near(rng, [pane]))
        if rng.random() < 0.5:
            canvas.draw_polygon([(left - 4, floor - tall), (left + wide / 2, floor - tall - wide * 0.4),
                            (left + wide + 4, floor - tall)], wall * 0.6)  # fmt: skip
    return canvas.make_picture()


def _draw_table(rng: Rng) -> Picture:
    """Shaded balls, boxes and bottles with shadows, on a table before a wall."""
    palette = _choose_palette(rng)
    canvas = _Canvas(_make_clouds(rng, palette[0], palette[0] * 0.8))
    edge = SIDE * rng.uniform(0.4, 0.7)
    canvas.fill_below(np.full(SIDE, edge), palette[1], _make_clouds(rng, palette[1], palette[2]) * 0.2)
    for foot in sorted(rng.uniform(edge, SIDE, rng.integers(2, 8))):
        x, size, colour = rng.uniform(0, SIDE), rng.uniform(14, 55), _choose_near(rng, palette)
        canvas.draw_ellipse((x - size * 0.6, foot - size * 0.15), (x + size * 1.5, foot + size * 0.2), palette[1] * 0.5)
        kind = rng.integers(3)
        if kind == 0:
            canvas.draw_ball((x, foot - size), size, colour)
        elif kind == 1:
            canvas.draw_box((x - size / 2, foot - size), (x + size / 2, foot), colour)
            canvas.draw_polygon([(x + size / 2, foot - size), (x + size * 0.8, foot - size * 1.2),
                            (x + size * 0.8, foot - size * 0.2), (x + size / 2, foot)], colour * 0.6)  # fmt: skip
            canvas.draw_polygon([(x - size / 2, foot - size), (x - size * 0.2, foot - size * 1.2), (x + size * 0.8,
                            foot - size * 1.2), (x + size / 2, foot - size)], colour * 1.2)  # fmt: skip
        else:
            canvas.draw_box((x - size * 0.3, foot - size * 1.4), (x + size * 0.3, foot), colour)
            canvas.draw_box((x - size * 0.1, foot - size * 2), (x + size * 0.1, foot - size * 1.3), colour * 0.9)
    return canvas.make_picture()


def _draw_sky(rng: Rng) -> Picture:
    """Coloured clouds, or waves of one direction over them."""
    a, b, c, *_ = _choose_palette(rng)
    picture = _make_clouds(rng, a, b)
    if rng.random() < 0.5:
        y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        angle, count = rng.uniform(0, np.pi), rng.uniform(3, 20)
        wave = np.sin(2 * np.pi * count * (x * np.cos(angle) + y * np.sin(angle)) + 4 * _make_fractal(rng, 2.5))
        picture = picture + 0.25 * wave[..., None] * (c - 0.5)
    return picture


KINDS: tuple[Callable[[Rng], Picture], ...] = (
    _draw_leaves,
    _draw_leaves,
    _draw_leaves,
    _land,
    _draw_town,
    _draw_table,
    _draw_table,
    _draw_sky,
)
"""As often as they stand here."""


class _Canvas:
    """A picture that shapes are drawn on; places and lengths in its pixels."""

    def __init__(self, ground: Picture) -> None:
        self._image = Image.fromarray((np.clip(ground, 0, 1) * 255).astype(np.uint8)).resize((SIDE * FINE,) * 2)
        self._draw = ImageDraw.Draw(self._image)

    def make_picture(self) -> Picture:
        return np.asarray(self._image.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32) / 255

    def draw_disc(self, middle: npt.ArrayLike, radius: float, colour: Colour) -> None:
        x, y = np.asarray(middle)
        self.draw_ellipse((x - radius, y - radius), (x + radius, y + radius), colour)

    def draw_ball(self, middle: npt.ArrayLike, radius: float, colour: Colour) -> None:
        """Lit from the upper left."""
        x, y = np.asarray(middle)
        for share in np.linspace(1, 0.1, 12):
            lit = np.clip(colour * (0.5 + 0.7 * (1 - share)), 0, 1)
            self.draw_disc((x - radius * 0.3 * (1 - share), y - radius * 0.3 * (1 - share)), radius * share, lit)

    def draw_ellipse(self, a: npt.ArrayLike, b: npt.ArrayLike, colour: Colour) -> None:
        self._draw.ellipse(self._list_corners(a, b), fill=_convert_to_rgb(colour))

    def draw_box(self, a: npt.ArrayLike, b: npt.ArrayLike, colour: Colour) -> None:
        self._draw.rectangle(self._list_corners(a, b), fill=_convert_to_rgb(colour))

    def draw_polygon(self, points: npt.ArrayLike, colour: Colour) -> None:
        self._draw.polygon([tuple(p) for p in np.asarray(points) * FINE], fill=_convert_to_rgb(colour))

    def draw_shape(self, rng: Rng, middle: npt.NDArray[np.float64], radius: float, colour: Colour) -> None:
        """A disc, an ellipse, a ball or a polygon."""
        kind = rng.integers(5)
        if kind == 0:
            self.draw_ball(middle, radius, colour)
        elif kind == 1:
            reach = radius * rng.uniform(0.4, 1.2, 2)
            self.draw_ellipse(middle - reach, middle + reach, colour)
        else:
            corners = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
            reach = radius * rng.uniform(0.6, 1.2, len(corners))
            self.draw_polygon(middle + np.stack([np.cos(corners), np.sin(corners)], 1) * reach[:, None], colour)

    def fill_below(self, height: npt.NDArray[np.float64], colour: Colour, grain: Picture) -> None:
        """Fill what lies below a line, given as a y for every x."""
        mask = np.arange(SIDE)[:, None] > height[None]
        mask_image = Image.fromarray((mask * 255).astype(np.uint8)).resize(self._image.size)
        filled = (np.clip(colour + grain - grain.mean(), 0, 1) * 255).astype(np.uint8)
        self._image.paste(Image.fromarray(filled).resize(self._image.size), (0, 0), mask_image)

    @staticmethod
    def _list_corners(a: npt.ArrayLike, b: npt.ArrayLike) -> list[tuple[float, ...]]:
        return [tuple(np.asarray(a) * FINE), tuple(np.asarray(b) * FINE)]


def _convert_to_rgb(colour: Colour) -> tuple[int, ...]:
    return tuple(int(v) for v in np.clip(colour, 0, 1) * 255)


def _choose_palette(rng: Rng) -> list[Colour]:
    """Five colours that go round one of all hues, or of a few."""
    middle, reach = rng.uniform(0.2, 0.8, 3), rng.uniform(0.15, 0.5)
    return [np.clip(middle + rng.uniform(-reach, reach, 3) + rng.uniform(-0.3, 0.3), 0, 1) for _ in range(5)]


def _choose_near(rng: Rng, palette: list[Colour]) -> Colour:
    return np.clip(palette[rng.integers(len(palette))] * rng.uniform(0.7, 1.3) + rng.normal(0, 0.05, 3), 0, 1)


def _make_clouds(rng: Rng, a: Colour, b: Colour) -> Picture:
    """From one colour to the other by fractal noise, [SIDE, SIDE, 3]."""
    share = np.clip(0.5 + _make_fractal(rng, rng.uniform(1.5, 3)) * 0.3, 0, 1)[..., None]
    return (share * a + (1 - share) * b).astype(np.float32)


def _make_fractal(rng: Rng, power: float) -> npt.NDArray[np.float64]:
    """Noise of unit variance whose amplitude falls as frequency^-power, [SIDE, SIDE]."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(SIDE, SIDE)))
    field = np.fft.irfft2(noise * frequency**-power, s=(SIDE, SIDE))
    return (field - field.mean()) / field.std()


def _make_ridge(rng: Rng) -> npt.NDArray[np.float64]:
    """A line of hills, [SIDE], about -1..1."""
    return _make_fractal(rng, rng.uniform(1.5, 2.2))[0]
