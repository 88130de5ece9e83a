"""Make the samples that `unpaired demo` trains on, from the emoji task: `python -m benchmarks.samples $DATA/emoji`.

Fluent emoji (MIT), 64 px, as lossless WebP: an item is in one domain only, but for the true pairs of the test folders.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from PIL import Image

import unpaired

TRAIN, TEST = 440, 24
OUT = Path(unpaired.__file__).parent / "samples" / "emoji"


def main(data: Path) -> None:
    """Choose by a fixed seed and write."""
    chance = random.Random(0)
    names = sorted(p.name for p in (data / "test" / "3d").iterdir())
    pairs = chance.sample(names, TEST)
    for domain in ("3d", "flat"):
        train = chance.sample(sorted((data / "train" / domain).iterdir()), TRAIN)
        for part, files in (("train", train), ("test", [data / "test" / domain / name for name in pairs])):
            folder = OUT / domain / part
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                Image.open(file).convert("RGB").save(folder / f"{file.stem}.webp", lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
