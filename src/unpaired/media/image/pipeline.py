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
from unpaired.console import FractionCallback, ignore_fraction
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media import Medium, require_medium
from unpaired.media.image.array_io import (
    Array,
    convert_array_to_image,
    convert_array_to_pil,
    convert_pil_to_array,
    convert_pixels_to_array,
)
from unpaired.media.image.carried_metadata import CarriedMetadata, read_carried_metadata
from unpaired.media.image.image_io import (
    NO_METADATA,
    DecodedImage,
    FloatArray,
    from_network_values,
    read_channels,
    read_header,
    remove_white,
    require_suffix,
    supports_bits,
    to_network_values,
    write_array,
)
from unpaired.media.image.large_image import LARGE_PIXELS, LargeImage
from unpaired.media.image.network_pass import MAX_NETWORK_PIXELS, create_network_pass
from unpaired.media.image.pixel_types import MAX_VALUES, UINT8, choose_result_type
from unpaired.media.image.settings import (
    WRITTEN_FORMATS,
    ImageTranslateOptions,
    image_settings,
    image_statistics,
)
from unpaired.media.image.size_adapter import SizeAdapter, create_size_adapter
from unpaired.media.image.translation_range import (
    describe_clipping,
    get_source_range,
    get_value_range,
    require_equal_ranges,
)
from unpaired.translate.network import LabelVector, TranslationNetwork
from unpaired.translate.pipeline import Destination
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """Network input of a picture, with the properties of the input that the result has too.

    `values` is (C, *adapter.padded_size) in [-1, 1]. `label` (L,) is the requested label of a label-conditioned method,
    NaN for values that do not change; None for other methods. `losses` describes parts of the file that are not used.
    A large picture has no values but its decoded pixels, in `large`, and the `suffix` of the output file. `metadata` is
    carried over to it. `dtype` is the type of the values in the input file.
    """

    values: FloatArray | None
    adapter: SizeAdapter
    alpha: FloatArray | None
    is_color: bool
    bits: int
    label: LabelVector | None = None
    losses: tuple[str, ...] = ()
    large: LargeImage | None = None
    suffix: str = ""
    metadata: CarriedMetadata = NO_METADATA
    dtype: np.dtype[Any] = UINT8

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Size of the network input and the label: the pictures of a batch have equal ones. Large ones are alone."""
        return self.adapter.padded_size, str(self.label), None if self.large is None else id(self)

    @property
    def memory_cost(self) -> int:
        """Pixels of the network input, or of the whole picture if it is large."""
        if self.large is not None:
            return self.adapter.height * self.adapter.width
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
        self.channels, self.reads_all_bands = settings.num_channels, settings.reads_all_bands
        self.target_has_color = image_statistics(request.target).color and self.channels == 3
        self.size = settings.size if self.options.scale == "trained" else None
        self.shrink = settings.resize_mode == "scale"
        self.network_pass = create_network_pass(network, self.channels, request)

    def get_result_settings(self) -> list[object]:
        """Return channels, color, resizing and value ranges."""
        options = self.options
        value_ranges = [options.source_range, options.target_range]
        tag = ["tag"] if options.tag else []
        return [self.channels, self.target_has_color, self.size, self.shrink, options.mode, value_ranges, *tag]

    def make_output_name(self, path: str) -> str:
        """Return the same name; formats that cannot be written become PNG, as `a.gif.png`."""
        name = os.path.basename(path)  # noqa: PTH119 - a Path per name is slow for a million files
        suffix = os.path.splitext(name)[1]  # noqa: PTH122
        return name if suffix.lower() in WRITTEN_FORMATS else f"{name}.png"

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes of a picture's pixels while it is translated, by its header; 0 if that cannot be read."""
        try:
            header = read_header(path)
        except UnreadableFileError:
            return 0
        return (
            4 * header.width * header.height * (self.channels if self.reads_all_bands else 3 if header.is_color else 1)
        )

    def prepare_file(self, path: Path, destination: Destination | None = None) -> PreparedImage:  # noqa: ARG002
        """Read a picture for `run`; raises UnreadableFileError, UsageError."""
        header = read_header(path, self.reads_all_bands)
        require_suffix(Path(self.make_output_name(path.name)), self.channels if self.reads_all_bands else 1)
        is_large = self.network_pass.as_tiled() is not None and header.width * header.height > LARGE_PIXELS
        image = read_channels(path, self.channels, self.size if self.shrink else None, keep_type=is_large)
        item = self.prepare_image(image, header.is_color, image.full_size, is_large)
        suffix = Path(self.make_output_name(path.name)).suffix
        metadata = read_carried_metadata(path)
        item = replace(
            item,
            losses=(*header.losses, *item.losses),
            suffix=suffix,
            metadata=metadata.mark_synthetic() if self.options.tag else metadata,
        )
        label_request = self.request.label_request
        return item if label_request is None else replace(item, label=label_request.get_target_label(path))

    def prepare_image(
        self, image: DecodedImage, has_color: bool, size: tuple[int, int] | None = None, is_large: bool = False
    ) -> PreparedImage:
        """Prepare a picture for `run`; `size` is the result's height and width if it was decoded at a smaller size."""
        height, width = size or image.pixels.shape[:2]
        adapter = create_size_adapter(height, width, self.size, self.shrink, self.network.stride)
        low, high = get_source_range(self.options.source_range, self.request.source, image)
        is_color = has_color if self.options.mode == "input" else self.target_has_color
        clipped = describe_clipping(image, low, high)
        losses = (clipped,) if clipped else ()
        x, large = None, None
        if is_large:
            large = LargeImage(image, low, high, self.channels)
        else:
            x = adapter.adapt_input(to_network_values(image, self.channels, low, high)[None])[0]
        label = self._label
        return PreparedImage(x, adapter, image.alpha, is_color, image.bits, label, losses, large, dtype=image.dtype)

    def list_warnings(self, prepared_item: PreparedImage) -> list[str]:
        """Describe effects of the network size on the result, and parts of the file that are not used."""
        losses = [f"of some files, {loss}" for loss in prepared_item.losses]
        return self.list_size_warnings(prepared_item.adapter) + losses

    def run(self, batch: Sequence[PreparedImage], report_fraction: FractionCallback = ignore_fraction) -> list[Array]:
        """Translate pictures with equal `batch_key`; returns one result each.

        A result is (C, *adapter.padded_size) in [-1, 1], or of a large picture its raw values (H, W, C), alpha last.
        """
        if batch[0].large is not None:
            return [self._run_large(item, self.get_output_bits(item.suffix, item), report_fraction) for item in batch]
        full_precision = any(item.bits > 8 for item in batch)
        x = np.stack([item.values for item in batch if item.values is not None])
        return list(self.network_pass.apply(x, full_precision, batch[0].label, report_fraction))

    def _run_large(self, item: PreparedImage, bits: int, report_fraction: FractionCallback = ignore_fraction) -> Array:
        """Translate a large picture to raw values (H, W, C) for `bits` per channel, alpha last."""
        from unpaired.media.image.large_translation import translate_large_image  # noqa: PLC0415 - imports torch

        tiled_pass = self.network_pass.as_tiled()
        assert item.large is not None and tiled_pass is not None

        def restore(y: FloatArray, alpha: FloatArray | None) -> Array:
            return self._restore_region(item, y, alpha, bits)

        return translate_large_image(item.large, item.adapter, tiled_pass, item.label, restore, report_fraction)

    def restore_array(self, item: PreparedImage, y: FloatArray, bits: int) -> Array:
        """Convert a result to raw values (H, W, C) at the input's size, alpha last. Thread-safe."""
        return self._restore_region(item, item.adapter.restore_output(y[None])[0], item.alpha, bits)

    def _restore_region(self, item: PreparedImage, y: FloatArray, alpha: FloatArray | None, bits: int) -> Array:
        """Convert a region of a result (C, h, w) in [-1, 1] to raw values (h, w, C) for `bits` per channel."""
        if alpha is not None:
            y = remove_white(y, alpha)
        low, high = get_value_range(self.options.target_range, self.request.target, bits)
        if bits < 32 and not (low >= 0 and high <= MAX_VALUES[bits]):
            raise UsageError(
                f"--target-range {low:g},{high:g}: a picture of {bits} bits holds 0 to {MAX_VALUES[bits]:g}; give a "
                "range within these, or inputs of more bits"
            )
        dtype = choose_result_type(item.dtype, bits, low, high)
        return convert_pixels_to_array(from_network_values(y, low, high, item.is_color), alpha, bits, dtype)

    def write(self, output: Path, prepared_item: PreparedImage, result: Array) -> tuple[str, ...]:
        """Write a result with the type of its input, if the format supports it; returns no warnings."""
        if prepared_item.large is None:
            bits = self.get_output_bits(output.suffix, prepared_item)
            result = self.restore_array(prepared_item, result, bits)
        write_array(output, result, prepared_item.alpha is not None, prepared_item.metadata)
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
            image = convert_array_to_image(convert_pil_to_array(x), self.channels if self.reads_all_bands else None)
            item = self.prepare_image(image, image.has_color)
        else:
            require_medium(Path(x), self.medium)
            item = self.prepare_file(Path(x))
        if self.reads_all_bands and self.channels not in (2, 4):
            raise UsageError(
                f"{x}: a Pillow image cannot hold {self.channels} channels; give an array (H, W, {self.channels}), or "
                "translate the file with translate_files"
            )
        can_keep_bits = not (item.is_color or self.reads_all_bands) and item.alpha is None
        return convert_array_to_pil(self._translate_single(item, item.bits if can_keep_bits else 8))

    def get_output_bits(self, suffix: str, item: PreparedImage) -> int:
        """Return the bits of a result: those of the input if the format of `suffix` supports them, else 8."""
        is_multichannel = item.is_color or self.reads_all_bands
        return item.bits if supports_bits(suffix, item.bits, is_multichannel, item.alpha is not None) else 8

    @property
    def _label(self) -> LabelVector | None:
        return None if self.request.label_request is None else self.request.label_request.label

    def _translate_single(self, item: PreparedImage, bits: int) -> Array:
        _emit_warnings(self.list_size_warnings(item.adapter))
        if item.large is not None:
            return self._run_large(item, bits)
        (y,) = self.run([item])
        return self.restore_array(item, y, bits)

    def _translate_array(self, array: Array) -> Array:
        image = convert_array_to_image(array, self.channels if self.reads_all_bands else None)
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
        _emit_warnings(self.list_size_warnings(adapter))
        batch = x.detach().float().cpu().numpy().reshape(-1, *x.shape[-3:])
        y = adapter.restore_output(self.network_pass.apply(adapter.adapt_input(batch), True, self._label))
        return x.new_tensor(y).reshape(x.shape)

    def list_size_warnings(self, adapter: SizeAdapter) -> list[str]:
        """Describe effects of the networks' size, and of tiles, on a result."""
        warning_texts = []
        if adapter.upscale_factor > 2:
            warning_texts.append(
                f"the networks see pictures at {self.size} px, as in training, so larger results are enlarged (some "
                "more than twofold) and look soft; --scale native translates pictures without resizing"
            )
        if self.network_pass.choose_tile(*adapter.padded_size) is not None and self.network_pass.obstacle:
            warning_texts.append(
                "large pictures are translated in overlapping tiles, which may differ a little in contrast: this run's "
                f"networks compute '{self.network_pass.obstacle}' from the whole picture (--tile off needs more memory)"
            )
        return warning_texts


def _emit_warnings(warning_texts: list[str]) -> None:
    for text in warning_texts:
        warnings.warn(text, stacklevel=5)


def is_tensor(x: object) -> bool:
    """Whether `x` is a torch tensor; torch is not imported for it, because without torch there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)
