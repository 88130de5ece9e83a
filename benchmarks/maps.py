"""Make the race's task of maps: invented towns, drawn as a street map and as seen from the air.

    python -m benchmarks.maps $DATA

OUT/maps/train/STYLE and OUT/maps/test/STYLE contain pictures. No town of the training set is in both styles; those of
the test set are, under equal names. An aerial view has colors of roofs, trees, shadows and grain that a map does not
have, so the way there is ambiguous.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

STYLES = ("street", "aerial")
SCALE = 4
"""Towns are drawn at this multiple of the size and reduced, which smooths their edges."""
Point = tuple[float, float]
Color = tuple[int, int, int]
STREET: dict[str, Color] = {
    "ground": (240, 237, 229),
    "park": (200, 230, 190),
    "water": (160, 200, 235),
    "building": (217, 208, 200),
    "casing": (200, 200, 200),
    "road": (255, 255, 255),
    "highway": (250, 215, 120),
}
AERIAL: dict[str, Color] = {
    "ground": (128, 124, 96),
    "park": (68, 92, 50),
    "water": (38, 60, 72),
    "tree": (52, 74, 40),
    "shadow": (40, 40, 36),
    "casing": (110, 112, 100),
    "road": (105, 105, 108),
    "highway": (150, 148, 142),
}
ROOFS: tuple[Color, ...] = ((158, 90, 70), (176, 168, 160), (96, 92, 96), (190, 150, 120), (214, 210, 202))


@dataclass(frozen=True)
class Town:
    """Shapes in units of the picture's side, y down: polygons, and lines with their width."""

    parks: list[list[Point]]
    water: list[list[Point]]
    rivers: list[tuple[list[Point], float]]
    buildings: list[list[Point]]
    roads: list[tuple[list[Point], float]]
    highways: list[tuple[list[Point], float]]


def invent_town(rng: np.random.Generator) -> Town:
    """Draw a town by chance: a turned grid of roads with houses, parks, water, and often a highway."""
    angle, step = rng.uniform(0, np.pi / 2), rng.uniform(0.2, 0.34)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def place(points: NDArray[np.float64]) -> list[Point]:
        return [(float(x), float(y)) for x, y in points @ turn.T + 0.5]

    lines = np.arange(-1, 1.01, step) + rng.uniform(0, step)
    width = float(rng.uniform(0.03, 0.05))
    kept = [(axis, at) for axis in (0, 1) for at in lines if rng.random() < 0.85]
    roads = [(place(np.array([[-1.0, at], [1.0, at]])[:, :: 1 if axis else -1]), width) for axis, at in kept]
    parks, buildings = [], []
    for left in lines:
        for top in lines:
            corner, kind = np.array([left, top]), rng.random()
            square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * step
            if kind < 0.2:
                parks.append(place(corner + square))
            elif kind < 0.85:
                buildings += [place(corner + house) for house in invent_houses(rng, step, width)]
    rivers = [(invent_curve(rng), float(rng.uniform(0.08, 0.16)))] if rng.random() < 0.4 else []
    lakes = [invent_lake(rng)] if rng.random() < 0.35 else []
    highways = [(invent_curve(rng), float(rng.uniform(0.055, 0.08)))] if rng.random() < 0.6 else []
    return Town(parks, lakes, rivers, buildings, roads, highways)


def invent_houses(rng: np.random.Generator, step: float, width: float) -> list[NDArray[np.float64]]:
    """Draw two rows of houses in a block of `step` a side, away from roads of `width`; returns (4, 2) corners."""
    houses, inner = [], step - 1.4 * width
    count = int(rng.integers(2, 4))
    for column in range(count):
        for row in range(2):
            size = inner / np.array([count, 2]) * rng.uniform(0.5, 0.85, 2)
            corner = 0.7 * width + inner * np.array([column / count, row / 2]) + rng.uniform(0, 0.02, 2)
            houses.append(corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size)
    return houses


def invent_curve(rng: np.random.Generator) -> list[Point]:
    """Draw a smooth curve from one side of the picture to the opposite side; points in units of its side."""
    along = np.linspace(-0.1, 1.1, 30)
    across = rng.uniform(0.1, 0.9) + 0.25 * rng.normal() * (along - 0.5) + 0.08 * np.sin(6 * along + rng.uniform(0, 6))
    points = np.stack([along, across], 1)[:, :: rng.choice([-1, 1])]
    return [(float(x), float(y)) for x, y in points]


