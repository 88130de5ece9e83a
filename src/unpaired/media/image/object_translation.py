"""Translation of objects in memory by the pipeline of pictures: Pillow images, arrays and tensors."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unpaired.console import ignore_fraction
from unpaired.errors import UsageError
from unpaired.media import require_medium
from unpaired.media.image.array_io import Array, convert_array_to_image, convert_array_to_pil, convert_pil_to_array
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.image.size_adapter import create_size_adapter
from unpaired.media.image.stack_translation import PreparedStack

if TYPE_CHECKING:
    from torch import Tensor

    from unpaired.media.image.pipeline import ImagePipeline


def translate_object(
    pipeline: ImagePipeline, x: Any, sample_rate_hz: int | None = None
) -> Image.Image | Array | Tensor:
    """Translate an object in memory or a picture file to the same type (see `Translator`); raises UsageError."""
    if sample_rate_hz is not None:
        raise UsageError("a sample rate is for recordings, but this run translates pictures; omit it")
    if is_tensor(x):
        return _translate_tensor(pipeline, x)
    if isinstance(x, np.ndarray):
        return _translate_array(pipeline, x)
    if isinstance(x, Image.Image):
        image = convert_array_to_image(convert_pil_to_array(x), pipeline.channels if pipeline.reads_all_bands else None)
        item = pipeline.prepare_image(image, image.has_color)
    elif not isinstance(x, str | os.PathLike):
        raise UsageError(
            f"an object of type {type(x).__name__}; this run translates pictures: expected a path, a Pillow image, an "
            "array (H, W) or (H, W, C), or a tensor (C, H, W) or (B, C, H, W)"
        )
    else:
        require_medium(Path(x), pipeline.medium)
        item = _prepare_single(pipeline, Path(x))
    if pipeline.reads_all_bands and pipeline.channels not in (2, 4):
        raise UsageError(
            f"{x}: a Pillow image cannot hold {pipeline.channels} channels; give an array "
            f"(H, W, {pipeline.channels}), or translate the file with translate_files"
        )
    can_keep_bits = not (item.is_color or pipeline.reads_all_bands) and item.alpha is None
    return convert_array_to_pil(_translate_single(pipeline, item, item.bits if can_keep_bits else 8))


def _prepare_single(pipeline: ImagePipeline, path: Path) -> PreparedImage:
    item = pipeline.prepare_file(path)
    if isinstance(item, PreparedStack) and item.items == (None,):
        return pipeline.prepare_picture(path, item.suffix)
    if isinstance(item, PreparedStack):
        raise UsageError(
            f"{path}: contains {len(item.items)} pictures; give one of them, as {path / str(item.items[0])}, or "
            "translate the file with translate_files"
        )
    return item


def _translate_single(pipeline: ImagePipeline, item: PreparedImage, bits: int) -> Array:
    _emit_warnings(pipeline.list_size_warnings(item.adapter))
    if item.large is not None:
        return pipeline.run_large(item, bits)
    (y,) = pipeline.run_networks([item], ignore_fraction)
    return pipeline.restore_array(item, y, bits)


def _translate_array(pipeline: ImagePipeline, array: Array) -> Array:
    image = convert_array_to_image(array, pipeline.channels if pipeline.reads_all_bands else None)
    out = _translate_single(pipeline, pipeline.prepare_image(image, image.has_color), image.bits).astype(
        array.dtype, copy=False
    )
    return out[..., 0] if array.ndim == 2 and out.shape[2] == 1 else out


def _translate_tensor(pipeline: ImagePipeline, x: Tensor) -> Tensor:
    channels = pipeline.channels
    if x.ndim not in (3, 4) or x.shape[-3] != channels or 0 in x.shape or not x.is_floating_point():
        raise UsageError(
            f"a tensor of shape {tuple(x.shape)} and {x.dtype}; expected floating point "
            f"({channels}, H, W) or (B, {channels}, H, W)"
        )
    low, high = x.min().item(), x.max().item()
    if not -1.01 <= low <= high <= 1.01:
        raise UsageError(f"a tensor with values from {low:g} to {high:g}; expected -1 to 1")
    adapter = create_size_adapter(x.shape[-2], x.shape[-1], pipeline.size, pipeline.shrink, pipeline.network.stride)
    _emit_warnings(pipeline.list_size_warnings(adapter))
    batch = x.detach().float().cpu().numpy().reshape(-1, *x.shape[-3:])
    y = adapter.restore_output(pipeline.network_pass.apply(adapter.adapt_input(batch), True, pipeline.label))
    return x.new_tensor(y).reshape(x.shape)


def _emit_warnings(warning_texts: list[str]) -> None:
    for text in warning_texts:
        warnings.warn(text, stacklevel=6)


def is_tensor(x: object) -> bool:
    """Whether `x` is a torch tensor; torch is not imported for it, because without torch there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)
