"""Draw the picture of docs/large-pictures.md: a picture translated whole, in tiles, and tile by tile without care.

    python -m tools.draw_tiles RUN docs/images/tiles.png

The picture shows sample avatars with black hair on a ramp of gray; RUN translates black hair to blond, as that of
`unpaired demo`. Tiles that do not share their statistics differ where they meet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unpaired import Translator
from unpaired.media.demo import SAMPLES
from unpaired.media.image.image_grid import render_image_grid
from unpaired.media.image.image_io import write_image

SIDE, COUNT, TILE = 64, 4, 64


def compose() -> Image.Image:
    """Return a picture with COUNT x COUNT avatars on gray that brightens to the right."""
    files = sorted((SAMPLES / "avatars" / "black" / "test").iterdir())[: COUNT * COUNT]
    ramp = np.tile(np.linspace(90, 255, SIDE * COUNT), (SIDE * COUNT, 1)).astype(np.uint8)
    sheet = Image.fromarray(ramp).convert("RGB")
    for i, file in enumerate(files):
        avatar = np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        mask = Image.fromarray((avatar.min(axis=2) < 250).astype(np.uint8) * 255)
        sheet.paste(Image.fromarray(avatar), (i % COUNT * SIDE, i // COUNT * SIDE), mask)
    return sheet


def translate(translator: Translator, picture: Image.Image, tile: int | str) -> Image.Image:
    """Translate a picture without resizing it."""
    result: Image.Image = translator(picture, to="blond", scale="native", tile=tile)
    return result.convert("RGB")


def translate_alone(translator: Translator, picture: Image.Image) -> Image.Image:
    """Translate each tile as a picture of its own."""
    out = Image.new("RGB", picture.size)
    for top in range(0, picture.height, TILE):
        for left in range(0, picture.width, TILE):
            part = picture.crop((left, top, left + TILE, top + TILE))
            out.paste(translate(translator, part, "off"), (left, top))
    return out


def to_tensor(picture: Image.Image) -> Tensor:
    """Return a picture as (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)


def main() -> None:
    """Write the picture of the run to the path, both on the command line."""
    run, output = sys.argv[1:]
    translator, picture = Translator.load(run), compose()
    whole = translate(translator, picture, "off")
    tiles = translate(translator, picture, TILE)
    difference = np.abs(np.asarray(whole, np.int16) - np.asarray(tiles, np.int16)).max()
    sys.stdout.write(f"largest difference of tiles from the whole picture: {difference}/255\n")
    columns = [picture, whole, tiles, translate_alone(translator, picture)]
    names = ["picture", "whole", f"--tile {TILE}", "tiles alone"]
    write_image(Path(output), render_image_grid([("", torch.cat([to_tensor(c) for c in columns]))], names))


if __name__ == "__main__":
    main()
