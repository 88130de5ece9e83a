"""Translation of pictures by one route of a model: files, Pillow images, arrays and tensors, at their size."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unpaired.config.model_description import ModelDescription
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media import Medium, require_medium
from unpaired.media.image.array_io import (
    MAX_VALUES,
    Array,
    convert_array_to_image,
    convert_array_to_pil,
    convert_pil_to_array,
    convert_pixels_to_array,
)
from unpaired.media.image.image_io import (
    DecodedImage,
    FloatArray,
    from_network_values,
    read_header,
    read_image,
    remove_white,
    to_network_values,
    write_image,
)
from unpaired.media.image.settings import (
    WRITTEN_FORMATS,
    ImageTranslateOptions,
    image_settings,
    image_statistics,
)
from unpaired.media.image.size_adapter import MAX_NETWORK_PIXELS, SizeAdapter, apply_tiled, create_size_adapter
from unpaired.media.image.translation_range import (
    describe_clipping,
    get_source_range,
    get_value_range,
    require_equal_ranges,
)
from unpaired.translate.network import LabelVector, TranslationNetwork
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """Network input of a picture, with the properties of the input that the result has too.

    `values` is (C, *adapter.padded_size) in [-1, 1]. `label` (L,) is the requested label of a label-conditioned method,
    NaN for values that do not change; None for other methods. `losses` describes parts of the file that are not used.
    """

    values: FloatArray
    adapter: SizeAdapter
    alpha: FloatArray | None
    is_color: bool
    bits: int
    label: LabelVector | None = None
    losses: tuple[str, ...] = ()

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Size of the network input and the label: the pictures of a batch have equal ones."""
        return self.adapter.padded_size, str(self.label)

    @property
    def memory_cost(self) -> int:
        """Pixels of the network input."""
        return self.adapter.padded_size[0] * self.adapter.padded_size[1]


