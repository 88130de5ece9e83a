"""Draw the picture of docs/scans.md: slices of a generated volume in three planes, with two windows.

python -m tools.draw_scans docs/images/scans.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from unpaired.media.image.image_grid import render_image_grid
from unpaired.media.image.image_io import read_image, to_network_values, write_image
from unpaired.media.image.nifti import PLANES, import_nibabel

SIDE = 120
WINDOWS = {"-1000 to 1000": (-1000, 1000), "0 to 80": (0, 80)}


def draw_head() -> npt.NDArray[np.int16]:
    """Return a volume (SIDE, SIDE, SIDE) of ellipsoids with the Hounsfield units of a head, one lesion at the left."""
    x, y, z = (axis / (SIDE / 2) - 1 for axis in np.mgrid[:SIDE, :SIDE, :SIDE])

    def is_inside(center: tuple[float, float, float], radii: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
        terms = ((p - c) ** 2 / r**2 for p, c, r in zip((x, y, z), center, radii, strict=True))
        return np.asarray(sum(terms) < 1)

    values = np.full((SIDE, SIDE, SIDE), -1000.0)
    for center, radii, units in (
        ((0, 0, 0), (0.72, 0.9, 0.85), -80),  # skin and fat
        ((0, 0.85, -0.1), (0.12, 0.14, 0.2), -80),  # nose
        ((0, 0, 0), (0.66, 0.84, 0.79), 900),  # skull
        ((0, 0, 0), (0.6, 0.78, 0.73), 34),  # brain
        ((0.12, 0.05, 0.1), (0.08, 0.35, 0.14), 8),  # ventricles
        ((-0.12, 0.05, 0.1), (0.08, 0.35, 0.14), 8),
        ((-0.34, 0.25, 0.2), (0.14, 0.16, 0.14), 62),  # lesion
    ):
        values[is_inside(center, radii)] = units
    noise = np.random.default_rng(0).normal(0, 3, values.shape)
    return np.rint(values + noise).astype(np.int16)


def main() -> None:
    """Write the picture to the path on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "head.nii.gz")
        nibabel = import_nibabel(path)
        nibabel.save(nibabel.Nifti1Image(draw_head(), np.eye(4)), path)
        names = [f"{plane}-{number:04}" for plane, number in zip(PLANES, (72, 75, 40), strict=True)]
        images = [read_image(path / name) for name in names]
    rows = [
        (title, torch.stack([torch.from_numpy(to_network_values(image, 1, *window)) for image in images]))
        for title, window in WINDOWS.items()
    ]
    write_image(Path(sys.argv[1]), render_image_grid(rows, names))


if __name__ == "__main__":
    main()
