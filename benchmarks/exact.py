"""Tasks with an exact truth: code transforms the pictures of any folder into the second domain.

    python -m benchmarks.exact drawing $DATA/vangogh/train/photo tasks/drawing --size 64

Every fifth picture is a test picture: `A/test` contains it unchanged and `B/test` transformed. Of the others, one half
is in `A/train` unchanged and the other half in `B/train` transformed, so that no training picture is in both domains.
With `--test FOLDER` the test pictures come from that folder, and all others are for training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.float64]
"""(H, W, 3), values in [0, 1]."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
LUMA = np.array([0.299, 0.587, 0.114])


def negative(x: Picture) -> Picture:
    """Exchange dark and light, and blur with a Gaussian of one pixel."""
    return blur(1 - x, 1.0)


def palette(x: Picture) -> Picture:
    """Rotate the channels red, green and blue; applying it two more times restores the picture."""
    return x[..., [2, 0, 1]]


def texture(x: Picture) -> Picture:
    """Overlay a weave of period 8 pixels, whose threads darken the picture by up to 40 %."""
    down, across = np.indices(x.shape[:2])
    thread = np.where((down // 4 + across // 4) % 2 == 0, down % 4, across % 4)
    return x * (1 - 0.4 * np.abs(thread - 1.5) / 1.5)[..., None]


def drawing(x: Picture) -> Picture:
    """Draw dark lines on white where the brightness changes; the colors are lost, so the way back is ambiguous."""
    gray = np.repeat((x @ LUMA)[..., None], 3, axis=2)
    down, across = np.gradient(blur(gray, 0.7)[..., 0])
    return np.repeat((1 - 4 * np.hypot(down, across)).clip(0, 1)[..., None], 3, axis=2)


def night(x: Picture) -> Picture:
    """Darken by a power of 1.5 and tint blue, with less light towards the corners."""
    down, across = np.indices(x.shape[:2]) / (np.array(x.shape[:2]) - 1).reshape(2, 1, 1) - 0.5
    light = (1 - (down**2 + across**2))[..., None]
    return np.asarray(x**1.5 * np.array([0.35, 0.45, 0.75]) * light, np.float64)


def blueprint(x: Picture) -> Picture:
    """Draw white lines on blue where `drawing` has dark ones on white."""
    return np.asarray(1 - drawing(x) * (1 - np.array([0.1, 0.25, 0.6])), np.float64)


def oil(x: Picture) -> Picture:
    """Paint with flat strokes: the median within 5 x 5 pixels, with saturated colors."""
    flat = np.asarray(to_image(x).filter(ImageFilter.MedianFilter(5)), np.float64) / 255
    gray: Picture = (flat @ LUMA)[..., None]
    return np.clip(gray + 1.6 * (flat - gray), 0, 1)


def blur(x: Picture, radius: float) -> Picture:
    """Blur with a Gaussian; the values are rounded to 8 bits."""
    return np.asarray(to_image(x).filter(ImageFilter.GaussianBlur(radius)), np.float64) / 255


TRANSFORMS: dict[str, Callable[[Picture], Picture]] = {
    "negative": negative,
    "texture": texture,
    "drawing": drawing,
    "palette": palette,
    "night": night,
    "blueprint": blueprint,
    "oil": oil,
}


def to_image(x: Picture) -> Image.Image:
    """Convert to a picture of 8 bits per channel."""
    return Image.fromarray((x.clip(0, 1) * 255).round().astype(np.uint8))


def read_picture(file: Path, size: int) -> Picture:
    """Read a file's central square at `size` pixels; transparent parts become white."""
    with Image.open(file) as opened:
        rgba = opened.convert("RGBA")
    side = min(rgba.size)
    left, top = (rgba.width - side) // 2, (rgba.height - side) // 2
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    square = flat.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(square, np.float64) / 255


def list_pictures(folder: Path) -> list[Path]:
    """Return the picture files of a folder, sorted by name; exits with a message if there are none."""
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder}: contains no pictures; expected {', '.join(sorted(SUFFIXES))}")
    return found


def make_task(task: str, source: Path, out: Path, size: int, test: Path | None = None) -> None:
    """Write `A/train`, `A/test`, `B/train` and `B/test` into `out`, unless `out` is already complete."""
    done = out / ".complete"
    if done.exists():
        return
    files = list_pictures(source)
    test_files = list_pictures(test) if test else files[::5]
    train_files = files if test else [file for i, file in enumerate(files) if i % 5]
    transform = TRANSFORMS[task]
    for split, split_files in (("train", train_files), ("test", test_files)):
        for domain in "AB":
            (out / domain / split).mkdir(parents=True, exist_ok=True)
        for i, file in enumerate(split_files):
            x = read_picture(file, size)
            if split == "test" or i % 2 == 0:
                to_image(x).save(out / "A" / split / f"{file.stem}.png")
            if split == "test" or i % 2 == 1:
                to_image(transform(x)).save(out / "B" / split / f"{file.stem}.png")
    done.touch()


def main(argv: Sequence[str]) -> int:
    """Write one task."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exact", description=__doc__)
    parser.add_argument("task", choices=TRANSFORMS)
    parser.add_argument("source", type=Path, help="folder of pictures")
    parser.add_argument("out", type=Path, help="folder to write A/ and B/ into")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures, in pixels")
    parser.add_argument("--test", type=Path, help="folder of the pictures to test with (default: every fifth)")
    args = parser.parse_args(argv)
    make_task(args.task, args.source, args.out, args.size, args.test)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
