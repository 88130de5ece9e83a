"""Write the image grid of the README from a run of the demo: `python -m benchmarks.picture runs/black-blond`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from unpaired import Translator
from unpaired.media.image.demo import AVATARS

COUNT, SIDE, GAP = 12, 64, 4
OUT = Path(__file__).parent.parent / "docs" / "images" / "demo.png"


def main(run: Path) -> None:
    """Write rows of inputs, translations and reconstructions for each route."""
    translator = Translator.load(run)
    rows: list[list[Image.Image]] = []
    for source, target in translator.routes:
        files = sorted((AVATARS / source / "test").iterdir())[: 2 * COUNT : 2]
        inputs = [Image.open(file).convert("RGB") for file in files]
        translations = [translator(picture, to=target) for picture in inputs]
        rows += [inputs, translations, [translator(picture, to=source) for picture in translations]]
    step = SIDE + GAP
    grid = Image.new("RGB", (COUNT * step - GAP, len(rows) * step - GAP), "white")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            grid.paste(picture, (j * step, i * step))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    grid.save(OUT, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
