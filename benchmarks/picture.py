"""The README's picture, from the demo's run: `python -m benchmarks.picture runs/black-blond`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from unpaired import Translator
from unpaired.media.image.demo import AVATARS

COUNT, SIDE, GAP = 12, 64, 4
OUT = Path(__file__).parent.parent / "docs" / "images" / "demo.png"


def main(run: Path) -> None:
    """For each direction a row of inputs, one of translations, and one of the way back."""
    translator = Translator.load(run)
    rows: list[list[Image.Image]] = []
    for source, target in translator.routes:
        files = sorted((AVATARS / source / "test").iterdir())[: 2 * COUNT : 2]
        given = [Image.open(file).convert("RGB") for file in files]
        there = [translator(picture, to=target) for picture in given]
        rows += [given, there, [translator(picture, to=source) for picture in there]]
    step = SIDE + GAP
    sheet = Image.new("RGB", (COUNT * step - GAP, len(rows) * step - GAP), "white")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet.paste(picture, (j * step, i * step))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(OUT, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
