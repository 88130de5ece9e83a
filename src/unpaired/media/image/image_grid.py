"""Grid of pictures with labels for rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.image_tensors import from_tensor

GAP_PIXELS = 4


def render_image_grid(rows: Sequence[tuple[str, Tensor]], column_labels: Sequence[str] = ()) -> FloatArray:
    """Render a grid on white as raw values (H, W, 3) in [0, 255].

    Each row has a name and its pictures (n, C, h, w) in [-1, 1]. `column_labels` appear above the first row: none, or
    one per column. All pictures must have the same size.
    """
    font = ImageFont.load_default()
    height, width = rows[0][1].shape[-2:]
    line_height = round(font.getbbox("Ag")[3]) + GAP_PIXELS
    left = max(round(font.getlength(name)) for name, _ in rows) + 2 * GAP_PIXELS
    max_columns = max(len(images) for _, images in rows)
    last_label_width = max((round(font.getlength(label)) for label in column_labels[-1:]), default=0)
    top = line_height if column_labels else GAP_PIXELS
    row_width = max((max_columns - 1) * (width + GAP_PIXELS) + last_label_width, max_columns * (width + GAP_PIXELS))
    canvas = Image.new("RGB", (left + row_width, top + len(rows) * (height + GAP_PIXELS)), "white")
    pen = ImageDraw.Draw(canvas)
    for i, label in enumerate(column_labels):
        pen.text((left + i * (width + GAP_PIXELS), 0), label, fill="black", font=font)
    for j, (name, images) in enumerate(rows):
        y = top + j * (height + GAP_PIXELS)
        pen.text((GAP_PIXELS, y + (height - line_height) // 2), name, fill="black", font=font)
        for i, image in enumerate(images):
            pixels = np.rint(from_tensor(image, 0, 255, is_color=True)).astype(np.uint8)
            canvas.paste(Image.fromarray(pixels), (left + i * (width + GAP_PIXELS), y))
    return np.asarray(canvas, np.float32)
