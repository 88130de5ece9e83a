"""Pictures side by side on one sheet, with words at the rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unpaired.media.image import Floats, from_tensor

GAP = 4


def sheet(rows: Sequence[tuple[str, Tensor]], columns: Sequence[str] = ()) -> Floats:
    """Raw values 0..255 (H, W, 3) of a white sheet: a row for each name and its pictures (n, C, h, w) in [-1, 1].

    `columns` are words above the first row; none, or as many as pictures. All pictures have one size.
    """
    font = ImageFont.load_default()
    height, width = rows[0][1].shape[-2:]
    line = round(font.getbbox("Ag")[3]) + GAP
    left = max(round(font.getlength(name)) for name, _ in rows) + 2 * GAP
    most = max(len(pictures) for _, pictures in rows)
    over = max((round(font.getlength(word)) for word in columns[-1:]), default=0)
    top = line if columns else GAP
    across = max((most - 1) * (width + GAP) + over, most * (width + GAP))
    page = Image.new("RGB", (left + across, top + len(rows) * (height + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for i, word in enumerate(columns):
        pen.text((left + i * (width + GAP), 0), word, fill="black", font=font)
    for j, (name, pictures) in enumerate(rows):
        y = top + j * (height + GAP)
        pen.text((GAP, y + (height - line) // 2), name, fill="black", font=font)
        for i, picture in enumerate(pictures):
            eight = np.rint(from_tensor(picture, 0, 255, color=True)).astype(np.uint8)
            page.paste(Image.fromarray(eight), (left + i * (width + GAP), y))
    return np.asarray(page, np.float32)
