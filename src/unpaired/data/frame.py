"""From a picture of any size to the square that networks see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.media.image import Floats, Picture, read, resize, to_tensor, with_bits, with_channels
from unpaired.settings import DataSettings

_LONGEST = 16
Fitted = npt.NDArray[Any]
"""A picture at the scale of training, (H, W, C), sides at least the trained size: uint8 0..255, or float32 in [-1, 1]
for domains of more than 8 bits.
"""


def load(path: Path, domain: Domain, data: DataSettings, channels: int, training: bool) -> Fitted:
    """Read a file and bring it to the scale of training (resolved framing); raises UnreadableFile.

    scale: the shorter side becomes `size`, in training `size * jitter`. crop: the picture's own scale, enlarged only
    where it is smaller than `size`.
    """
    side = round(data.size * data.jitter) if training and data.framing == "scale" else data.size
    picture = read(path, side if data.framing == "scale" else None)
    return fit(picture, domain, channels, side, data.framing == "scale")


def fit(picture: Picture, domain: Domain, channels: int, side: int, shrink: bool) -> Fitted:
    """The picture over white with `channels` channels, its shorter side `side` (if `shrink`) or at least `side`.

    Of pictures more than 16 times as long as wide only the middle is kept.
    """
    picture = with_bits(picture, domain.bits)
    eight = domain.bits == 8
    pixels = _middle(_over_white(picture) if eight else _in_range(picture, domain))
    height, width = pixels.shape[:2]
    factor = side / min(height, width)
    if shrink or factor > 1:
        pixels = resize(pixels, max(side, round(height * factor)), max(side, round(width * factor)), domain.bits)
    x = with_channels(torch.from_numpy(pixels).permute(2, 0, 1), channels)
    pixels = np.ascontiguousarray(x.permute(1, 2, 0).numpy())
    if eight:
        return np.asarray(np.rint(np.clip(pixels, 0, 255)), np.uint8)
    return np.clip(pixels, np.float32(-1), np.float32(1))


def _middle(pixels: Floats) -> Floats:
    y, x = ((n - min(n, _LONGEST * min(pixels.shape[:2]))) // 2 for n in pixels.shape[:2])
    return pixels[y : pixels.shape[0] - y, x : pixels.shape[1] - x]


def _over_white(picture: Picture) -> Floats:
    """Raw 8-bit values over white: as `to_tensor` does, without its detour through [-1, 1]."""
    pixels = np.nan_to_num(picture.pixels) if picture.bits == 32 else picture.pixels
    if picture.alpha is None:
        return pixels
    alpha = picture.alpha[..., None]
    return pixels * alpha + np.float32(255) * (1 - alpha)


def _in_range(picture: Picture, domain: Domain) -> Floats:
    return to_tensor(picture, picture.pixels.shape[-1], domain.low, domain.high).permute(1, 2, 0).numpy()


def cut(fitted: Fitted, size: int, top: float = 0.5, left: float = 0.5, flip: bool = False) -> Fitted:
    """The (size, size, C) square whose place is `top`, `left` in [0, 1) of what there is to choose from."""
    y = int(top * (fitted.shape[0] - size + 1))
    x = int(left * (fitted.shape[1] - size + 1))
    square = fitted[y : y + size, x : x + size]
    return square[:, ::-1] if flip else square


def tensor(squares: npt.NDArray[Any]) -> Tensor:
    """Squares (B, H, W, C) to float32 (B, C, H, W) in [-1, 1]."""
    # NumPy, since torch's threads wait for each other where cores are busy, and this runs beside decoding threads.
    planes = squares.transpose(0, 3, 1, 2)
    if squares.dtype == np.float32:
        return torch.from_numpy(np.ascontiguousarray(planes))
    x = np.multiply(planes, np.float32(2 / 255), dtype=np.float32, order="C")
    x -= 1
    return torch.from_numpy(x)
