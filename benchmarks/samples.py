"""Write the sample data of `unpaired demo` from the avatars data: `python -m benchmarks.samples $DATA/avatars`.

DiceBear's Adventurer avatars (CC BY 4.0), 64 px, as lossless WebP. Training items are in one domain only; the test
folders contain pairs.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from PIL import Image

import unpaired

TEST = 24
EQUAL_IDENTITIES = ("0659", "0731", "0737")
"""Identities that look the same in two hair colors."""
OUT = Path(unpaired.__file__).parent / "samples" / "avatars"


def main(data: Path) -> None:
    """Select test pairs with a fixed seed and write all samples."""
    names = sorted(p.name for p in (data / "test" / "black").iterdir() if not p.name.startswith(EQUAL_IDENTITIES))
    pairs = random.Random(0).sample(names, TEST)
    for domain in ("black", "blond"):
        train = sorted((data / "train" / domain).iterdir())
        for part, files in (("train", train), ("test", [data / "test" / domain / name for name in pairs])):
            folder = OUT / domain / part
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                picture = Image.open(file).convert("RGB")
                picture.save(folder / f"{file.stem}.webp", lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