class ImagePipeline:
    """Translation pipeline for pictures, by the route and options of `request`.

    Before the networks, the shorter side of a picture is resized to `size` pixels, without `shrink` only if it is
    smaller; None: pictures are not resized. Pictures of more than 8 bits are computed in full float32, others may be
    computed in TF32. The module imports no torch, which `network` may need.
    """

    max_waiting_cost = MAX_NETWORK_PIXELS

    def __init__(self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest) -> None:
        assert isinstance(request.options, ImageTranslateOptions)
        self.medium: Medium = config.get_medium()
        self.network, self.request, self.options = network, request, request.options
        if request.is_source_ambiguous and self.options.source_range is None:
            routes = [route for route in network.routes if route.target == request.route.target]
            require_equal_ranges([config.get_domain(route.source) for route in routes])
        settings = image_settings(config)
        self.channels = settings.num_channels
        self.target_has_color = image_statistics(request.target).color and self.channels == 3
        self.size = settings.size if self.options.scale == "trained" else None
        self.shrink = settings.resize_mode == "scale"

    def get_result_settings(self) -> list[object]:
        """Return channels, color, resizing and value ranges."""
        options = self.options
        value_ranges = [options.source_range, options.target_range]
        return [self.channels, self.target_has_color, self.size, self.shrink, options.mode, value_ranges]

    def make_output_name(self, name: str) -> str:
        """Return the same name; formats that cannot be written become PNG, as `a.gif.png`."""
        suffix = os.path.splitext(name)[1]  # noqa: PTH122 - a Path per name is slow for a million files
        return name if suffix.lower() in WRITTEN_FORMATS else f"{name}.png"

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes of a picture's float32 pixels, by its header; 0 where it has none to read."""
        try:
            header = read_header(path)
        except UnreadableFileError:
            return 0
        return 4 * header.width * header.height * (3 if header.is_color else 1)

    def prepare_file(self, path: Path) -> PreparedImage:
        """Read a picture for `run`; raises UnreadableFileError, UsageError."""
        header = read_header(path)
        image = read_image(path, self.size if self.shrink else None)
        item = self.prepare_image(image, header.is_color, image.full_size)
        item = replace(item, losses=(*header.losses, *item.losses))
        label_request = self.request.label_request
        return item if label_request is None else replace(item, label=label_request.get_target_label(path))

    def prepare_image(self, image: DecodedImage, has_color: bool, size: tuple[int, int] | None = None) -> PreparedImage:
        """Prepare a picture for `run`; `size` is the result's height and width if it was decoded at a smaller size."""
        height, width = size or image.pixels.shape[:2]
        adapter = create_size_adapter(height, width, self.size, self.shrink, self.network.stride)
        low, high = get_source_range(self.options.source_range, self.request.source, image)
        x = to_network_values(image, self.channels, low, high)
        is_color = has_color if self.options.mode == "input" else self.target_has_color
        clipped = describe_clipping(image, low, high)
        x = adapter.adapt_input(x[None])[0]
        return PreparedImage(x, adapter, image.alpha, is_color, image.bits, self._label, (clipped,) if clipped else ())

    def list_warnings(self, prepared_item: PreparedImage) -> list[str]:
        """Describe effects of the network size on the result, and parts of the file that are not used."""
        losses = [f"of some files, {loss}" for loss in prepared_item.losses]
        return self._list_size_warnings(prepared_item.adapter) + losses

    def run(self, batch: Sequence[PreparedImage]) -> list[FloatArray]:
        """Translate pictures with equal `batch_key`; returns values (C, *adapter.padded_size) for each."""
        full_precision = any(item.bits > 8 for item in batch)
        return list(self._apply_network(np.stack([item.values for item in batch]), full_precision, batch[0].label))

    def restore_pixels(self, item: PreparedImage, y: FloatArray, bits: int) -> FloatArray:
        """Convert a result to raw values (H, W, 1 or 3) at the input's size, for `bits` per channel. Thread-safe."""
        y = item.adapter.restore_output(y[None])[0]
        if item.alpha is not None:
            y = remove_white(y, item.alpha)
        low, high = get_value_range(self.options.target_range, self.request.target, bits)
        if bits < 32 and not (low >= 0 and high <= MAX_VALUES[bits]):
            raise UsageError(
                f"--target-range {low:g},{high:g}: a picture of {bits} bits holds 0 to {MAX_VALUES[bits]:g}; give a "
                "range within these, or inputs of more bits"
            )
        return from_network_values(y, low, high, item.is_color)

    def write(self, output: Path, prepared_item: PreparedImage, result: FloatArray) -> tuple[str, ...]:
        """Write a result with the bits of its input, if the format supports them; returns no warnings."""
        bits = get_output_bits(output.suffix, prepared_item)
        write_image(output, self.restore_pixels(prepared_item, result, bits), prepared_item.alpha, bits)
        return ()

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Image.Image | Array | Tensor:
        """Translate a Pillow image, an array, a tensor or a picture file (see `Translator`); raises UsageError."""
        if sample_rate_hz is not None:
            raise UsageError("a sample rate is for recordings, but this run translates pictures; omit it")
        if is_tensor(x):
            return self._translate_tensor(x)
        if isinstance(x, np.ndarray):
            return self._translate_array(x)
        if isinstance(x, Image.Image):
            image = convert_array_to_image(convert_pil_to_array(x))
            item = self.prepare_image(image, image.has_color)
        else:
            require_medium(Path(x), self.medium)
            item = self.prepare_file(Path(x))
        can_keep_bits = not item.is_color and item.alpha is None
        return convert_array_to_pil(self._translate_single(item, item.bits if can_keep_bits else 8))

    @property
    def _label(self) -> LabelVector | None:
        return None if self.request.label_request is None else self.request.label_request.label

    def _translate_single(self, item: PreparedImage, bits: int) -> Array:
        _emit_warnings(self._list_size_warnings(item.adapter))
        (y,) = self.run([item])
        return convert_pixels_to_array(self.restore_pixels(item, y, bits), item.alpha, bits)

    def _translate_array(self, array: Array) -> Array:
        image = convert_array_to_image(array)
        out = self._translate_single(self.prepare_image(image, image.has_color), image.bits).astype(
            array.dtype, copy=False
        )
        return out[..., 0] if array.ndim == 2 and out.shape[2] == 1 else out

    def _translate_tensor(self, x: Tensor) -> Tensor:
        channels = self.channels
        if x.ndim not in (3, 4) or x.shape[-3] != channels or 0 in x.shape or not x.is_floating_point():
            raise UsageError(
                f"a tensor of shape {tuple(x.shape)} and {x.dtype}; expected floating point "
                f"({channels}, H, W) or (B, {channels}, H, W)"
            )
        low, high = x.min().item(), x.max().item()
        if not -1.01 <= low <= high <= 1.01:
            raise UsageError(f"a tensor with values from {low:g} to {high:g}; expected -1 to 1")
        adapter = create_size_adapter(x.shape[-2], x.shape[-1], self.size, self.shrink, self.network.stride)
        _emit_warnings(self._list_size_warnings(adapter))
        batch = x.detach().float().cpu().numpy().reshape(-1, *x.shape[-3:])
        y = adapter.restore_output(self._apply_network(adapter.adapt_input(batch), True, self._label))
        return x.new_tensor(y).reshape(x.shape)

    def _apply_network(self, x: FloatArray, full_precision: bool, label: LabelVector | None) -> FloatArray:
        """Translate (B, C, H, W) in batches of at most `MAX_NETWORK_PIXELS`; larger pictures in tiles."""

        def net(part: FloatArray) -> FloatArray:
            return self.network.translate(part, self.request.route, label, full_precision)

        batch_size = max(1, MAX_NETWORK_PIXELS // (x.shape[-2] * x.shape[-1]))
        parts = [x[start : start + batch_size] for start in range(0, len(x), batch_size)]
        return np.concatenate([apply_tiled(net, part, self.network.stride, MAX_NETWORK_PIXELS) for part in parts])

    def _list_size_warnings(self, adapter: SizeAdapter) -> list[str]:
        warning_texts = []
        if adapter.upscale_factor > 2:
            warning_texts.append(
                f"the networks see pictures at {self.size} px, as in training, so larger results are enlarged (some "
                "more than twofold) and look soft; --scale native translates pictures without resizing"
            )
        if adapter.padded_size[0] * adapter.padded_size[1] > MAX_NETWORK_PIXELS:
            warning_texts.append(
                f"pictures of more than {MAX_NETWORK_PIXELS:,} pixels are translated in overlapping tiles, which may "
                "differ a little in contrast"
            )
        return warning_texts


def get_output_bits(suffix: str, prepared_item: PreparedImage) -> int:
    """Return the bits of a result: those of the input if the format of `suffix` supports them, else 8."""
    is_tiff = suffix.lower() in (".tif", ".tiff")
    is_gray_png = (
        suffix.lower() == ".png"
        and prepared_item.bits == 16
        and not prepared_item.is_color
        and prepared_item.alpha is None
    )
    return prepared_item.bits if is_tiff or is_gray_png else 8


def _emit_warnings(warning_texts: list[str]) -> None:
    for text in warning_texts:
        warnings.warn(text, stacklevel=5)


def is_tensor(x: object) -> bool:
    """Whether `x` is a torch tensor; torch is not imported for it, because without torch there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)