def invent_lake(rng: np.random.Generator) -> list[Point]:
    """Draw a rounded shape; points in units of the picture's side."""
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = rng.uniform(0.1, 0.22) * (1 + 0.25 * np.sin(2 * turns + rng.uniform(0, 6)))
    middle = rng.uniform(0.1, 0.9, 2)
    return [
        (float(middle[0] + r * np.cos(a)), float(middle[1] + r * np.sin(a))) for r, a in zip(radius, turns, strict=True)
    ]


class Sketch:
    """A picture of `side` pixels in which shapes are drawn in units of its side."""

    def __init__(self, side: int, ground: Color) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side), ground)
        self._draw = ImageDraw.Draw(self.image)

    def fill(self, points: Sequence[Point], color: Color, shift: float = 0.0) -> None:
        """Fill a polygon, shifted down and to the right."""
        self._draw.polygon([((x + shift) * self.side, (y + shift) * self.side) for x, y in points], color)

    def trace(self, points: Sequence[Point], width: float, color: Color) -> None:
        """Draw a line."""
        self._draw.line([(x * self.side, y * self.side) for x, y in points], color, round(width * self.side), "curve")

    def plant(self, rng: np.random.Generator, park: Color, tree: Color) -> None:
        """Draw trees: at all of 250 places that are in a park, and at 15 % of the others."""
        for x, y in rng.uniform(0, self.side, (250, 2)):
            r = rng.uniform(0.008, 0.02) * self.side
            if self.image.getpixel((int(x), int(y))) == park or rng.random() < 0.15:
                self._draw.ellipse((x - r, y - r, x + r, y + r), tree)


def draw_town(town: Town, style: str, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw a town in a style, `size` pixels a side; `rng` gives an aerial view's roofs, trees and grain."""
    aerial = style == "aerial"
    colors = AERIAL if aerial else STREET
    sketch = Sketch(size * SCALE, colors["ground"])
    for park in town.parks:
        sketch.fill(park, colors["park"])
    if aerial:
        sketch.plant(rng, colors["park"], colors["tree"])
    for building in town.buildings:
        if aerial:
            sketch.fill(building, colors["shadow"], 0.012)
        sketch.fill(building, ROOFS[rng.integers(len(ROOFS))] if aerial else colors["building"])
    for water in town.water:
        sketch.fill(water, colors["water"])
    for points, width in town.rivers:
        sketch.trace(points, width, colors["water"])
    for roads, color in ((town.roads, colors["road"]), (town.highways, colors["highway"])):
        for points, width in roads:
            sketch.trace(points, width + 0.012, colors["casing"])
        for points, width in roads:
            sketch.trace(points, width, color)
    image = add_grain(sketch.image, rng) if aerial else sketch.image
    return image.resize((size, size), Image.Resampling.BOX)


def add_grain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Vary the brightness by about 8 % in patches of about a fiftieth of the side, equally in all channels."""
    side = image.width
    noise = rng.normal(size=(50, 50))
    patches = Image.fromarray((128 + 40 * noise).clip(0, 255).astype(np.uint8)).resize((side, side))
    factor = 1 + 0.08 * (np.asarray(patches.filter(ImageFilter.GaussianBlur(1)), np.float64) - 128) / 40
    return Image.fromarray((np.asarray(image) * factor[..., None]).clip(0, 255).astype(np.uint8))


def make_task(out: Path, size: int, train: int, test: int) -> None:
    """Write train/STYLE (`train` towns each) and test/STYLE (`test` towns, the same in both styles)."""
    for style_number, style in enumerate(STYLES):
        for split, count in (("train", train), ("test", test)):
            (out / split / style).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                seed = [1, i] if split == "test" else [2 + style_number, i]
                town = invent_town(np.random.default_rng(seed))
                picture = draw_town(town, style, size, np.random.default_rng([*seed, 1]))
                picture.save(out / split / style / f"{i:03d}.png")


def main(argv: Sequence[str]) -> int:
    """Make the task's folders."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps", description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the tasks; maps/ is made in it")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--train", type=int, default=300, help="training pictures per style")
    parser.add_argument("--test", type=int, default=100, help="test pairs")
    args = parser.parse_args(argv)
    make_task(args.out / "maps", args.size, args.train, args.test)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
