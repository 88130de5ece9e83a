"""Write MNIST and USPS as folders of images: `python -m benchmarks.digits_data $DATA/digits digits`.

Reads mnist.npz and usps.npz (x_train, y_train, x_test, y_test: uint8 images (N, H, W) and digits) and writes, at 32 px,
OUT/mnist/train/00000.png ..., OUT/mnist/test, and the same for usps. The label tables OUT/mnist-train-labels.csv ...
(file, label) are outside these folders, so that training does not read them.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 32
DOMAINS, PARTS = ("mnist", "usps"), ("train", "test")


def labels_file(out: Path, domain: str, part: str) -> Path:
    """Return the path of the label table of a split."""
    return out / f"{domain}-{part}-labels.csv"


def main(data: Path, out: Path) -> None:
    """Write the folders and label tables; existing files are overwritten."""
    for domain in DOMAINS:
        with np.load(data / f"{domain}.npz") as arrays:
            for part in PARTS:
                folder = out / domain / part
                folder.mkdir(parents=True, exist_ok=True)
                with labels_file(out, domain, part).open("w", encoding="utf-8", newline="") as file:
                    rows = csv.writer(file)
                    rows.writerow(["file", "label"])
                    for i, (image, label) in enumerate(zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True)):
                        name = f"{i:05}.png"
                        picture = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
                        picture.save(folder / name)
                        rows.writerow([name, int(label)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
