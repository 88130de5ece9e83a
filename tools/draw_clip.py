"""Draw the picture of docs/video.md: frames of a clip, and of its translations by a run without and with the filter.

    python -m tools.draw_clip RUN docs/images/video.png

The clip is a pan and zoom over a sample avatar with black hair; RUN is that of `unpaired demo`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unpaired import Translator
from unpaired.media.demo import SAMPLES
from unpaired.media.image.image_grid import render_image_grid
from unpaired.media.image.image_io import write_image
from unpaired.translate import translate_files

SIDE, SCALE, FRAMES, SHOWN = 64, 2, 25, 6
NAMES = {"none": "each frame alone", "filter": "--deflicker filter"}


def write_pan(picture: Path, clip: Path) -> None:
    """Write a lossless clip that zooms into a picture and pans over it."""
    image = Image.open(picture).convert("RGB")
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "bgr0"
        for i in range(FRAMES):
            side = image.width * (1 - 0.3 * i / FRAMES)
            left, top = 0.8 * (image.width - side), 0.3 * (image.height - side)
            view = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(view), format="rgb24")))
        out.mux(stream.encode(None))


def read_shown(clip: Path) -> Tensor:
    """Return some evenly spaced frames of a clip, enlarged: (SHOWN, 3, H, W) in [-1, 1]."""
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    shown = np.stack([frames[round(i * (FRAMES - 1) / (SHOWN - 1))] for i in range(SHOWN)]).astype(np.float32)
    large = shown.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    return torch.from_numpy(large.transpose(0, 3, 1, 2) / 127.5 - 1)


def main() -> None:
    """Write the picture of the run to the path, both on the command line."""
    run, output = sys.argv[1:]
    translator = Translator.load(run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mkv"
        write_pan(next(iter(sorted((SAMPLES / "avatars" / "black" / "test").iterdir()))), clip)
        rows = [("clip", read_shown(clip))]
        for deflicker, title in NAMES.items():
            request = translator.resolve_request("blond", options={"deflicker": deflicker})
            translate_files(translator, [clip], folder / deflicker, request)
            rows.append((title, read_shown(folder / deflicker / clip.name)))
    names = [f"frame {round(i * (FRAMES - 1) / (SHOWN - 1)) + 1}" for i in range(SHOWN)]
    write_image(Path(output), render_image_grid(rows, names))


if __name__ == "__main__":
    main()
